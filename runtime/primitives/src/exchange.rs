//! What is said to a server, and what comes back?
//!
//! An HTTP exchange is no system call: it is a connection that may be there already, packets, a
//! cipher, and all of it in a library. But it is what a person would name, so it stands in the window
//! as one request: its name is the method, its arguments are the URL and what goes with it, its
//! result is what came back. It can be refused like any other, and is then never sent.
//!
//! It is written down when it is over: when the body was read to its end, or is given up. So its time
//! is that of the whole exchange, and several that overlap are written down in the order of their ends.

use std::io::{self, Read};
use std::panic::Location;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal};
use trace::Arg;

use crate::args::fields;
use crate::error::{Error, Result};
use crate::gate::{Asked, Call, ask_first, errno_name, refusal};

/// What is shown of a query: names of things, but neither signatures nor states, which are keys.
const HARMLESS: [&str; 8] =
    ["artifactType", "digest", "from", "last", "mount", "n", "scope", "service"];

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Answer<B> {
    body: B,
    ending: Ending,
}

/// What is known when it ends.
struct Ending {
    asked: Option<Asked>,
    begun: Instant,
    status: u16,
    bytes: u64,
    cut: Option<Errno>,
}

impl std::fmt::Debug for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes so far", self.bytes)
    }
}

/// Sends a request to a server that speaks HTTP, and waits for the head of its answer: a status, and a
/// body that is read afterwards.
///
/// `more` is what else is worth knowing of the request, such as the range that is asked for. Of the
/// URL, whatever could be a secret is hidden: a name and password, and values of the query.
///
/// - man: RFC 9110 (HTTP)
/// - since: HTTP/1.1
/// - ECONNREFUSED: nobody listens there: is the registry running, and is the port right?
/// - ECONNRESET: the connection was cut while we waited
/// - EHOSTUNREACH: no machine of that name was found, or no way to it
/// - ETIMEDOUT: nothing came for too long
/// - EPROTO: what answers there does not speak HTTP, or speaks TLS where we do not, or the other way round
/// - EKEYREJECTED: its certificate was not accepted: is its authority known here?
#[track_caller]
pub fn exchange<B>(
    method: &'static str,
    url: &str,
    more: &[(&'static str, String)],
    why: &'static str,
    send: impl FnOnce() -> std::result::Result<(u16, B), Errno>,
) -> Result<Answer<B>> {
    let call = || Call::new(method, "exchange", arguments(url, more));
    let mut asked = ask_first(call, why, Location::caller())?;
    let begun = Instant::now();
    match asked.make(send) {
        Ok((status, body)) => {
            let ending = Ending { asked: Some(asked), begun, status, bytes: 0, cut: None };
            Ok(Answer { body, ending })
        }
        Err(errno) => Err(asked.failed(errno)),
    }
}

impl<B> Answer<B> {
    /// The status: 200 when all is well.
    pub fn status(&self) -> u16 {
        self.ending.status
    }

    /// What the library knows of it besides.
    pub fn head(&self) -> &B {
        &self.body
    }
}

impl<B: Read> Read for Answer<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(buffer);
        match &read {
            Ok(0) if !buffer.is_empty() => self.ending.write_down(),
            Ok(length) => self.ending.bytes += *length as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                self.ending.cut = Some(cause_of(error));
                self.ending.write_down();
            }
        }
        read
    }
}

impl Ending {
    fn write_down(&mut self) {
        let Some(mut asked) = self.asked.take() else { return };
        if let Some(record) = asked.record.as_mut() {
            record.micros = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        }
        let number = |number: u64| Arg::Number(i64::try_from(number).unwrap_or(i64::MAX));
        let (status, bytes) = (number(self.status.into()), number(self.bytes));
        asked.succeeded(match self.cut {
            None => fields([("status", status), ("bytes", bytes)]),
            Some(errno) => {
                let cut = Arg::Word(errno_name(errno));
                fields([("status", status), ("bytes", bytes), ("cut", cut)])
            }
        });
    }
}

/// Who gives up the body ends the exchange too.
impl Drop for Ending {
    fn drop(&mut self) {
        self.write_down();
    }
}

