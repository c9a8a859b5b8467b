//! When are two trees the same, and where do trees come from that nobody has thought of?

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use primitives::{
    Timestamp, lgetxattr, link, llistxattr, lsetxattr, mkfifo, mknod_block, mknod_character,
    utimensat,
};
use tests::places::Place;

use super::Folder;

/// Everything that is to be the same of one file, in words.
pub(super) type Tree = BTreeMap<PathBuf, String>;

/// Reads a tree, without its root and without what is overlayfs's own.
pub(super) fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    look(root, Path::new(""), &mut tree, &mut HashMap::new());
    tree
}

fn look(root: &Path, at: &Path, tree: &mut Tree, names: &mut HashMap<(u64, u64), PathBuf>) {
    let mut found: Vec<PathBuf> = fs::read_dir(root.join(at))
        .unwrap()
        .map(|entry| at.join(entry.unwrap().file_name()))
        .collect();
    found.sort();
    for path in found {
        let full = root.join(&path);
        let is = full.symlink_metadata().unwrap();
        let kind = is.file_type();
        let content = match () {
            () if kind.is_dir() => "directory".to_string(),
            () if kind.is_symlink() => format!("link to {:?}", fs::read_link(&full).unwrap()),
            () if kind.is_fifo() => "fifo".to_string(),
            () if kind.is_char_device() => format!("character {:x}", is.rdev()),
            () if kind.is_block_device() => format!("block {:x}", is.rdev()),
            () => format!("file {}", fs::read(&full).unwrap().escape_ascii()),
        };
        let first = names.entry((is.dev(), is.ino())).or_insert_with(|| path.clone());
        let group =
            if is.nlink() > 1 && !is.is_dir() { format!("as {first:?}") } else { String::new() };
        let xattrs: Vec<_> = llistxattr(&full)
            .unwrap()
            .into_iter()
            .filter(|name| !name.contains(".overlay."))
            .map(|name| (lgetxattr(&full, &name).unwrap(), name))
            .collect();
        let about = format!(
            "{content} {:o} {}:{} {}.{:09} {xattrs:?} {group}",
            is.mode(),
            is.uid(),
            is.gid(),
            is.mtime(),
            is.mtime_nsec()
        );
        tree.insert(path.clone(), about);
        if is.is_dir() {
            look(root, &path, tree, names);
        }
    }
}

/// The trees are the same, entry by entry.
pub(super) fn assert_same(one: &Path, other: &Path, what: &str) {
    let (one, other) = (read(one), read(other));
    for (path, about) in &one {
        assert_eq!(Some(about), other.get(path), "{what}: {path:?}");
    }
    let more: Vec<_> = other.keys().filter(|path| !one.contains_key(*path)).collect();
    assert!(more.is_empty(), "{what}: too many: {more:?}");
}

/// Copies a tree with all that belongs to it, by a program that has nothing to do with ours.
pub(super) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "cp -a");
}

/// Numbers that look like chance, and are the same in each run (SplitMix64).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Fills a directory with files of all kinds that somebody in this place can make.
pub(super) fn grow(folder: &Folder, root: &Path, chance: &mut Chance) {
    let mut grower = Grower { folder, chance, files: Vec::new(), made: Vec::new() };
    grower.directory(root, 0);
    // From the inside out: what is made in a directory changes its times.
    for path in grower.made.iter().rev() {
        let seconds = [-1, -86_401, 0, 1, 1_700_000_000, 4_000_000_000];
        let seconds = seconds[grower.chance.below(6) as usize];
        let nanos = grower.chance.below(1_000_000_000) as u32;
        utimensat(path, Timestamp { seconds, nanos }, "have a time to keep").unwrap();
    }
}

struct Grower<'a> {
    folder: &'a Folder,
    chance: &'a mut Chance,
    /// Those that can get another name.
    files: Vec<PathBuf>,
    made: Vec<PathBuf>,
}

impl Grower<'_> {
    fn directory(&mut self, directory: &Path, depth: u32) {
        for number in 0..2 + self.chance.below(5) {
            let path = directory.join(self.name(number));
            if !self.make(&path, depth) {
                continue;
            }
            self.folder.give_link(&path);
            self.made.push(path.clone());
            let is = path.symlink_metadata().unwrap();
            if is.is_dir() {
                self.directory(&path, depth + 1);
            }
            self.describe(&path, &is);
        }
    }

    fn name(&mut self, number: u64) -> OsString {
        let mut name = match self.chance.below(6) {
            0 => b"a blank, a comma: a colon".to_vec(),
            1 => b"long-".repeat(30),
            2 => vec![0xff, b'n', b'o', b'\n', 0xfe],
            3 => "übermut".as_bytes().to_vec(),
            _ => b"plain".to_vec(),
        };
        name.extend(number.to_string().bytes());
        OsStr::from_bytes(&name).to_os_string()
    }

    /// Makes something, if it can be made here.
    fn make(&mut self, path: &Path, depth: u32) -> bool {
        let why = "have one of its kind";
        let root = self.folder.place == Place::Root;
        match self.chance.below(9) {
            0 | 1 if depth < 4 => fs::create_dir(path).unwrap(),
            2 => {
                let target = ["../x", "/etc/passwd", "nowhere"][self.chance.below(3) as usize];
                let target =
                    if self.chance.below(4) == 0 { "y".repeat(180) } else { target.into() };
                symlink(target, path).unwrap();
            }
            3 => mkfifo(path, 0o600, why).unwrap(),
            4 if root => mknod_character(path, 0o600, (1, 3), why).unwrap(),
            5 if root => mknod_block(path, 0o600, (259, 300_000), why).unwrap(),
            6 if !self.files.is_empty() => {
                let old = self.files[self.chance.below(self.files.len() as u64) as usize].clone();
                link(&old, path, why).unwrap();
                return false;
            }
            _ => {
                let length = self.chance.below(3) * self.chance.below(1500);
                let byte = self.chance.below(256) as u8;
                fs::write(path, vec![byte; length as usize]).unwrap();
                self.files.push(path.to_path_buf());
            }
        }
        true
    }

    fn describe(&mut self, path: &Path, is: &fs::Metadata) {
        if is.is_symlink() {
            return;
        }
        if is.is_dir() || is.is_file() {
            let why = "have an attribute to keep";
            let mut names = vec!["user.one"];
            if self.folder.place == Place::Root {
                names.push("trusted.two");
            }
            for name in names {
                if self.chance.below(3) == 0 {
                    let value =
                        [b"plain".to_vec(), b"a\n20 path=../b\n\0\xff".to_vec(), Vec::new()];
                    let value = &value[self.chance.below(3) as usize];
                    lsetxattr(path, name, value, why).unwrap();
                }
            }
        }
        let modes = [0o644, 0o755, 0, 0o7777, 0o4755, 0o2750, 0o1777, 0o600];
        let mode = modes[self.chance.below(8) as usize];
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

impl Folder {
    /// Gives a file to whoever runs the programs, and a link itself and not where it leads. Root keeps
    /// some, and gives others to users who are nobody here.
    fn give_link(&self, path: &Path) {
        let id = match (self.place, path.as_os_str().len() % 3) {
            (Place::User, _) if !self.place.is_other_user() => return,
            (Place::User, _) => tests::places::NOBODY,
            (Place::Root, 0) => 3_000_000,
            (Place::Root, _) => 0,
        };
        std::os::unix::fs::lchown(path, Some(id), Some(id)).unwrap();
    }
}
