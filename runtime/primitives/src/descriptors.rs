//! Where does the window keep its own descriptors?
//!
//! High up, so that a chapter's first file is still `fd 3`, as it would be without a window.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit};

/// The first number that is the window's: above what programs use, and below the limit of open files,
/// which is 1024 as a rule.
fn first() -> i32 {
    static FIRST: OnceLock<i32> = OnceLock::new();
    *FIRST.get_or_init(|| {
        let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        (limit - 100).max(limit / 2).min(900)
    })
}

/// Moves a descriptor up, close-on-exec; leaves it where it is when the limit is too low for that.
pub(crate) fn out_of_the_way(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    match fcntl(fd.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(first())) {
        // SAFETY: the kernel has just opened this descriptor for us, nobody else has it.
        Ok(high) => Ok(unsafe { OwnedFd::from_raw_fd(high) }),
        Err(Errno::EINVAL | Errno::EMFILE) => Ok(fd),
        Err(errno) => Err(errno),
    }
}

/// Whether a descriptor is the window's own, which a view of a process leaves out.
pub(crate) fn is_ours(fd: i32) -> bool {
    fd >= first()
}
