//! A place to unpack in, with a canary beside it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use image::model::Compression;
use image::unpack::{self, Budget, Manner, Unpacked, layer};
use primitives::{Timestamp, lgetxattr, llistxattr};

use crate::archive::{Entry, archive};

/// A directory to unpack in, called `layer`, and a canary.
pub(crate) struct Bed {
    directory: tempfile::TempDir,
    canary: Tree,
}

/// All that can be seen of a file: what it is, its permissions, owner, time, attributes and content.
pub(crate) type Tree = BTreeMap<PathBuf, String>;

impl Bed {
    pub(crate) fn new() -> Bed {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("layer")).unwrap();
        fs::create_dir_all(at("canary/d")).unwrap();
        fs::write(at("canary/f"), "alive").unwrap();
        fs::set_permissions(at("canary/f"), fs::Permissions::from_mode(0o4755)).unwrap();
        primitives::mkfifo(&at("canary/fifo"), 0o600, "test").unwrap();
        primitives::lsetxattr(&at("canary/f"), "user.canary", b"alive", "test").unwrap();
        let canary = tree(&at("canary"), true);
        Bed { directory, canary }
    }

    pub(crate) fn layer(&self) -> PathBuf {
        self.directory.path().join("layer")
    }

    /// Where the canary is, as a name in an archive that leads out could have it.
    pub(crate) fn canary(&self) -> PathBuf {
        self.directory.path().join("canary")
    }

    pub(crate) fn unpack(&self, entries: &[Entry]) -> unpack::Result<Unpacked> {
        self.unpack_bytes(&archive(entries))
    }

    pub(crate) fn unpack_bytes(&self, bytes: &[u8]) -> unpack::Result<Unpacked> {
        self.unpack_with(bytes, Compression::None, &Budget::default())
    }

    pub(crate) fn unpack_with(
        &self,
        bytes: &[u8],
        compression: Compression,
        budget: &Budget,
    ) -> unpack::Result<Unpacked> {
        let manner = Manner::of_this_process();
        let result = layer(bytes, compression, &self.layer(), budget, &manner);
        self.must_be_alone();
        result
    }

    /// Nothing outside of the layer was touched, and nothing is new beside it.
    pub(crate) fn must_be_alone(&self) {
        assert_eq!(tree(&self.canary(), true), self.canary, "the canary was touched");
        let mut names: Vec<_> = fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["canary", "layer"]);
    }

    /// What is in the layer now.
    pub(crate) fn tree(&self) -> Tree {
        tree(&self.layer(), false)
    }
}

/// A tree of files, by the path of each beneath its root; with the numbers of inodes if they matter.
pub(crate) fn tree(root: &Path, inodes: bool) -> Tree {
    let mut tree = Tree::new();
    let mut names = BTreeMap::new();
    visit(root, root, inodes, &mut names, &mut tree);
    tree
}

fn visit(
    root: &Path,
    path: &Path,
    inodes: bool,
    names: &mut BTreeMap<u64, PathBuf>,
    tree: &mut Tree,
) {
    let is = fs::symlink_metadata(path).unwrap();
    let name = path.strip_prefix(root).unwrap().to_path_buf();
    let kind = is.file_type();
    let what = if kind.is_dir() {
        "directory".to_string()
    } else if kind.is_symlink() {
        format!("-> {:?}", fs::read_link(path).unwrap())
    } else if kind.is_file() {
        format!("file {}", shown(&fs::read(path).unwrap()))
    } else if kind.is_fifo() {
        "fifo".to_string()
    } else {
        let letter = if kind.is_char_device() { 'c' } else { 'b' };
        format!("{letter} {}:{}", major(is.rdev()), minor(is.rdev()))
    };
    let first = names.entry(is.ino()).or_insert_with(|| name.clone()).clone();
    let same = match first == name {
        true => String::new(),
        false => format!(" same as {}", first.display()),
    };
    let inode = if inodes { format!(" inode {}", is.ino()) } else { String::new() };
    let attributes: Vec<String> = llistxattr(path)
        .unwrap()
        .into_iter()
        // Ours, about what the layer has no entry for.
        .filter(|name| !name.starts_with("trusted.porthole."))
        .map(|name| format!(" {name}={}", shown(&lgetxattr(path, &name).unwrap().unwrap())))
        .collect();
    let mode = if kind.is_symlink() { 0o777 } else { is.mode() & 0o7777 };
    let described = format!(
        "{what} {mode:04o} {}:{} {}.{:09}{same}{inode}{}",
        is.uid(),
        is.gid(),
        is.mtime(),
        is.mtime_nsec(),
        attributes.concat()
    );
    tree.insert(name, described);
    if kind.is_dir() {
        let mut below: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        below.sort();
        below.iter().for_each(|path| visit(root, path, inodes, names, tree));
    }
}

/// Content that is short as it is, other by its length and digest.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() < 60 => format!("{text:?}"),
        _ => format!("[{} {}]", bytes.len(), image::digest::Digest::of(bytes).short()),
    }
}

fn major(device: u64) -> u64 {
    device >> 8 & 0xfff
}

fn minor(device: u64) -> u64 {
    device & 0xff | device >> 12 & 0xfff00
}

/// When an ordinary file of `archive` was changed last.
pub(crate) const THEN: Timestamp = Timestamp { seconds: 1_000_000_000, nanos: 0 };

/// The error in the words that a person reads, with its causes.
pub(crate) fn words(error: &unpack::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push_str(&format!(": {error}"));
        cause = error.source();
    }
    words
}

/// Whether this is root of the machine: others cannot make what these tests ask for. They say so, and
/// fail where nothing may be skipped.
pub(crate) fn may_be_anybody(test: &str) -> bool {
    if primitives::own_ids().0 == 0 {
        return true;
    }
    let everything = std::env::var_os("PORTHOLE_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!everything, "nothing may be skipped here, but {test} needs root");
    eprintln!("skipped: {test}: needs root");
    false
}
