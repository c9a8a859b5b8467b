//! What do a registry, a layout and an image say to each other?
//!
//! Everything here is read from bytes that somebody else has written. Bytes are kept as they came and
//! are never written again from these types: another blank would be another digest.
//!
//! | file | question it answers |
//! |---|---|
//! | [`media`](MediaType) | what kind of thing is this? |
//! | [`descriptor`](Descriptor) | what is meant, how large is it, and how do I know that I have it? |
//! | [`document`](Document) | is this a manifest or an index, and never both? |
//! | [`platform`](Platform) | which of the images under one name runs here? |
//! | [`config`](ImageConfig) | what did the maker of the image want to be run? |

mod config;
mod descriptor;
mod document;
mod media;
mod platform;

pub use config::{HealthCheck, History, ImageConfig, RootFs, RunConfig};
pub use descriptor::{CREATED, Descriptor, NAME, NAME_IN_CONTAINERD};
pub use document::{Document, Index, MOST_OF_A_DOCUMENT, Manifest};
pub use media::{Compression, MediaType};
pub use platform::{NotAPlatform, Platform};

use serde::{Deserialize, Deserializer};

/// Why a document is not taken for what it is said to be.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is larger than any honest one.
    #[error("{what} of {size} bytes is refused: {most} bytes are the most that is read")]
    TooLarge {
        /// What it should be.
        what: &'static str,
        /// How large it is.
        size: u64,
        /// The bound.
        most: u64,
    },
    /// It is not the JSON that it should be.
    #[error("this is not {what}: {why}")]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// The words of the JSON parser.
        why: serde_json::Error,
    },
    /// It could be read in two ways, by two programs: CVE-2021-41190.
    #[error("the document is ambiguous: {0}")]
    Ambiguous(String),
    /// It is of a kind that is not taken.
    #[error("{0}")]
    Kind(String),
    /// No image under the name runs here.
    #[error("no image for {wanted} is in this index: it has {there}")]
    NoPlatform {
        /// What was asked for.
        wanted: String,
        /// What there is.
        there: String,
    },
    /// Two documents that belong together do not fit each other.
    #[error("manifest and configuration do not fit: {0}")]
    DoNotFit(String),
}

/// Go writes `null` for an empty list and for an empty map.
fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
