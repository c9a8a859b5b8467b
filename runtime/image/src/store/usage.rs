//! How much room does each image take, and how much of it is its own?

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Error, Reach, Result, Store};
use crate::digest::Digest;

/// The room that a named image takes. Bytes of blobs as they are packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The image's name.
    pub name: String,
    /// What it stands for.
    pub digest: Digest,
    /// All that it needs.
    pub all: u64,
    /// Of that, what other images need too.
    pub shared: u64,
}

/// The room that the store takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Each named image.
    pub images: Vec<Room>,
    /// All blobs.
    pub blobs: u64,
    /// All unpacked layers, on the disk.
    pub layers: u64,
    /// Beginnings of blobs.
    pub ingest: u64,
    /// Of blobs and layers, what the next garbage collection takes away.
    pub garbage: u64,
}

impl Store {
    /// Counts it.
    ///
    /// # Errors
    /// A document cannot be read.
    pub fn usage(&self) -> Result<Usage> {
        let kept = self.roots()?;
        let mut usage = Usage { images: self.rooms()?, ..Usage::default() };
        for blob in self.stored("blobs")? {
            let size = self.size_of(&blob);
            usage.blobs += size;
            usage.garbage += if kept.blobs.contains(&blob) { 0 } else { size };
        }
        for layer in self.stored("layers")? {
            let size = on_disk(&self.layer(&layer))?;
            usage.layers += size;
            usage.garbage += if kept.layers.contains(&layer) { 0 } else { size };
        }
        usage.ingest = on_disk(&self.root.join("ingest"))?;
        Ok(usage)
    }

    /// What each named image needs. Two names of one image do not share it with each other.
    fn rooms(&self) -> Result<Vec<Room>> {
        let mut reached: BTreeMap<Digest, Reach> = BTreeMap::new();
        let names = self.names()?;
        for named in &names {
            let reach = reached.entry(named.image.digest.clone()).or_default();
            if reach.blobs.is_empty() {
                self.reach(&named.image, reach)?;
            }
        }
        let mut users: BTreeMap<&Digest, usize> = BTreeMap::new();
        for blob in reached.values().flat_map(|reach| &reach.blobs) {
            *users.entry(blob).or_default() += 1;
        }
        let room = |named: &super::Named| {
            let blobs = &reached[&named.image.digest].blobs;
            let all = blobs.iter().map(|blob| self.size_of(blob)).sum();
            let shared = blobs.iter().filter(|blob| users[blob] > 1);
            let shared = shared.map(|blob| self.size_of(blob)).sum();
            Room { name: named.name.clone(), digest: named.image.digest.clone(), all, shared }
        };
        Ok(names.iter().map(room).collect())
    }

    /// How many bytes a blob has; none that is not here.
    pub fn size_of(&self, blob: &Digest) -> u64 {
        self.blob(blob).symlink_metadata().map_or(0, |is| is.len())
    }
}

/// What a tree takes on the disk; a file with several names counts once.
fn on_disk(tree: &Path) -> Result<u64> {
    let (mut folders, mut seen, mut bytes) = (vec![tree.to_path_buf()], HashSet::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(Error::reading(&folder))?.flatten() {
            // It may be gone by now: others are at work.
            let Ok(is) = entry.metadata() else { continue };
            if is.is_dir() {
                folders.push(entry.path());
            }
            if is.nlink() == 1 || is.is_dir() || seen.insert((is.dev(), is.ino())) {
                bytes += is.blocks() * 512;
            }
        }
    }
    Ok(bytes)
}