/// From now on writing to a connection that the other end has closed is an error, and not the end of
/// this process. A program that it becomes does not inherit that.
pub fn outlive_closed_connections() {
    extern "C" fn nothing(_: libc::c_int) {}
    // A handler, because to ignore the signal would be inherited.
    let handler = SigHandler::Handler(nothing);
    // SAFETY: the handler does nothing, so it does nothing that is not allowed in a signal's context.
    let _ = unsafe { nix::sys::signal::signal(Signal::SIGPIPE, handler) };
}

/// The errno at the bottom of an error, whoever wrapped it; a connection that ended without one was cut.
pub fn cause_of(error: &(dyn std::error::Error + 'static)) -> Errno {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            if let Some(errno) = io.raw_os_error() {
                return Errno::from_raw(errno);
            }
            if io.kind() == io::ErrorKind::TimedOut {
                return Errno::ETIMEDOUT;
            }
            // What it wraps is not among its sources: those begin one further down.
            if let Some(inner) = io.get_ref() {
                cause = Some(inner);
                continue;
            }
        }
        cause = error.source();
    }
    Errno::ECONNRESET
}

/// The error for an answer that broke off. In the trace it is already, with what came of it.
pub fn broken_off(method: &'static str, url: &str, errno: Errno) -> Error {
    refusal(Call::new(method, "exchange", arguments(url, &[])), errno, false)
}

/// Whether this is an error of the network, which may be gone the next time.
pub fn may_pass(error: &Error) -> bool {
    let passing = [
        Errno::ECONNRESET,
        Errno::ECONNABORTED,
        Errno::EPIPE,
        Errno::ETIMEDOUT,
        Errno::ENETUNREACH,
        Errno::ENETDOWN,
        Errno::EAGAIN,
    ];
    error.errno().is_some_and(|errno| passing.contains(&errno))
}

fn arguments(url: &str, more: &[(&'static str, String)]) -> Vec<Arg> {
    let mut arguments = vec![Arg::Text(without_secrets(url))];
    if !more.is_empty() {
        let shown = |(name, value): &(&str, String)| (name.to_string(), Arg::Word(value.clone()));
        arguments.push(Arg::Fields(more.iter().map(shown).collect()));
    }
    arguments
}

/// A URL as it may be shown to anybody.
pub fn without_secrets(url: &str) -> String {
    let (url, _fragment) = url.split_once('#').unwrap_or((url, ""));
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = before.split_once("://").unwrap_or(("", before));
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let separator = if scheme.is_empty() { "" } else { "://" };
    let mark = if query.is_empty() { "" } else { "?" };
    let shown = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if !HARMLESS.contains(&name) => format!("{name}=…"),
        _ => pair.to_string(),
    };
    let query: Vec<String> = query.split('&').map(shown).collect();
    format!("{scheme}{separator}{host}{path}{mark}{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use nix::errno::Errno;

    use super::{exchange, without_secrets};

    #[test]
    fn nothing_secret_is_shown_of_a_url() {
        for (url, shown) in [
            ("https://u:p@h.org/v2/?a=b#c", "https://h.org/v2/?a=…"),
            ("http://h/v2/x/tags/list?n=5&last=a", "http://h/v2/x/tags/list?n=5&last=a"),
            (
                "https://s3/x?X-Amz-Signature=00&digest=sha256:1",
                "https://s3/x?X-Amz-Signature=…&digest=sha256:1",
            ),
            ("https://h", "https://h"),
            ("https://h/a@b", "https://h/a@b"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn an_answer_is_read_to_its_end() {
        let body = || Ok((200, &b"abc"[..]));
        let mut answer = exchange("GET", "http://h/", &[], "see", body).unwrap();
        let mut text = String::new();
        answer.read_to_string(&mut text).unwrap();
        assert_eq!((answer.status(), text.as_str()), (200, "abc"));
    }

    #[test]
    fn who_is_not_there_is_named_with_a_hint() {
        let nobody = || Err::<(u16, &[u8]), Errno>(Errno::ECONNREFUSED);
        let error = exchange("GET", "http://h/x?sig=1", &[], "see", nobody).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("GET(\"http://h/x?sig=…\"): ECONNREFUSED (nobody listens"), "{text}");
    }
}
