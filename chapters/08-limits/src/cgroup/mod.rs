//! Cgroups of both versions, by the same words.
//!
//! What differs between them stops here: where they are ([`Machine`]), how a limit is called
//! ([`keys`]), and what is read back from them ([`seen`]). A [`Group`] has one directory in each
//! hierarchy of v1 that it needs, and a single one in v2.

mod amounts;
mod group;
pub(crate) mod keys;
mod machine;
mod remains;
pub(crate) mod seen;

pub(crate) use amounts::{limit, number, size};
pub(crate) use group::{Group, name, pids};
pub(crate) use machine::{Hierarchy, Machine, Version};
pub(crate) use remains::{Remains, children};

use primitives::Error;

/// What the kernel has said, and what it means here: the request and its errno stay in the message.
pub(crate) fn explained(error: Error, what: &str) -> Error {
    match error {
        Error::Request(refusal) if !refusal.here => Error::Unusable(format!("{refusal}. {what}")),
        other => other,
    }
}
