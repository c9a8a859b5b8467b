//! Why did an image not arrive?

use crate::digest::Digest;
use crate::{model, registry, store, unpack};

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an image did not arrive where it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry did not give or take it.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The store did not.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A request was refused.
    #[error(transparent)]
    Machine(#[from] primitives::Error),
    /// A document is not taken for what it is said to be.
    #[error("{what}")]
    Document {
        /// Which.
        what: String,
        /// What is wrong with it.
        #[source]
        why: model::Refused,
    },
    /// A layer cannot be unpacked.
    #[error("the layer {digest}")]
    Layer {
        /// Which.
        digest: Digest,
        /// What is wrong with it.
        #[source]
        why: unpack::Error,
    },
    /// What was asked for makes no sense, or cannot be had.
    #[error("{0}")]
    Unusable(String),
}

impl Error {
    /// Which document a refusal is about.
    pub(crate) fn about(what: impl Into<String>) -> impl FnOnce(model::Refused) -> Error {
        let what = what.into();
        move |why| Error::Document { what, why }
    }

    /// Whether the reader has stopped the program, so that nothing else is tried.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self,
            Error::Machine(primitives::Error::Aborted)
                | Error::Registry(registry::Error::Request(primitives::Error::Aborted))
                | Error::Store(store::Error::Machine(primitives::Error::Aborted))
        )
    }
}

/// An error with all that it comes from, on one line.
pub fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<Error> for primitives::Error {
    fn from(error: Error) -> primitives::Error {
        match error {
            Error::Registry(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::Machine(error) => error,
            other => primitives::Error::Unusable(whole(&other)),
        }
    }
}
