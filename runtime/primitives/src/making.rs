//! Making files in an open directory, with all that belongs to them and in as few requests as possible:
//! who unpacks an image makes them by the hundred thousand.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Timespec, Timestamps, XattrFlags};
use trace::Arg;

use crate::args::{Word, fields, octal};
use crate::beneath::openat2;
use crate::call;
use crate::error::Result;
use crate::files::errno_of;
use crate::gate::{Shown, perform};
use crate::metadata::Timestamp;
use crate::process::from_rustix;

/// A new file, while it gets its content from whoever has asked for it.
#[derive(Debug)]
pub struct Content<'a>(&'a File);

/// Why a new file did not get all of its content.
#[derive(Debug)]
pub enum Unfilled<E> {
    /// The kernel did not take it.
    Errno(Errno),
    /// It could not be had.
    Source(E),
}

impl Content<'_> {
    /// Writes all of these bytes.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn write<E>(&mut self, bytes: &[u8]) -> std::result::Result<(), Unfilled<E>> {
        self.0.write_all(bytes).map_err(|error| Unfilled::Errno(errno_of(error)))
    }

    /// Goes on at this byte: what was left out is a hole, which takes no room on the disk.
    ///
    /// # Errors
    /// Those of lseek(2).
    pub fn go_to<E>(&mut self, place: u64) -> std::result::Result<(), Unfilled<E>> {
        let gone = self.0.seek(SeekFrom::Start(place));
        gone.map(drop).map_err(|error| Unfilled::Errno(errno_of(error)))
    }

    /// Ends the file at this byte, with a hole before it if need be.
    ///
    /// # Errors
    /// Those of ftruncate(2): EFBIG where no file may be as long.
    pub fn end_at<E>(&mut self, length: u64) -> std::result::Result<(), Unfilled<E>> {
        self.0.set_len(length).map_err(|error| Unfilled::Errno(errno_of(error)))
    }
}

/// What could not be finished for a reason that is none of the kernel's.
impl<T: Shown, E> Shown for std::result::Result<T, E> {
    fn shown(&self) -> Arg {
        match self {
            Ok(value) => value.shown(),
            Err(_) => Arg::Word("unfinished".to_string()),
        }
    }
}

