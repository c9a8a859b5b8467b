//! How is a blob kept whose digest is not known before all of it has come?

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use primitives::{clean_up, fsync, open_to_write, rename, write_all};

use super::receiving::PIECE;
use super::{Result, Store};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::model::Compression;

/// Bytes that get their name at their end. Dropped before that they are gone.
#[derive(Debug)]
pub(crate) struct Nameless {
    hasher: Hasher,
    size: u64,
    piece: Vec<u8>,
    /// The first bytes, by which one knows how the rest is packed.
    begins: Vec<u8>,
    file: OwnedFd,
    path: PathBuf,
    named: bool,
}

/// A blob that has come without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// How it is packed, by its first bytes.
    pub(crate) compression: Compression,
}

impl Store {
    /// Begins to keep a blob whose digest will be known at its end.
    pub(crate) fn nameless(&self) -> Result<Nameless> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Begins with a dot, so that whoever is alone in the store sweeps it out.
        let path = self.root.join(format!("ingest/.nameless-{}-{count}", std::process::id()));
        let file = open_to_write(&path, 0o600, "have a place for a blob without a name")?;
        let (hasher, begins) = (Hasher::new(Algorithm::Sha256), Vec::new());
        Ok(Nameless { hasher, size: 0, piece: Vec::new(), begins, file, path, named: false })
    }
}

impl Nameless {
    /// All has come: gives it its name.
    pub(crate) fn finish(mut self, store: &Store) -> Result<Stored> {
        self.put_down()?;
        let hasher = std::mem::replace(&mut self.hasher, Hasher::new(Algorithm::Sha256));
        let digest = hasher.finish();
        fsync(&self.file, "have all of the blob on the disk before it has a name")?;
        rename(&self.path, &store.blob(&digest), "show the blob under the digest that it has")?;
        self.named = true;
        Ok(Stored { digest, size: self.size, compression: packed_how(&self.begins) })
    }

    fn put_down(&mut self) -> Result<()> {
        if !self.piece.is_empty() {
            write_all(&self.file, &self.piece, "keep what came of the blob")?;
            self.piece.clear();
        }
        Ok(())
    }
}

/// How something is packed that begins like this.
pub(crate) fn packed_how(begins: &[u8]) -> Compression {
    match begins {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

impl Write for Nameless {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let missing = 4_usize.saturating_sub(self.begins.len()).min(bytes.len());
        self.begins.extend_from_slice(&bytes[..missing]);
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.put_down().map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put_down().map_err(io::Error::other)
    }
}

impl Drop for Nameless {
    fn drop(&mut self) {
        if !self.named {
            let _ = clean_up::unlink(&self.path, "leave no half of a blob");
        }
    }
}
