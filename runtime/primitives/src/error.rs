//! What does a reader need to hear when a request was refused?
//!
//! The step, the call with its arguments, the errno, and what that errno means for this call:
//! `could not enter the new root: pivot_root(".", "."): EINVAL (the new root must be a mount point)`.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use trace::{Arg, Request};

use crate::cards;
use crate::gate::{Call, errno_name};

/// The result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

/// Exit code when a program of this workspace could not do its own work, as `docker run` has it.
pub const OWN_FAILURE: u8 = 125;
/// Exit code when the program to run is there but cannot be executed, as in a shell.
pub const CANNOT_EXECUTE: u8 = 126;
/// Exit code when the program to run is not there, as in a shell.
pub const NOT_FOUND: u8 = 127;

/// Why something could not be done, for a consequence to be drawn from.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request was refused, by the kernel or by the window.
    #[error("{0}")]
    Request(Box<Refusal>),
    /// Another process of ours could not do its part.
    #[error("{}", .0.message)]
    Child(Failure),
    /// A process of ours ended without a word.
    #[error("{role} ended ({how}) before it had done its part")]
    Lost {
        /// The part it played.
        role: String,
        /// How it ended.
        how: String,
    },
    /// The program to run is not where it was looked for.
    #[error("no program {program:?} in {searched}")]
    NotFound {
        /// The program as it was asked for.
        program: String,
        /// Where it was looked for.
        searched: String,
    },
    /// The program to run is there, but it is not one.
    #[error("{program:?} cannot be executed: {why}")]
    NotExecutable {
        /// The program as it was asked for.
        program: String,
        /// What is wrong with it.
        why: String,
    },
    /// What was asked for makes no sense, or cannot be had on this machine.
    #[error("{0}")]
    Unusable(String),
    /// The reader stopped the program at a pause.
    #[error("stopped at a pause, as you asked")]
    Aborted,
}

impl Error {
    /// The exit code that tells a shell what went wrong.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::NotFound { .. } => NOT_FOUND,
            Error::NotExecutable { .. } => CANNOT_EXECUTE,
            Error::Child(failure) => failure.code,
            Error::Request(refusal) if refusal.call == "execve" => match refusal.errno {
                Errno::ENOENT => NOT_FOUND,
                _ => CANNOT_EXECUTE,
            },
            _ => OWN_FAILURE,
        }
    }

    /// The errno, when the kernel or the window gave one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Request(refusal) => Some(refusal.errno),
            _ => None,
        }
    }
}

/// A request that was refused.
#[derive(Debug, thiserror::Error)]
pub struct Refusal {
    /// The part that the process plays; none for the first process.
    pub role: Option<String>,
    /// The step it was in.
    pub step: Option<&'static str>,
    /// The request's name in the man page.
    pub call: &'static str,
    /// The request itself. It is put into words only for who wants to read them: that a file is not
    /// there is often no mistake, but the answer to a question.
    request: Call,
    /// What its words do not say: which file a descriptor stands for.
    pub more: String,
    /// What the kernel said, or the window in its place.
    pub errno: Errno,
    /// What to do about it, where the caller knows more than the card of the request.
    pub advice: Option<&'static str>,
    /// Whether the window refused, so that the kernel was never asked.
    pub here: bool,
    /// What the kernel said besides, in its own words, where a request has a way to hear them.
    pub said: Option<String>,
}

impl Refusal {
    pub(crate) fn new(
        role: Option<String>,
        step: Option<&'static str>,
        request: Call,
        errno: Errno,
        here: bool,
    ) -> Refusal {
        let (call, more) = (request.name, String::new());
        Refusal { role, step, call, request, more, errno, advice: None, here, said: None }
    }

    /// What the errno means for this request.
    fn hint(&self) -> Option<&'static str> {
        self.advice.or_else(|| cards::hint(self.request.primitive, &errno_name(self.errno)))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(role) = &self.role {
            write!(f, "{role} ")?;
        }
        match self.step {
            Some(step) => write!(f, "could not {step}: ")?,
            None => write!(f, "could not make a request: ")?,
        }
        // As in a trace, but for texts that are longer than a line.
        let args: Vec<Arg> = self.request.args.iter().cloned().map(Arg::brief).collect();
        let request = Request { call: self.call, args: &args };
        write!(f, "{request}{}: {:?}", self.more, self.errno)?;
        match (self.here, self.hint()) {
            (true, _) => f.write_str(" (refused by the window, the kernel was not asked)"),
            (false, Some(hint)) => write!(f, " ({hint})"),
            (false, None) => write!(f, " ({})", self.errno.desc()),
        }?;
        match &self.said {
            Some(said) => write!(f, "; the kernel says: {said}"),
            None => Ok(()),
        }
    }
}

/// A failure that came from another process: what it said, and the exit code that goes with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The message, already complete.
    pub message: String,
    /// The exit code of [`Error::exit_code`].
    pub code: u8,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Failure {
        Failure { message: error.to_string(), code: error.exit_code() }
    }
}

/// An errno from its name, as `--fail` takes it.
///
/// # Errors
/// Says how names look when there is no errno of that name.
pub fn errno_from_name(name: &str) -> std::result::Result<Errno, String> {
    let upper = name.to_uppercase();
    // Two names of the kernel are second names of other numbers.
    let known = match upper.as_str() {
        "EWOULDBLOCK" => "EAGAIN",
        "ENOTSUP" => "EOPNOTSUPP",
        other => other,
    };
    (1..=133).map(Errno::from_raw).find(|errno| errno_name(*errno) == known).ok_or_else(|| {
        format!("{name:?} is no errno: write its name as in errno(3), such as EPERM")
    })
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::errno_from_name;

    #[test]
    fn errnos_have_their_names() {
        assert_eq!(errno_from_name("EPERM"), Ok(Errno::EPERM));
        assert_eq!(errno_from_name("enosys"), Ok(Errno::ENOSYS));
        assert_eq!(errno_from_name("EWOULDBLOCK"), Ok(Errno::EAGAIN));
        assert!(errno_from_name("EPREM").is_err());
    }
}
