//! What lies at the bottom of an error, and which errno comes nearest to it?

use std::error::Error as StdError;
use std::io;

use primitives::Errno;

/// All that an error comes from, itself first.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let mut all = vec![error];
    loop {
        let last = all[all.len() - 1];
        // The standard library hides what it wraps: its source is one further down.
        let wrapped = last.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| last.source()) {
            Some(next) => all.push(next),
            None => return all,
        }
    }
}

/// What lies at the bottom of an error; the layers above it repeat what is known.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// The errno that comes nearest to what the library says, and whether it is the kernel's own.
pub(crate) fn errno_of(error: &reqwest::Error) -> (Errno, bool) {
    let causes = causes(error);
    let io = |cause: &&(dyn StdError + 'static)| {
        cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error)
    };
    if let Some(errno) = causes.iter().find_map(io) {
        return (Errno::from_raw(errno), true);
    }
    if error.is_timeout() {
        return (Errno::ETIMEDOUT, false);
    }
    let tls = causes.iter().find_map(|cause| cause.downcast_ref::<rustls::Error>());
    let text = innermost(error);
    let errno = match (tls, text.as_str()) {
        (Some(rustls::Error::InvalidCertificate(_)), _) => Errno::EKEYREJECTED,
        (Some(_), _) => Errno::EPROTO,
        (None, text) if text.contains("lookup address") => Errno::EHOSTUNREACH,
        (None, text) if text.contains("invalid") || text.contains("unexpected") => Errno::EPROTO,
        _ => Errno::ECONNRESET,
    };
    (errno, false)
}
