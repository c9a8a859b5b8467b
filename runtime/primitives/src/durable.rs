//! Files that must be whole whenever somebody reads them, and locks that the dead do not hold.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::unistd::Pid;
use trace::Arg;

use crate::args::{Word, octal};
use crate::call;
use crate::error::Result;
use crate::files::errno_of;
use crate::gate::perform;

/// Makes a file with this content and waits until it is on the disk, so that a name that it gets by
/// `rename` never stands for less. One of that name is written anew: it is what a killed process left.
///
/// - man: open(2), write(2), fsync(2)
/// - since: Linux 1.0
/// - ENOENT: a directory on the way is missing
/// - ENOSPC: the file system is full
/// - EROFS: the file system is mounted read-only
#[track_caller]
pub fn create_durably(path: &Path, content: &[u8], mode: u32, why: &'static str) -> Result<()> {
    let call = call!("creat" as "create_durably", path, Arg::from_content(content), octal(mode));
    perform(call, why, || {
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(mode);
        let mut file = options.open(path).map_err(errno_of)?;
        file.write_all(content).map_err(errno_of)?;
        file.sync_all().map_err(errno_of)
    })
}

/// Locks a file, which is made if it is not there, for as long as this process lives and keeps the
/// descriptor. A child does not inherit the lock, and no program does the descriptor.
///
/// - man: fcntl(2), "F_SETLK"
/// - since: Linux 1.0
/// - EAGAIN: another process has locked it
/// - EACCES: another process has locked it
#[track_caller]
pub fn lock_file(path: &Path, why: &'static str) -> Result<OwnedFd> {
    let call = call!("fcntl" as "lock_file", path, Word("F_SETLK"), Word("F_WRLCK"));
    perform(call, why, || lock(path, true))
}

/// Opens and locks; a file that is not there is made where there is something to begin.
pub(crate) fn lock(path: &Path, begins: bool) -> std::result::Result<OwnedFd, Errno> {
    let mut options = File::options();
    options.read(true).write(true).create(begins).truncate(false).mode(0o600);
    let file = OwnedFd::from(options.open(path).map_err(errno_of)?);
    fcntl(&file, FcntlArg::F_SETLK(&whole(libc::F_WRLCK)))?;
    Ok(file)
}

/// Which other process has locked a file; none when nobody has, or there is no such file.
///
/// Not to be asked by who has the lock: closing any descriptor of the file gives it up (fcntl(2)).
pub fn locked_by(path: &Path) -> Option<Pid> {
    let file = File::open(path).ok()?;
    let mut lock = whole(libc::F_WRLCK);
    fcntl(&file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    (i32::from(lock.l_type) != libc::F_UNLCK && lock.l_pid > 0).then(|| Pid::from_raw(lock.l_pid))
}

/// The whole of a file, for a lock of this kind.
fn whole(kind: i32) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).expect("the kinds of locks are small numbers"),
        l_whence: i16::try_from(libc::SEEK_SET).expect("it is 0"),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// The errno of a lock that somebody else has.
pub fn is_locked(errno: Errno) -> bool {
    matches!(errno, Errno::EAGAIN | Errno::EACCES)
}
