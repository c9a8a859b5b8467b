//! How does an empty file system begin with a copy of the directory that it hides (`tmpcopyup`)?
//!
//! The copy is made before the file system is attached, so that nobody can put anything between; and
//! no symbolic link is followed, only copied.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use primitives::{
    FileKind, Result, Seen, copy_file_at, fchmodat, fchownat, link_target, look_at, mkdirat,
    mknodat, names_in, openat2_itself, symlinkat, umask,
};

use super::place::refused;

/// Copies what is in a directory: files, directories, links, pipes and devices, with owners and
/// permissions.
pub(super) fn copy_up(hidden: BorrowedFd<'_>, new: BorrowedFd<'_>, path: &Path) -> Result<()> {
    umask(0, "have the same permissions, whatever was forbidden to new files")?;
    copy_directory(hidden, new, path)?;
    umask(0o022, "make what is missing in the root as any system would")
}

fn copy_directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>, path: &Path) -> Result<()> {
    for name in names_in(from).map_err(|error| refused(path, error))? {
        copy(from, to, Path::new(&name), &path.join(&name))?;
    }
    Ok(())
}

fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &Path, path: &Path) -> Result<()> {
    let old = openat2_itself(from, name, "see what is to be copied")?;
    let unreadable = |error| refused(path, error);
    let seen = look_at(old.as_fd()).map_err(unreadable)?;
    match seen.kind {
        FileKind::Directory => mkdirat(to, name, seen.mode, "have the same directory")?,
        FileKind::Regular => copy_file_at(from, to, name, seen.mode, "have the same file")?,
        FileKind::Link => {
            let target = link_target(old.as_fd()).map_err(unreadable)?;
            symlinkat(&target, to, name, "have the same link")?;
        }
        other => mknodat(to, name, other, seen.mode, "have the same thing of another kind")?,
    }
    give(to, name, seen)?;
    match seen.kind {
        FileKind::Directory => {
            let new = openat2_itself(to, name, "have the directory that was just made")?;
            copy_directory(old.as_fd(), new.as_fd(), path)
        }
        _ => Ok(()),
    }
}

/// Gives it to its owner, if that is somebody else. What a new owner takes away is set again.
fn give(directory: BorrowedFd<'_>, name: &Path, seen: Seen) -> Result<()> {
    const SET_IDS: u32 = 0o6000;
    let (uid, gid) = seen.owner;
    if seen.owner == (0, 0) {
        return Ok(());
    }
    fchownat(directory, name, uid, gid, "have the same owner")?;
    match seen.mode & SET_IDS != 0 && seen.kind != FileKind::Link {
        true => fchmodat(directory, name, seen.mode, "have set-user-ID and set-group-ID again"),
        false => Ok(()),
    }
}
