//! Locks that one can wait for, and that the dead do not hold.
//!
//! They belong to an open file and not to a process, as those of [`crate::lock_file`] do: two threads
//! that have both opened the file wait for each other, and closing another descriptor gives up nothing.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::FlockOperation;

use crate::args::{Word, octal};
use crate::call;
use crate::error::Result;
use crate::files::errno_of;
use crate::gate::perform;
use crate::process::from_rustix;

/// Opens a file to write it, and to read what is in it already; it is made if it is not there. A
/// symbolic link is not followed.
///
/// - man: open(2)
/// - since: Linux 2.1.126
/// - ENOENT: a directory on the way is missing
/// - ELOOP: there is a symbolic link in the place of the file
/// - EROFS: the file system is mounted read-only
/// - ENOSPC: the file system is full
#[track_caller]
pub fn open_to_write(path: &Path, mode: u32, why: &'static str) -> Result<OwnedFd> {
    let shown = Word("O_RDWR|O_CREAT|O_NOFOLLOW|O_CLOEXEC");
    perform(call!("open" as "open_to_write", path, shown, octal(mode)), why, || {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(mode);
        let file = options.custom_flags(libc::O_NOFOLLOW).open(path).map_err(errno_of)?;
        Ok(OwnedFd::from(file))
    })
}

/// Locks an open file against everybody else, and waits for as long as somebody has it.
///
/// - man: flock(2)
/// - since: Linux 2.0
/// - EINTR: a signal came while we waited
#[track_caller]
pub fn flock_exclusive(file: impl AsFd, why: &'static str) -> Result<()> {
    let shown = Word("LOCK_EX");
    flock("flock_exclusive", file.as_fd(), (shown, FlockOperation::LockExclusive), why)
}

/// As [`flock_exclusive`], but without waiting.
///
/// - man: flock(2)
/// - since: Linux 2.0
/// - EAGAIN: somebody else has it
#[track_caller]
pub fn flock_exclusive_now(file: impl AsFd, why: &'static str) -> Result<()> {
    let how = (Word("LOCK_EX|LOCK_NB"), FlockOperation::NonBlockingLockExclusive);
    flock("flock_exclusive_now", file.as_fd(), how, why)
}

/// Locks an open file together with others who want the same, and waits for as long as somebody has it
/// alone. Who has it alone already goes on with others.
///
/// - man: flock(2)
/// - since: Linux 2.0
/// - EINTR: a signal came while we waited
#[track_caller]
pub fn flock_shared(file: impl AsFd, why: &'static str) -> Result<()> {
    let shown = Word("LOCK_SH");
    flock("flock_shared", file.as_fd(), (shown, FlockOperation::LockShared), why)
}

/// As [`flock_shared`], but without waiting.
///
/// - man: flock(2)
/// - since: Linux 2.0
/// - EAGAIN: somebody else has it alone
#[track_caller]
pub fn flock_shared_now(file: impl AsFd, why: &'static str) -> Result<()> {
    let how = (Word("LOCK_SH|LOCK_NB"), FlockOperation::NonBlockingLockShared);
    flock("flock_shared_now", file.as_fd(), how, why)
}

#[track_caller]
fn flock(
    primitive: &'static str,
    file: BorrowedFd<'_>,
    (shown, operation): (Word, FlockOperation),
    why: &'static str,
) -> Result<()> {
    let call = || crate::Call { primitive, ..call!("flock", file, shown)() };
    perform(call, why, || rustix::fs::flock(file, operation).map_err(from_rustix))
}

/// Whether an open file is still the one of this name: it was not renamed, removed or replaced.
pub fn is_named(file: impl AsFd, path: &Path) -> bool {
    let open = rustix::fs::fstat(file);
    let named = rustix::fs::lstat(path);
    matches!((open, named), (Ok(open), Ok(named))
        if (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino))
}

/// The errno of a lock that somebody else has and that was not waited for.
pub fn is_busy(errno: Errno) -> bool {
    errno == Errno::EAGAIN
}

#[cfg(test)]
mod tests {
    use super::{flock_exclusive_now, flock_shared_now, is_busy, is_named, open_to_write};

    #[test]
    fn who_opens_twice_has_two_locks() {
        let folder = std::env::temp_dir().join(format!("porthole-flocks-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("lock");
        let open = || open_to_write(&path, 0o600, "test it").unwrap();
        let (one, two) = (open(), open());
        flock_shared_now(&one, "test it").unwrap();
        flock_shared_now(&two, "test it").unwrap();
        let refused = flock_exclusive_now(&one, "test it").unwrap_err();
        assert!(refused.errno().is_some_and(is_busy));
        drop(two);
        flock_exclusive_now(&one, "test it").unwrap();
        assert!(is_named(&one, &path));
        std::fs::remove_file(&path).unwrap();
        assert!(!is_named(&one, &path));
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(open_to_write(&path, 0o600, "test it").is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
