//! Why can the store not do what it is asked for?

use std::path::PathBuf;

use crate::digest::Digest;
use crate::model::Refused;

/// The result of everything that the store does.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the store could not do something, for a consequence to be drawn from.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine refused a request.
    #[error(transparent)]
    Machine(#[from] primitives::Error),
    /// A document is not taken for what it is said to be.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The bytes are not those that the digest names: to be had again from somewhere else.
    #[error("{digest} is spoiled: {why}")]
    Spoiled {
        /// What they should be.
        digest: Digest,
        /// What is wrong with them.
        why: String,
    },
    /// A blob is not here.
    #[error("{0} is not in the store")]
    Missing(Digest),
    /// No image is meant by a text.
    #[error("no image {0:?} is here: `image ls` shows what there is")]
    NoImage(String),
    /// A file cannot be read.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the machine says.
        why: std::io::Error,
    },
    /// What was asked for makes no sense, or cannot be had.
    #[error("{0}")]
    Unusable(String),
}

impl Error {
    /// A file that could not be read.
    pub(crate) fn reading(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |why| Error::Unreadable { path, why }
    }
}

impl From<Error> for primitives::Error {
    fn from(error: Error) -> primitives::Error {
        match error {
            Error::Machine(error) => error,
            other => primitives::Error::Unusable(other.to_string()),
        }
    }
}
