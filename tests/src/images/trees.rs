//! In what do two trees of files differ?

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs::{self, Metadata};
use std::hash::{Hash, Hasher};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use primitives::{lgetxattr, llistxattr};

/// All that an archive says of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Of a device.
    device: u64,
    /// Of a link.
    target: Option<PathBuf>,
    /// Of a file: its length and a hash.
    content: Option<(u64, u64)>,
    /// Of a file with several names: the first of them.
    same_as: Option<PathBuf>,
    attributes: BTreeMap<String, Vec<u8>>,
}

impl Entry {
    /// The same, at no time, if it is a directory: some unpackers date those anew in which something is
    /// deleted.
    pub fn undated(self) -> Entry {
        match self.kind {
            "directory" => Entry { modified: (0, 0), ..self },
            _ => self,
        }
    }
}

/// All entries below `root`, by their names from there.
///
/// # Panics
/// When something cannot be read.
pub fn entries(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut found = BTreeMap::new();
    let mut first_names = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(name) = open.pop() {
        let path = root.join(&name);
        let metadata = fs::symlink_metadata(&path).expect("an entry can be looked at");
        if metadata.is_dir() {
            let inside = fs::read_dir(&path).expect("a folder can be read");
            open.extend(inside.map(|entry| name.join(entry.expect("an entry").file_name())));
        }
        found.insert(name, (path, metadata));
    }
    let mut entry = |name: &PathBuf, path: &Path, metadata: &Metadata| {
        let several = metadata.is_file() && metadata.nlink() > 1;
        let first = several.then(|| {
            first_names.entry((metadata.dev(), metadata.ino())).or_insert(name.clone()).clone()
        });
        looked_at(path, metadata, first.filter(|first| first != name))
    };
    found
        .iter()
        .map(|(name, (path, metadata))| (name.clone(), entry(name, path, metadata)))
        .collect()
}

fn looked_at(path: &Path, metadata: &Metadata, same_as: Option<PathBuf>) -> Entry {
    let kind = metadata.file_type();
    let names = llistxattr(path).unwrap_or_default();
    // What an overlay writes for itself is no part of what it shows.
    let ours = names.into_iter().filter(|name| !name.contains("overlay."));
    let value = |name: &String| lgetxattr(path, name).ok().flatten().unwrap_or_default();
    Entry {
        kind: match () {
            () if kind.is_dir() => "directory",
            () if kind.is_file() => "file",
            () if kind.is_symlink() => "link",
            () if kind.is_fifo() => "fifo",
            () if kind.is_char_device() => "character device",
            () if kind.is_block_device() => "block device",
            () => "socket",
        },
        mode: metadata.mode() & 0o7777,
        owner: (metadata.uid(), metadata.gid()),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        device: metadata.rdev(),
        target: kind.is_symlink().then(|| fs::read_link(path).expect("a link can be read")),
        content: kind.is_file().then(|| (metadata.len(), hash(path))),
        same_as,
        attributes: ours.map(|name| (name.clone(), value(&name))).collect(),
    }
}

fn hash(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    fs::read(path).expect("a file can be read").hash(&mut hasher);
    hasher.finish()
}

/// What is in one tree alone, or not the same in both: a line each. Empty when they are the same.
pub fn differences(
    ours: &BTreeMap<PathBuf, Entry>,
    theirs: &BTreeMap<PathBuf, Entry>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (name, entry) in ours {
        match theirs.get(name) {
            None => found.push(format!("{}: only ours has it", name.display())),
            Some(other) if other != entry => {
                found.push(format!("{}: ours {entry:?}, theirs {other:?}", name.display()));
            }
            Some(_) => {}
        }
    }
    let missing = theirs.keys().filter(|name| !ours.contains_key(*name));
    found.extend(missing.map(|name| format!("{}: only theirs has it", name.display())));
    found
}
