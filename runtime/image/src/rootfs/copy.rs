//! How do layers become one root where there is no overlayfs, or where the root shall stand alone?
//!
//! They are laid down one after the other, the lowest first, and what a layer says is gone is removed.
//! The layers are our own by now: no name leads out of them, because they were made so. What was laid
//! down is as trustworthy as they are, and nobody else works in it.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use primitives::{
    Error, FileKind, Result, Timestamp, Unfilled, create_at, fchmod, fchmodat, fchown, fchownat,
    fsetxattr, futimens, lgetxattr, linkat, llistxattr, mkdirat, mknodat, names_in, open_beneath,
    open_directory, open_directory_at, open_path, remove_tree, step, symlinkat, unlinkat,
    utimensat_in,
};

use super::implied;
use crate::unpack::{Manner, Marks};

const WHY: &str = "have in the root what is in the layer";
const OWNER: &str = "give it to whom it belongs in the layer";
const MODE: &str = "let it be read, written and run by the same people";
const TIME: &str = "let it look as old as it is";
const CARRIES: &str = "keep what it carries besides its content";
const GONE: &str = "take away what the layer says is gone, or is something else there";

/// Lays layers down in a directory, the lowest first.
///
/// # Errors
/// A layer cannot be read, or the directory not be written.
pub fn lay_down(layers: &[PathBuf], target: &Path) -> Result<()> {
    step("lay the layers down", || lay_all_down(layers, target))
}

fn lay_all_down(layers: &[PathBuf], target: &Path) -> Result<()> {
    let marks = Manner::of_this_process().marks;
    let target = open_path(target, "have a root that nothing is made outside of")?;
    let target = open_directory_at(target.as_fd(), Path::new("."), "make files in it")?;
    for layer in layers {
        let from = open_directory(layer).map_err(|e| unreadable(layer, &e))?;
        let (own, root) = (primitives::own_ids(), target.as_fd());
        let implied = implied::of(layer, marks)?;
        let mut copying = Copying { marks, own, root, implied, first: HashMap::new() };
        copying.directory(from.as_fd(), target.as_fd(), Path::new(""))?;
        let is = File::from(from).metadata().map_err(|e| unreadable(layer, &e))?;
        copying.settle(target.as_fd(), &is)?;
    }
    Ok(())
}

/// One layer, while it is laid down.
struct Copying<'a> {
    marks: Marks,
    own: (u32, u32),
    root: BorrowedFd<'a>,
    /// What they are like was said by a layer below.
    implied: BTreeSet<PathBuf>,
    /// What has several names in the layer, by its inode: its first name beneath the root. All on the
    /// way there are directories, for this layer has them so.
    first: HashMap<u64, PathBuf>,
}

