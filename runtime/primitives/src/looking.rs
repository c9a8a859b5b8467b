//! What is there, of this name, in an open directory? Looking changes nothing.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::AtFlags;

use crate::beneath::FileKind;

/// What a name stands for in an open directory; none when there is nothing. A symbolic link is not
/// followed.
///
/// # Errors
/// Those of statx(2): ENAMETOOLONG, EACCES.
pub fn kind_at(directory: BorrowedFd<'_>, name: &Path) -> io::Result<Option<FileKind>> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => {
            let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
            Ok(Some(FileKind::of(stat.st_mode, (major, minor))))
        }
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
