//! What belongs to a file besides its content: names, owner, permissions, times, attributes.

use std::io::ErrorKind;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use rustix::fs::{AtFlags, Timespec, Timestamps, XattrFlags};
use trace::Arg;

use crate::args::{Word, fields, octal};
use crate::call;
use crate::error::Result;
use crate::gate::{Shown, perform};
use crate::process::{c_string, from_rustix};

/// A point in time as file systems keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since the beginning of 1970; negative before.
    pub seconds: i64,
    /// Nanoseconds on top, below 1,000,000,000.
    pub nanos: u32,
}

/// Changes the permission bits of a file, and its set-user-ID, set-group-ID and sticky bits. A
/// symbolic link is followed.
///
/// - man: chmod(2)
/// - since: Linux 1.0
/// - EPERM: the file belongs to another user
/// - ENOENT: there is no such file
/// - EROFS: the file system is mounted read-only
#[track_caller]
pub fn chmod(path: &Path, mode: u32, why: &'static str) -> Result<()> {
    perform(call!("chmod", path, octal(mode)), why, || {
        let path = c_string(path.as_os_str())?;
        // SAFETY: the string ends with a zero byte and lives until the call returns.
        Errno::result(unsafe { libc::chmod(path.as_ptr(), mode) }).map(drop)
    })
}

/// Gives a file to a user and a group. It does not follow a symbolic link, and it takes set-user-ID
/// and set-group-ID bits away: permissions are set after it.
///
/// - man: lchown(2), chown(2)
/// - since: Linux 1.0
/// - EPERM: only root may give a file to somebody else
/// - EINVAL: the id is not mapped in this user namespace
/// - ENOENT: there is no such file
#[track_caller]
pub fn lchown(path: &Path, uid: u32, gid: u32, why: &'static str) -> Result<()> {
    perform(call!("lchown", path, uid, gid), why, || {
        let path = c_string(path.as_os_str())?;
        // SAFETY: the string ends with a zero byte and lives until the call returns.
        Errno::result(unsafe { libc::lchown(path.as_ptr(), uid, gid) }).map(drop)
    })
}

/// Gives a file a second name (a hard link). A symbolic link is not followed.
///
/// - man: link(2)
/// - since: Linux 1.0
/// - EXDEV: both names must lie in one mount
/// - EEXIST: there is something of the new name already
/// - EPERM: a directory has one name only; or the file is somebody else's (/proc/sys/fs/protected_hardlinks)
#[track_caller]
pub fn link(old: &Path, new: &Path, why: &'static str) -> Result<()> {
    perform(call!("link", old, new), why, || two_paths(old, new, libc::link))
}

/// Gives a file another name in the same file system, in one moment: who looks finds the old file or
/// the new one under that name, never none and never half of one.
///
/// - man: rename(2)
/// - since: Linux 1.0
/// - EXDEV: both names must lie in one mount
/// - ENOTEMPTY: there is a directory of the new name, with something in it
/// - EBUSY: one of them is a mount point
#[track_caller]
pub fn rename(old: &Path, new: &Path, why: &'static str) -> Result<()> {
    perform(call!("rename", old, new), why, || two_paths(old, new, libc::rename))
}

fn two_paths(
    old: &Path,
    new: &Path,
    call: unsafe extern "C" fn(*const libc::c_char, *const libc::c_char) -> i32,
) -> std::result::Result<(), Errno> {
    let (old, new) = (c_string(old.as_os_str())?, c_string(new.as_os_str())?);
    // SAFETY: both strings end with a zero byte and live until the call returns; it keeps neither.
    Errno::result(unsafe { call(old.as_ptr(), new.as_ptr()) }).map(drop)
}

/// Makes a fifo: a pipe with a name.
///
/// - man: mkfifo(3), mknod(2)
/// - since: Linux 1.0
/// - EEXIST: there is something of this name already
#[track_caller]
pub fn mkfifo(path: &Path, mode: u32, why: &'static str) -> Result<()> {
    let shown = Arg::Word(format!("S_IFIFO|{}", octal(mode)));
    perform(call!("mknod" as "mkfifo", path, shown, 0), why, || {
        mknod(path, SFlag::S_IFIFO, Mode::from_bits_truncate(mode), 0)
    })
}

