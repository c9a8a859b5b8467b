//! Pull, push and copy: what goes where, in which order?
//!
//! From the name down, and up again: what a name means, then documents, then blobs; and a name is given
//! when everything below it is there. Nothing is fetched that is here, and nothing is sent that is there.
//!
//! | room | question it answers |
//! |---|---|
//! | [`pull`] | how does an image come from a registry into the store, unpacked, in one pass? |
//! | [`copy`] | how does it go from anywhere to anywhere else? |
//! | [`ends`] | what can be at either end: a registry, the store? |
//! | [`layout`] | and a layout, for others and from others? |
//! | [`progress`] | what does somebody see who waits? |

pub mod copy;
pub mod ends;
mod error;
pub mod layout;
pub mod progress;
pub mod pull;
mod referrers;
mod tee;
mod workers;

pub use error::{Error, Result, whole};
pub use workers::jobs;
