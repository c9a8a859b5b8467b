//! Why was a layer not unpacked?

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;

use super::tar::Fault;

/// The result of unpacking.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a layer was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its bytes could not be had, or are no gzip or zstd although they begin like it.
    #[error("the layer cannot be read")]
    Stream(#[source] io::Error),
    /// The media type says one thing and the bytes another.
    #[error("the layer should be {claimed}, and its bytes are {found}")]
    Packing {
        /// What it was said to be.
        claimed: &'static str,
        /// What it looks like.
        found: &'static str,
    },
    /// It is no tar, or one that can be understood in two ways.
    #[error("the layer is refused, after {after} entries: {why}")]
    Tar {
        /// How many entries were all right.
        after: u64,
        /// What is wrong.
        why: String,
    },
    /// An entry is hostile, or makes no sense.
    #[error("the entry {name:?} of the layer is refused: {why}")]
    Entry {
        /// The name as it is written in the layer.
        name: OsString,
        /// What is wrong.
        why: String,
    },
    /// It wants more of the machine than it may.
    #[error("the layer is refused: {what} is more than the {most} that are allowed")]
    Budget {
        /// What there is too much of.
        what: String,
        /// How much may be.
        most: u64,
    },
    /// An entry is all right, and could not be made.
    #[error("the entry {name:?} of the layer could not be made")]
    Request {
        /// The name as it is written in the layer.
        name: OsString,
        /// The request, and what the kernel said.
        #[source]
        error: primitives::Error,
    },
    /// The place where the layer was to go.
    #[error(transparent)]
    Place(#[from] primitives::Error),
}

/// What stops an entry, before it is said which.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(String),
    Request(primitives::Error),
    /// It is not about the entry.
    Other(Error),
}

impl Stop {
    /// Says which entry it is.
    pub(super) fn at(self, name: &[u8]) -> Error {
        let name = || OsString::from_vec(name.to_vec());
        match self {
            Stop::Refused(why) => Error::Entry { name: name(), why },
            Stop::Request(error) => Error::Request { name: name(), error },
            Stop::Other(error) => error,
        }
    }
}

impl From<primitives::Error> for Stop {
    fn from(error: primitives::Error) -> Stop {
        Stop::Request(error)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        match fault {
            Fault::Refused(why) => Stop::Refused(why),
            Fault::Stream(error) => Stop::Other(error.into()),
        }
    }
}

/// What this module has put into an error of reading comes out again.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        error.downcast::<Error>().unwrap_or_else(Error::Stream)
    }
}

pub(super) fn refused<T>(why: impl Into<String>) -> std::result::Result<T, Stop> {
    Err(Stop::Refused(why.into()))
}
