//! Fewer files: a list, made by the program itself, of what it may still do below which directories.
//!
//! A seccomp filter sees the number of a call and cannot follow a path. Landlock sees the path and
//! does not mind the call. It needs no privilege, and like a filter it is never taken away again.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use trace::Arg;

use crate::args::{ToArg, Word, fields, flags};
use crate::call;
use crate::error::Result;
use crate::gate::perform;

bitflags::bitflags! {
    /// What can be done with files (`LANDLOCK_ACCESS_FS_…`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct LandlockAccess: u64 {
        /// Run a file as a program.
        const LANDLOCK_ACCESS_FS_EXECUTE = 1;
        /// Open a file for writing.
        const LANDLOCK_ACCESS_FS_WRITE_FILE = 1 << 1;
        /// Open a file for reading.
        const LANDLOCK_ACCESS_FS_READ_FILE = 1 << 2;
        /// List a directory.
        const LANDLOCK_ACCESS_FS_READ_DIR = 1 << 3;
        /// Remove a directory, or rename one.
        const LANDLOCK_ACCESS_FS_REMOVE_DIR = 1 << 4;
        /// Remove a file, or rename one.
        const LANDLOCK_ACCESS_FS_REMOVE_FILE = 1 << 5;
        /// Make a character device.
        const LANDLOCK_ACCESS_FS_MAKE_CHAR = 1 << 6;
        /// Make a directory.
        const LANDLOCK_ACCESS_FS_MAKE_DIR = 1 << 7;
        /// Make a regular file.
        const LANDLOCK_ACCESS_FS_MAKE_REG = 1 << 8;
        /// Make a socket with a name.
        const LANDLOCK_ACCESS_FS_MAKE_SOCK = 1 << 9;
        /// Make a pipe with a name.
        const LANDLOCK_ACCESS_FS_MAKE_FIFO = 1 << 10;
        /// Make a block device.
        const LANDLOCK_ACCESS_FS_MAKE_BLOCK = 1 << 11;
        /// Make a symbolic link.
        const LANDLOCK_ACCESS_FS_MAKE_SYM = 1 << 12;
        /// Link or rename into another directory; since ABI 2.
        const LANDLOCK_ACCESS_FS_REFER = 1 << 13;
        /// Cut a file short; since ABI 3.
        const LANDLOCK_ACCESS_FS_TRUNCATE = 1 << 14;
        /// Make requests to devices; since ABI 5.
        const LANDLOCK_ACCESS_FS_IOCTL_DEV = 1 << 15;
    }
}

impl LandlockAccess {
    /// All that a kernel with this version of Landlock can watch over.
    pub fn known_to(abi: u32) -> LandlockAccess {
        let newer = match abi {
            0 | 1 => 13,
            2 => 14,
            3 | 4 => 15,
            _ => 16,
        };
        LandlockAccess::from_bits_truncate((1 << newer) - 1)
    }
}

impl ToArg for LandlockAccess {
    fn to_arg(&self) -> Arg {
        flags(self)
    }
}

/// The version of Landlock that this kernel has; none where it has none, or it was not switched on
/// at boot. Asking changes nothing.
pub fn landlock_abi() -> Option<u32> {
    const VERSION: u32 = 1;
    let nothing: *const u8 = std::ptr::null();
    // SAFETY: with this flag the call takes no structure and returns a number.
    let abi =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, VERSION) };
    u32::try_from(abi).ok().filter(|abi| *abi > 0)
}

/// Makes a ruleset: what is in `handled` is forbidden everywhere that no rule allows it.
///
/// - man: landlock_create_ruleset(2), landlock(7)
/// - since: Linux 5.13
/// - EOPNOTSUPP: Landlock is in this kernel and was not switched on at boot: see lsm= on its command
///   line
/// - ENOSYS: this kernel has no Landlock
/// - EINVAL: this version of Landlock does not know one of these rights
#[track_caller]
pub fn landlock_create_ruleset(handled: LandlockAccess, why: &'static str) -> Result<OwnedFd> {
    let bits: u64 = handled.bits();
    let size = size_of::<u64>();
    let shown = fields([("handled_access_fs", handled.to_arg())]);
    perform(call!("landlock_create_ruleset", shown, 8, Word("0")), why, || {
        let attributes = &raw const bits;
        let number = libc::SYS_landlock_create_ruleset;
        // SAFETY: the first field of the structure is this number, and the size says that it is all.
        let fd = unsafe { libc::syscall(number, attributes, size, 0_u32) };
        let fd = i32::try_from(Errno::result(fd)?).expect("descriptors fit into an i32");
        // SAFETY: the kernel has just opened this descriptor for us, nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    })
}

/// Allows something on a file, or everywhere below a directory.
///
/// - man: landlock_add_rule(2), landlock(7)
/// - since: Linux 5.13
/// - EINVAL: a right was named that the ruleset does not handle, or one of directories for a file
/// - ENOMSG: no right was named
#[track_caller]
pub fn landlock_add_path(
    ruleset: BorrowedFd<'_>,
    allowed: LandlockAccess,
    beneath: BorrowedFd<'_>,
    why: &'static str,
) -> Result<()> {
    /// `struct landlock_path_beneath_attr`: without a gap, unlike other structures of the kernel.
    #[repr(C, packed)]
    struct PathBeneath {
        allowed: u64,
        parent: i32,
    }
    let shown =
        fields([("allowed_access", allowed.to_arg()), ("parent_fd", Arg::Fd(beneath.as_raw_fd()))]);
    let kind = Word("LANDLOCK_RULE_PATH_BENEATH");
    let call = call!("landlock_add_rule" as "landlock_add_path", ruleset, kind, shown, Word("0"));
    perform(call, why, || {
        const PATH_BENEATH: u32 = 1;
        let rule = PathBeneath { allowed: allowed.bits(), parent: beneath.as_raw_fd() };
        let (number, fd) = (libc::SYS_landlock_add_rule, ruleset.as_raw_fd());
        // SAFETY: the structure is the one of this kind of rule and lives until the call returns.
        let done = unsafe { libc::syscall(number, fd, PATH_BENEATH, &raw const rule, 0_u32) };
        Errno::result(done).map(drop)
    })
}

/// Puts this process and all that it makes under a ruleset, for ever.
///
/// - man: landlock_restrict_self(2), landlock(7)
/// - since: Linux 5.13
/// - EPERM: without CAP_SYS_ADMIN a process must first give up gaining rights: no_new_privs
/// - E2BIG: the process is under 16 rulesets already
#[track_caller]
pub fn landlock_restrict_self(ruleset: BorrowedFd<'_>, why: &'static str) -> Result<()> {
    perform(call!("landlock_restrict_self", ruleset, Word("0")), why, || {
        let (number, fd) = (libc::SYS_landlock_restrict_self, ruleset.as_raw_fd());
        // SAFETY: the call takes numbers alone.
        Errno::result(unsafe { libc::syscall(number, fd, 0_u32) }).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::LandlockAccess;

    #[test]
    fn a_newer_version_knows_more() {
        let last = |abi| LandlockAccess::known_to(abi).iter_names().last().unwrap().0;
        assert_eq!(last(1), "LANDLOCK_ACCESS_FS_MAKE_SYM");
        assert_eq!(last(2), "LANDLOCK_ACCESS_FS_REFER");
        assert_eq!(last(3), "LANDLOCK_ACCESS_FS_TRUNCATE");
        assert_eq!(last(4), "LANDLOCK_ACCESS_FS_TRUNCATE");
        assert_eq!(last(7), "LANDLOCK_ACCESS_FS_IOCTL_DEV");
    }
}