impl Copying<'_> {
    fn directory(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, shown: &Path) -> Result<()> {
        if self.is_opaque(from)? {
            for name in names_in(to).map_err(|e| unreadable(shown, &e))? {
                let name = Path::new(&name);
                match by_way_of(to, name).symlink_metadata().is_ok_and(|is| is.is_dir()) {
                    true => remove_tree(to, name, GONE)?,
                    false => unlinkat(to, name, GONE)?,
                }
            }
        }
        for name in names_in(from).map_err(|e| unreadable(shown, &e))? {
            self.entry(from, to, Path::new(&name), &shown.join(&name))?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &Path,
        shown: &Path,
    ) -> Result<()> {
        let cannot = |e: std::io::Error| unreadable(shown, &e);
        let is = by_way_of(from, name).symlink_metadata().map_err(cannot)?;
        let kind = kind_of(&is);
        let there = by_way_of(to, name).symlink_metadata().ok();
        let stays = kind == FileKind::Directory && there.as_ref().is_some_and(Metadata::is_dir);
        match there {
            Some(_) if stays => {}
            Some(there) if there.is_dir() => remove_tree(to, name, GONE)?,
            Some(_) => unlinkat(to, name, GONE)?,
            None => {}
        }
        match kind {
            FileKind::Character(0, 0) => return Ok(()),
            FileKind::Directory => return self.inner(from, to, name, shown, &is, stays),
            _ => {}
        }
        if is.nlink() > 1 {
            if let Some(first) = self.first.get(&is.ino()) {
                let why = "let two names be the same file, as in the layer";
                return linkat((self.root, first), (to, name), why);
            }
            self.first.insert(is.ino(), shown.to_path_buf());
        }
        match kind {
            FileKind::Regular => self.file(from, to, name, shown, &is),
            kind => self.special(from, to, name, kind, &is),
        }
    }

    fn inner(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &Path,
        shown: &Path,
        is: &Metadata,
        stays: bool,
    ) -> Result<()> {
        if !stays {
            mkdirat(to, name, 0o700, WHY)?;
        }
        let inner_from = open_directory_at(from, name, "see what is in it")?;
        let inner_to = open_directory_at(to, name, "lay down what is in it")?;
        let before = File::from(inner_to.try_clone().map_err(|e| unreadable(shown, &e))?);
        let before = before.metadata().map_err(|e| unreadable(shown, &e))?;
        self.directory(inner_from.as_fd(), inner_to.as_fd(), shown)?;
        if stays && self.implied.contains(shown) {
            return futimens(inner_to.as_fd(), time(&before), TIME);
        }
        self.attributes(from, inner_to.as_fd(), name)?;
        self.settle(inner_to.as_fd(), is)
    }

    fn file(
        &self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &Path,
        shown: &Path,
        is: &Metadata,
    ) -> Result<()> {
        let cannot = |e: std::io::Error| unreadable(shown, &e);
        let mut source = open_beneath(from, name).map_err(cannot)?;
        let mut some = vec![0; 128 << 10];
        let made = create_at(to, name, 0o600, WHY, |content| {
            let mut place = 0;
            loop {
                let length = source.read(&mut some).map_err(Unfilled::Source)?;
                if length == 0 {
                    return content.end_at(place);
                }
                // Zeros are left out: holes stay holes.
                match some[..length].iter().all(|byte| *byte == 0) {
                    true => content.go_to(place + length as u64)?,
                    false => content.write(&some[..length])?,
                }
                place += length as u64;
            }
        })?;
        let file = made.map_err(cannot)?;
        self.give(file.as_fd(), is)?;
        fchmod(file.as_fd(), is.mode() & 0o7777, MODE)?;
        self.attributes(from, file.as_fd(), name)?;
        futimens(file.as_fd(), time(is), TIME)
    }

    fn special(
        &self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &Path,
        kind: FileKind,
        is: &Metadata,
    ) -> Result<()> {
        match kind {
            FileKind::Link => {
                let path = by_way_of(from, name);
                let target = path.read_link().map_err(|e| unreadable(name, &e))?;
                symlinkat(&target, to, name, WHY)?;
            }
            kind => mknodat(to, name, kind, is.mode() & 0o777, WHY)?,
        }
        if (is.uid(), is.gid()) != self.own {
            fchownat(to, name, is.uid(), is.gid(), OWNER)?;
        }
        if kind != FileKind::Link {
            fchmodat(to, name, is.mode() & 0o7777, MODE)?;
        }
        utimensat_in(to, name, time(is), TIME)
    }

    /// The last of all for a directory: owner, permissions and time.
    fn settle(&self, directory: BorrowedFd<'_>, is: &Metadata) -> Result<()> {
        fchown(directory, is.uid(), is.gid(), OWNER)?;
        fchmod(directory, is.mode() & 0o7777, MODE)?;
        futimens(directory, time(is), TIME)
    }

    fn give(&self, file: BorrowedFd<'_>, is: &Metadata) -> Result<()> {
        match (is.uid(), is.gid()) == self.own {
            true => Ok(()),
            false => fchown(file, is.uid(), is.gid(), OWNER),
        }
    }

    fn attributes(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &Path) -> Result<()> {
        let path = by_way_of(from, name);
        for attribute in llistxattr(&path).map_err(|e| unreadable(name, &e))? {
            if attribute.contains(".overlay.")
                || attribute.contains(".porthole.")
                || attribute == "security.selinux"
            {
                continue;
            }
            if let Some(value) = lgetxattr(&path, &attribute).map_err(|e| unreadable(name, &e))? {
                fsetxattr(to, &attribute, &value, CARRIES)?;
            }
        }
        Ok(())
    }

    fn is_opaque(&self, directory: BorrowedFd<'_>) -> Result<bool> {
        let path = by_way_of(directory, Path::new("."));
        let mark = lgetxattr(&path, self.marks.opaque());
        Ok(mark.map_err(|e| unreadable(&path, &e))?.is_some())
    }
}

fn by_way_of(directory: BorrowedFd<'_>, name: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name)
}

fn time(is: &Metadata) -> Timestamp {
    let nanos = u32::try_from(is.mtime_nsec()).unwrap_or_default();
    Timestamp { seconds: is.mtime(), nanos }
}

fn kind_of(is: &Metadata) -> FileKind {
    let device = is.rdev();
    let major = u32::try_from(device >> 8 & 0xfff).unwrap_or_default();
    let minor = u32::try_from(device & 0xff | device >> 12 & 0xf_ff00).unwrap_or_default();
    match is.file_type() {
        kind if kind.is_dir() => FileKind::Directory,
        kind if kind.is_symlink() => FileKind::Link,
        kind if kind.is_char_device() => FileKind::Character(major, minor),
        kind if kind.is_block_device() => FileKind::Block(major, minor),
        kind if kind.is_fifo() => FileKind::Fifo,
        kind if kind.is_socket() => FileKind::Socket,
        _ => FileKind::Regular,
    }
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Unusable(format!("{}: {why}", path.display()))
}