/// Makes a block device node: a door to a disk's driver, by its numbers.
///
/// - man: mknod(2)
/// - since: Linux 1.0
/// - EPERM: this needs CAP_MKNOD in the first user namespace: a new one cannot make doors to drivers
/// - EEXIST: there is something of this name already
#[track_caller]
pub fn mknod_block(
    path: &Path,
    mode: u32,
    (major, minor): (u64, u64),
    why: &'static str,
) -> Result<()> {
    let device = Arg::Word(format!("makedev({major}, {minor})"));
    let shown = Arg::Word(format!("S_IFBLK|{}", octal(mode)));
    perform(call!("mknod" as "mknod_block", path, shown, device), why, || {
        mknod(path, SFlag::S_IFBLK, Mode::from_bits_truncate(mode), makedev(major, minor))
    })
}

/// Sets both times of a file, of its last reading and of its last change, to the nanosecond. A
/// symbolic link is not followed.
///
/// - man: utimensat(2)
/// - since: Linux 2.6.22
/// - EPERM: the file belongs to another user
/// - EINVAL: a second has 999,999,999 nanoseconds at most
#[track_caller]
pub fn utimensat(path: &Path, time: Timestamp, why: &'static str) -> Result<()> {
    let shown = fields([
        ("tv_sec", Arg::Number(time.seconds)),
        ("tv_nsec", Arg::Number(i64::from(time.nanos))),
    ]);
    let (here, flag) = (Word("AT_FDCWD"), Word("AT_SYMLINK_NOFOLLOW"));
    perform(call!("utimensat", here, path, shown, flag), why, || {
        let time = Timespec { tv_sec: time.seconds, tv_nsec: i64::from(time.nanos) };
        let both = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(rustix::fs::CWD, path, &both, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(from_rustix)
    })
}

/// Sets an extended attribute: a name and a value that a file carries besides its content. A symbolic
/// link is not followed.
///
/// - man: lsetxattr(2), xattr(7)
/// - since: Linux 2.4
/// - EPERM: trusted.* needs CAP_SYS_ADMIN in the first user namespace; user.* is for files and
///   directories alone
/// - EOPNOTSUPP: this file system keeps no attributes of this kind
#[track_caller]
pub fn lsetxattr(path: &Path, name: &str, value: &[u8], why: &'static str) -> Result<()> {
    let (shown, size) = (Arg::from_bytes(value), u32::try_from(value.len()).unwrap_or(u32::MAX));
    perform(call!("lsetxattr", path, name, shown, size, 0), why, || {
        rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).map_err(from_rustix)
    })
}

/// Takes an extended attribute away. A symbolic link is not followed.
///
/// - man: lremovexattr(2), xattr(7)
/// - since: Linux 2.4
/// - ENODATA: the file has no such attribute
#[track_caller]
pub fn lremovexattr(path: &Path, name: &str, why: &'static str) -> Result<()> {
    perform(call!("lremovexattr", path, name), why, || {
        rustix::fs::lremovexattr(path, name).map_err(from_rustix)
    })
}

/// The value of an extended attribute; none when the file has no such attribute, or its file system
/// keeps none. Reading changes nothing.
///
/// # Errors
/// Those of lgetxattr(2) that say something else.
pub fn lgetxattr(path: &Path, name: &str) -> std::io::Result<Option<Vec<u8>>> {
    // The kernel's own limit: XATTR_SIZE_MAX.
    let mut room = vec![0; 1 << 16];
    match rustix::fs::lgetxattr(path, name, &mut room) {
        Ok(length) => {
            room.truncate(length);
            Ok(Some(room))
        }
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// The names of a file's extended attributes, sorted. Reading changes nothing.
///
/// # Errors
/// Those of llistxattr(2); InvalidData when a name is not UTF-8.
pub fn llistxattr(path: &Path) -> std::io::Result<Vec<String>> {
    // The kernel's own limit: XATTR_LIST_MAX.
    let mut room = vec![0; 1 << 16];
    let length = match rustix::fs::llistxattr(path, &mut room) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        Err(errno) => return Err(errno.into()),
    };
    let name = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
    let names = room[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(name);
    let mut names: Vec<String> = names
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error))?;
    names.sort();
    Ok(names)
}

/// Sets which permission bits new files of this process do not get.
///
/// - man: umask(2)
/// - since: Linux 1.0
#[track_caller]
pub fn umask(mask: u32, why: &'static str) -> Result<()> {
    perform(call!("umask", Mask(mask).shown()), why, || {
        Ok(Mask(nix::sys::stat::umask(Mode::from_bits_truncate(mask)).bits()))
    })
    .map(drop)
}

/// The mask that was there before, as C programs write it.
struct Mask(u32);

impl Shown for Mask {
    fn shown(&self) -> Arg {
        Arg::Word(format!("{:0>3}", format!("0{:o}", self.0)))
    }
}
