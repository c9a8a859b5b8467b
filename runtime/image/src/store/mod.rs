//! How is an image kept so that no crash can spoil it?
//!
//! The store is an OCI image layout, which skopeo reads as `oci:DIR:NAME`, and a few folders beside it:
//!
//! ```text
//! oci-layout            says that this is one
//! index.json            names, each with the descriptor that it stands for; replaced as a whole
//! blobs/ALGORITHM/HEX   documents and packed layers; each is what its name says, or it is not there
//! ingest/ALGORITHM-HEX  what has come of a blob so far; a broken download goes on from there
//! layers/ALGORITHM/HEX  unpacked layers, by the digest of their tar archive ("diff id")
//! containers/NAME/      what a container needs, which therefore stays
//! leases/NAME           what somebody needs for some time, without a name for it
//! locks/                who works on what; a lock ends with its process
//! ```
//!
//! Nothing is visible under its name before all of it is there and is what the name says. Whatever is
//! half done lies in `ingest/` or has a name that begins with a dot, and whoever opens the store alone
//! sweeps it out.
//!
//! Every [`Store`] holds the lock `locks/store` together with all others. The garbage collection takes
//! it alone, so nothing disappears under the hands of somebody who works.

pub mod archive;
mod blobs;
mod check;
mod collect;
mod error;
mod layers;
mod locks;
mod nameless;
mod names;
mod opening;
mod reach;
mod receiving;
mod roots;
mod usage;

use std::path::{Path, PathBuf};

use crate::digest::Digest;

pub use blobs::Verified;
pub use check::{Checked, Finding};
pub use collect::{Alone, Collected};
pub use error::{Error, Result};
pub use names::{Named, Taken};
pub use opening::default_root;
pub use reach::{Image, Reach};
pub use receiving::{Arrival, Receiving};
pub use roots::{Lease, Uses};
pub use usage::{Room, Usage};

use locks::Lock;

/// The store of one user, open for work; garbage is not collected meanwhile.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Held together with all who work, or alone by who collects garbage.
    _lock: Lock,
}

impl Store {
    /// The directory that it is in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a blob is, if it is there.
    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }

    /// Where a blob is while it comes.
    fn ingest(&self, digest: &Digest) -> PathBuf {
        let name = format!("{}-{}", digest.algorithm().name(), digest.hex());
        self.root.join("ingest").join(name)
    }
}

#[cfg(test)]
mod tests;
