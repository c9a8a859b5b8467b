//! Trees of files that somebody else has made: looking into one without being led out of it, and taking
//! one away.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};

use crate::args::Word;
use crate::call;
use crate::error::Result;
use crate::gate::{perform, rescue};
use crate::process::from_rustix;

/// Opens a directory to look for files in it. Looking changes nothing.
///
/// # Errors
/// Those of opening it: ENOTDIR when it is none.
pub fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
}

/// Opens a plain file beneath an open directory, to read it. There may be no symbolic link on the way
/// nor at its end, and no `..` that leads out. Reading changes nothing.
///
/// # Errors
/// Those of openat2(2): ELOOP for a link, EXDEV for a way out; InvalidInput for what is no plain file,
/// such as a fifo, which would be waited for.
pub fn open_beneath(directory: impl AsFd, path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let file = File::from(rustix::fs::openat2(directory, path, flags, Mode::empty(), resolve)?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no plain file")),
    }
}

/// Whether [`open_beneath`] has failed because of a symbolic link.
pub fn is_link_error(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

/// Removes a directory in an open one, with all that is in it. No symbolic link is followed, and no
/// mount is entered: it is an error to meet one.
///
/// - man: unlinkat(2), openat2(2)
/// - since: Linux 5.6
/// - ENOENT: there is no such directory
/// - EXDEV: something is mounted in it, which must be unmounted first
/// - EACCES: it belongs to another user
#[track_caller]
pub fn remove_tree(directory: impl AsFd, name: &Path, why: &'static str) -> Result<()> {
    let directory = directory.as_fd();
    let call = call!("unlinkat" as "remove_tree", directory, name, Word("AT_REMOVEDIR"));
    perform(call, why, || remove(directory, name))
}

/// As [`remove_tree`], to clean up.
///
/// # Errors
/// The errno of the kernel.
#[track_caller]
pub fn clean_up_tree(directory: impl AsFd, name: &Path, why: &'static str) -> Result<()> {
    let directory = directory.as_fd();
    let call = call!("unlinkat" as "remove_tree", directory, name, Word("AT_REMOVEDIR"));
    rescue(call, why, || remove(directory, name))
}

/// How deep is gone down with a descriptor for each directory on the way.
const DEEP: usize = 128;

fn remove(directory: BorrowedFd<'_>, name: &Path) -> std::result::Result<(), Errno> {
    let top = enter(directory, name)?;
    // What lies deeper than that is moved to the top, and is then less deep.
    let mut moved = 0;
    while !emptied(top.as_fd(), top.as_fd(), DEEP, &mut moved)? {}
    rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR).map_err(from_rustix)
}

fn enter(
    directory: BorrowedFd<'_>,
    name: impl rustix::path::Arg,
) -> std::result::Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let entered = rustix::fs::openat2(directory, name, flags, Mode::empty(), resolve);
    let entered = entered.map_err(from_rustix)?;
    // Its maker may have closed it even to its owner, which holds up everybody but root.
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&entered).map_err(from_rustix)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        rustix::fs::fchmod(&entered, Mode::RWXU).map_err(from_rustix)?;
    }
    Ok(entered)
}

/// Removes what is in a directory; whether all of it is gone, and nothing was moved to the top.
fn emptied(
    top: BorrowedFd<'_>,
    directory: BorrowedFd<'_>,
    depth: usize,
    moved: &mut u64,
) -> std::result::Result<bool, Errno> {
    let mut all_gone = true;
    for entry in Dir::read_from(directory).map_err(from_rustix)? {
        let entry = entry.map_err(from_rustix)?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if entry.file_type() != FileType::Directory && unlinked(directory, name)? {
            continue;
        }
        if depth == 0 {
            *moved += 1;
            let unique = format!(".porthole-deep-{}-{moved}", std::process::id());
            rustix::fs::renameat(directory, name, top, &unique).map_err(from_rustix)?;
            all_gone = false;
            continue;
        }
        let inner = enter(directory, name)?;
        all_gone &= emptied(top, inner.as_fd(), depth - 1, moved)?;
        drop(inner);
        rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR).map_err(from_rustix)?;
    }
    Ok(all_gone)
}

/// Removes what is no directory; false where it is one, which some file systems do not tell at once.
fn unlinked(directory: BorrowedFd<'_>, name: &CStr) -> std::result::Result<bool, Errno> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::ISDIR) => Ok(false),
        Err(errno) => Err(from_rustix(errno)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::{Path, PathBuf};

    use super::{open_beneath, open_directory, remove_tree};

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("porthole-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn no_link_and_no_fifo_is_read() {
        let folder = folder("beneath");
        let open = open_directory(&folder).unwrap();
        fs::create_dir(folder.join("in")).unwrap();
        fs::write(folder.join("in/file"), "x").unwrap();
        symlink("in", folder.join("link")).unwrap();
        symlink("/etc/passwd", folder.join("in/out")).unwrap();
        assert!(open_beneath(&open, Path::new("in/file")).is_ok());
        for path in ["link/file", "in/out", "in", "../x", "/etc/passwd", "in/none"] {
            assert!(open_beneath(&open, Path::new(path)).is_err(), "{path} was opened");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_tree_goes_and_what_its_links_lead_to_stays() {
        let folder = folder("trees");
        let (tree, canary) = (folder.join("tree"), folder.join("canary"));
        fs::create_dir(&tree).unwrap();
        fs::create_dir(&canary).unwrap();
        fs::write(canary.join("bird"), "").unwrap();
        symlink(&canary, tree.join("link")).unwrap();
        // Deeper than descriptors would reach, and longer than a path may be.
        let open = open_directory(&tree).unwrap();
        let mut here = open;
        for _ in 0..600 {
            rustix::fs::mkdirat(&here, "down", rustix::fs::Mode::RWXU).unwrap();
            let flags = rustix::fs::OFlags::PATH;
            let mode = rustix::fs::Mode::empty();
            here = rustix::fs::openat(here.as_fd(), "down", flags, mode).unwrap();
        }
        fs::create_dir(tree.join("closed")).unwrap();
        fs::write(tree.join("closed/file"), "").unwrap();
        fs::set_permissions(tree.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
        remove_tree(open_directory(&folder).unwrap(), Path::new("tree"), "test it").unwrap();
        assert!(!tree.exists() && canary.join("bird").exists());
        remove_tree(open_directory(&folder).unwrap(), Path::new("canary"), "test it").unwrap();
        fs::remove_dir(&folder).unwrap();
    }
}
