//! Files that somebody else has made: reads that a hostile file cannot hold up, questions that are
//! answered with the rights that this process really has, and a way into `/proc` that no mount on top
//! of it leads astray.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use trace::Arg;

use crate::call;
use crate::error::Result;
use crate::files::errno_of;
use crate::gate::perform;
use crate::process::{c_string, from_rustix};

/// The first `most` bytes of a plain file; whether there are more is not asked.
///
/// # Errors
/// Those of opening and reading; InvalidInput for what is no plain file, such as a fifo, which would
/// be waited for, or a device, which may do anything.
pub fn read_untrusted(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let plain = |file: &std::fs::Metadata| match file.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no plain file")),
    };
    plain(&std::fs::metadata(path)?)?;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    // It may be another file by now.
    plain(&file.metadata()?)?;
    let mut content = Vec::new();
    file.take(most).read_to_end(&mut content)?;
    Ok(content)
}

/// Whether this process may execute a file, with its effective ids and capabilities.
///
/// # Errors
/// EACCES when it may not, and those of looking it up.
pub fn may_execute(path: &Path) -> std::result::Result<(), Errno> {
    let name = c_string(path.as_os_str())?;
    let (here, number) = (libc::AT_FDCWD, libc::SYS_faccessat2);
    let (mode, flags) = (libc::X_OK, libc::AT_EACCESS);
    // SAFETY: the string ends with a zero byte and lives until the call returns.
    let done = unsafe { libc::syscall(number, here, name.as_ptr(), mode, flags) };
    Errno::result(done).map(drop)
}

/// The working directory as the kernel tells it, who says `(unreachable)` before one that is not
/// below this process's root.
///
/// # Errors
/// ENOENT when it was removed.
pub fn current_directory() -> std::result::Result<PathBuf, Errno> {
    let mut room = vec![0_u8; libc::PATH_MAX as usize];
    // The C library would hide what the kernel says of a directory outside.
    // SAFETY: the call writes at most as many bytes as the room has, which outlives it.
    let length = unsafe { libc::syscall(libc::SYS_getcwd, room.as_mut_ptr(), room.len()) };
    let length = usize::try_from(Errno::result(length)?).unwrap_or(1);
    room.truncate(length.saturating_sub(1));
    Ok(PathBuf::from(std::ffi::OsString::from_vec(room)))
}

/// Writes into one of this process's own files below `/proc/self`, in a mount namespace that somebody
/// else may have set up: `/proc` must be the root of a procfs, and nothing may be mounted on the way.
///
/// - man: proc(5), openat2(2)
/// - since: Linux 5.6
/// - ENOENT: there is no /proc, or this kernel has no such file
/// - EXDEV: something is mounted over the file, so it would not be the kernel that reads this
/// - EINVAL: the file does not understand the value
#[track_caller]
pub fn write_own_proc(file: &str, text: &str, why: &'static str) -> Result<()> {
    let shown = Arg::Path(format!("/proc/self/{file}"));
    perform(call!("write" as "write_own_proc", shown, text), why, || {
        let mut file = File::from(open_proc(&Path::new("self").join(file))?);
        match file.write(text.as_bytes()) {
            Ok(written) if written == text.len() => Ok(()),
            Ok(_) => Err(Errno::EIO),
            Err(error) => Err(errno_of(error)),
        }
    })
}

/// Sets a kernel parameter in the namespaces of this process: a file below `/proc/sys`. As with
/// [`write_own_proc`], `/proc` must be what it seems to be.
///
/// - man: proc_sys(5), sysctl(8), openat2(2)
/// - since: Linux 5.6
/// - ENOENT: there is no /proc, or this kernel has no such parameter in this namespace
/// - EXDEV: something is mounted over the file, so it would not be the kernel that reads this
/// - EACCES: this namespace has no say in it, or it belongs to another user namespace
/// - EINVAL: the parameter does not take this value
#[track_caller]
pub fn write_sysctl(path: &Path, text: &str, why: &'static str) -> Result<()> {
    let path = Path::new("sys").join(path);
    let shown = Path::new("/proc").join(&path);
    perform(call!("write" as "write_sysctl", shown, text), why, || {
        let mut file = File::from(open_proc(&path)?);
        file.write_all(text.as_bytes()).map_err(errno_of)
    })
}

fn open_proc(path: &Path) -> std::result::Result<OwnedFd, Errno> {
    const PROC_ROOT_INO: u64 = 1;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let proc = rustix::fs::openat(CWD, "/proc", flags, Mode::empty()).map_err(from_rustix)?;
    let magic = rustix::fs::fstatfs(&proc).map_err(from_rustix)?.f_type;
    if magic != rustix::fs::PROC_SUPER_MAGIC || stat_of(proc.as_fd())?.st_ino != PROC_ROOT_INO {
        return Err(Errno::EXDEV);
    }
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS | ResolveFlags::BENEATH;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat2(&proc, path, flags, Mode::empty(), resolve).map_err(from_rustix)
}

/// What the kernel knows of an open file: its owner, its device and its number there.
///
/// # Errors
/// EBADF when it is not open.
pub fn stat_of(fd: BorrowedFd<'_>) -> std::result::Result<FileStat, Errno> {
    nix::sys::stat::fstat(fd)
}

/// Gives an open file to a user and a group.
///
/// - man: fchown(2)
/// - since: Linux 1.0
/// - EPERM: only root may give a file to somebody else
/// - EINVAL: the id is not mapped in this user namespace
/// - EROFS: the file system is mounted read-only
#[track_caller]
pub fn fchown(fd: BorrowedFd<'_>, uid: u32, gid: u32, why: &'static str) -> Result<()> {
    perform(call!("fchown", fd, uid, gid), why, || {
        // SAFETY: the call takes numbers alone.
        Errno::result(unsafe { libc::fchown(fd.as_raw_fd(), uid, gid) }).map(drop)
    })
}

/// Whether a descriptor is a terminal.
pub fn is_terminal(fd: impl AsRawFd) -> bool {
    // SAFETY: the call takes a number; one that is not open gives an error.
    let answer = unsafe { libc::isatty(fd.as_raw_fd()) };
    answer == 1
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{current_directory, may_execute, read_untrusted};

    #[test]
    fn only_plain_files_are_read() {
        assert!(read_untrusted(Path::new("/dev/zero"), 10).is_err());
        assert!(read_untrusted(Path::new("/etc"), 10).is_err());
        assert_eq!(read_untrusted(Path::new("/etc/passwd"), 4).unwrap().len(), 4);
    }

    #[test]
    fn what_may_be_executed() {
        assert!(may_execute(Path::new("/bin/sh")).is_ok());
        assert!(may_execute(Path::new("/no/such/file")).is_err());
        assert_eq!(current_directory().unwrap(), std::env::current_dir().unwrap());
    }
}