/// Makes a new file in an open directory; `fill` gives it its content meanwhile, and may fail for
/// reasons of its own. Something of the same name is an error, and so is never written through.
///
/// - man: openat(2), open(2), write(2)
/// - since: Linux 2.6.16
/// - EEXIST: there is something of this name already
/// - ENOSPC: the file system is full
/// - EDQUOT: your share of the file system is used up
/// - EFBIG: no file of this file system may be as long
/// - ENAMETOOLONG: a name has 255 bytes at most
/// - EROFS: the file system is mounted read-only
#[track_caller]
pub fn create_at<E>(
    directory: BorrowedFd<'_>,
    name: &Path,
    mode: u32,
    why: &'static str,
    fill: impl FnOnce(&mut Content<'_>) -> std::result::Result<(), Unfilled<E>>,
) -> Result<std::result::Result<OwnedFd, E>> {
    let shown = Word("O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC");
    perform(call!("openat" as "create_at", directory, name, shown, octal(mode)), why, || {
        let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let flags = new | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        let file =
            File::from(rustix::fs::openat(directory, name, flags, mode).map_err(from_rustix)?);
        match fill(&mut Content(&file)) {
            Ok(()) => Ok(Ok(OwnedFd::from(file))),
            Err(Unfilled::Source(error)) => Ok(Err(error)),
            Err(Unfilled::Errno(errno)) => Err(errno),
        }
    })
}

/// Opens a directory in an open one. A symbolic link is not followed.
///
/// - man: openat(2), open(2)
/// - since: Linux 2.6.16
/// - ENOENT: there is no such directory
/// - ENOTDIR: it is no directory, and may be a symbolic link to one
/// - ELOOP: it is a symbolic link
#[track_caller]
pub fn open_directory_at(
    directory: BorrowedFd<'_>,
    name: &Path,
    why: &'static str,
) -> Result<OwnedFd> {
    let shown = Word("O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC");
    perform(call!("openat" as "open_directory_at", directory, name, shown), why, || {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(directory, name, flags, Mode::empty()).map_err(from_rustix)
    })
}

/// Opens a directory beneath another as if that were the root: `..` and links cannot lead out of it.
///
/// - man: openat2(2)
/// - since: Linux 5.6
/// - ENOENT: there is no such directory below that one
/// - ENOTDIR: something on the way, or at its end, is no directory
/// - ELOOP: too many symbolic links on the way, or one of the kernel's magic links
/// - EAGAIN: somebody mounted or renamed something each time that we have tried
#[track_caller]
pub fn open_directory_in_root(
    root: BorrowedFd<'_>,
    path: &Path,
    why: &'static str,
) -> Result<OwnedFd> {
    let flags = ("O_RDONLY|O_CLOEXEC|O_DIRECTORY", OFlags::RDONLY | OFlags::DIRECTORY);
    let resolve = ("RESOLVE_NO_MAGICLINKS|RESOLVE_IN_ROOT", ResolveFlags::NO_MAGICLINKS);
    openat2("open_directory_in_root", root, path, flags, resolve, why)
}

/// Gives a file of an open directory a second name (a hard link) in another. A symbolic link is not
/// followed.
///
/// - man: linkat(2), link(2)
/// - since: Linux 2.6.16
/// - EEXIST: there is something of the new name already
/// - EMLINK: the file has as many names as this file system allows
/// - EPERM: a directory has one name only; or the file is somebody else's (/proc/sys/fs/protected_hardlinks)
#[track_caller]
pub fn linkat(
    (old_directory, old): (BorrowedFd<'_>, &Path),
    (new_directory, new): (BorrowedFd<'_>, &Path),
    why: &'static str,
) -> Result<()> {
    perform(call!("linkat", old_directory, old, new_directory, new, Word("0")), why, || {
        rustix::fs::linkat(old_directory, old, new_directory, new, AtFlags::empty())
            .map_err(from_rustix)
    })
}

/// Removes an empty directory from an open one.
///
/// - man: unlinkat(2), rmdir(2)
/// - since: Linux 2.6.16
/// - ENOTEMPTY: there is still something in it
/// - EBUSY: it is a mount point
#[track_caller]
pub fn rmdirat(directory: BorrowedFd<'_>, name: &Path, why: &'static str) -> Result<()> {
    perform(call!("unlinkat" as "rmdirat", directory, name, Word("AT_REMOVEDIR")), why, || {
        rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR).map_err(from_rustix)
    })
}

/// Changes the permission bits of an open file, and its set-user-ID, set-group-ID and sticky bits.
///
/// - man: fchmod(2), chmod(2)
/// - since: Linux 1.0
/// - EPERM: the file belongs to another user
#[track_caller]
pub fn fchmod(file: BorrowedFd<'_>, mode: u32, why: &'static str) -> Result<()> {
    perform(call!("fchmod", file, octal(mode)), why, || {
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).map_err(from_rustix)
    })
}

/// Sets both times of an open file, of its last reading and of its last change, to the nanosecond.
///
/// - man: futimens(3), utimensat(2)
/// - since: Linux 2.6.22
/// - EPERM: the file belongs to another user
/// - EINVAL: a second has 999,999,999 nanoseconds at most
#[track_caller]
pub fn futimens(file: BorrowedFd<'_>, time: Timestamp, why: &'static str) -> Result<()> {
    let call = call!("utimensat" as "futimens", file, Word("NULL"), shown(time), Word("0"));
    perform(call, why, || rustix::fs::futimens(file, &both(time)).map_err(from_rustix))
}

/// Sets both times of a file of an open directory. A symbolic link is not followed.
///
/// - man: utimensat(2)
/// - since: Linux 2.6.22
/// - EPERM: the file belongs to another user
/// - EINVAL: a second has 999,999,999 nanoseconds at most
#[track_caller]
pub fn utimensat_in(
    directory: BorrowedFd<'_>,
    name: &Path,
    time: Timestamp,
    why: &'static str,
) -> Result<()> {
    let itself = Word("AT_SYMLINK_NOFOLLOW");
    let call = call!("utimensat" as "utimensat_in", directory, name, shown(time), itself);
    perform(call, why, || {
        rustix::fs::utimensat(directory, name, &both(time), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(from_rustix)
    })
}

fn shown(time: Timestamp) -> Arg {
    fields([("tv_sec", Arg::Number(time.seconds)), ("tv_nsec", Arg::Number(time.nanos.into()))])
}

fn both(time: Timestamp) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: i64::from(time.nanos) };
    Timestamps { last_access: time, last_modification: time }
}

/// Sets an extended attribute of an open file: a name and a value that it carries besides its content.
///
/// - man: fsetxattr(2), xattr(7)
/// - since: Linux 2.4
/// - EPERM: trusted.* needs CAP_SYS_ADMIN in the first user namespace; user.* is for files and
///   directories alone
/// - EOPNOTSUPP: this file system keeps no attributes of this kind
/// - ENOSPC: the file system has no room for it: ext4 keeps one block of them for each file
/// - EINVAL: the value is none for an attribute of this name
#[track_caller]
pub fn fsetxattr(file: BorrowedFd<'_>, name: &str, value: &[u8], why: &'static str) -> Result<()> {
    let size = || u32::try_from(value.len()).unwrap_or(u32::MAX);
    let call = call!("fsetxattr", file, name, Arg::from_bytes(value), size(), Word("0"));
    perform(call, why, || {
        rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()).map_err(from_rustix)
    })
}

/// What is in a plain file beneath a directory, as if that were the root: `..` and links cannot lead
/// out of it. Reading changes nothing.
///
/// # Errors
/// Those of openat2(2) and of reading; InvalidInput for what is no plain file, such as a fifo, which
/// would be waited for, and for one with more than `most` bytes.
pub fn read_in_root(root: BorrowedFd<'_>, path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let wrong = |why: &str| std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
    let (flags, resolve) =
        (OFlags::PATH | OFlags::CLOEXEC, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS);
    let found = File::from(rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)?);
    let is = found.metadata()?;
    match is.is_file() {
        false => return Err(wrong("this is no plain file")),
        true if is.len() > most => return Err(wrong("this is too large")),
        true => {}
    }
    // Not before: to open a device can already be an order to it.
    let file = File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))?;
    let mut content = Vec::new();
    let read = std::io::Read::read_to_end(&mut std::io::Read::take(file, most + 1), &mut content)?;
    match read as u64 <= most {
        true => Ok(content),
        false => Err(wrong("this is too large")),
    }
}
