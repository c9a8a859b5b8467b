//! Files that are written piece by piece, and when they are on the disk.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use trace::Arg;

use crate::call;
use crate::error::Result;
use crate::gate::perform;
use crate::process::from_rustix;

/// Writes all these bytes where the file's offset is.
///
/// - man: write(2)
/// - since: Linux 1.0
/// - ENOSPC: the file system is full
/// - EFBIG: the file would be larger than this process may make one: see `ulimit -f`
/// - EDQUOT: this user may not fill more of the file system
#[track_caller]
pub fn write_all(file: impl AsFd, bytes: &[u8], why: &'static str) -> Result<()> {
    let fd = file.as_fd();
    perform(call!("write" as "write_all", fd, Arg::Data(bytes.len())), why, || {
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(fd, rest) {
                Ok(0) => return Err(Errno::EIO),
                Ok(written) => rest = &rest[written..],
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(from_rustix(errno)),
            }
        }
        Ok(bytes.len())
    })
    .map(drop)
}

/// Cuts an open file off, or lengthens it with zeros.
///
/// - man: ftruncate(2)
/// - since: Linux 1.0
/// - EINVAL: it is no ordinary file, or not open to be written
#[track_caller]
pub fn ftruncate(file: impl AsFd, length: u64, why: &'static str) -> Result<()> {
    let fd: BorrowedFd<'_> = file.as_fd();
    let shown = Arg::Number(i64::try_from(length).unwrap_or(i64::MAX));
    perform(call!("ftruncate", fd, shown), why, || {
        rustix::fs::ftruncate(fd, length).map_err(from_rustix)
    })
}

/// Waits until the content of an open file is on the disk.
///
/// - man: fsync(2)
/// - since: Linux 1.0
/// - EIO: the disk did not take it
/// - ENOSPC: the file system is full
#[track_caller]
pub fn fsync(file: impl AsFd, why: &'static str) -> Result<()> {
    let fd: BorrowedFd<'_> = file.as_fd();
    perform(call!("fsync", fd), why, || rustix::fs::fsync(fd).map_err(from_rustix))
}

/// Waits until the names in a directory are on the disk: a file that was renamed has its new name after
/// a power cut only when this was done.
///
/// - man: fsync(2)
/// - since: Linux 1.0
/// - ENOENT: there is no such directory
/// - EIO: the disk did not take it
#[track_caller]
pub fn fsync_directory(path: &Path, why: &'static str) -> Result<()> {
    perform(call!("fsync" as "fsync_directory", path), why, || {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = nix::fcntl::open(path, flags, Mode::empty())?;
        rustix::fs::fsync(directory).map_err(from_rustix)
    })
}
