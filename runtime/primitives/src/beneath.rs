//! Requests that start from an open directory, and what can be seen of something that is open.
//!
//! A name is looked up in the directory that is meant, whatever happens to the paths that lead to it.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags, Uid,
};
use trace::Arg;

use crate::args::{Word, fields, octal};
use crate::call;
use crate::error::Result;
use crate::files::TRIES;
use crate::gate::perform;
use crate::process::from_rustix;

/// Opens a path beneath a directory as if that were the root; what its last part names is opened
/// itself, even where that is a symbolic link.
///
/// - man: openat2(2)
/// - since: Linux 5.6
/// - ENOENT: there is no such file below the directory
/// - ELOOP: too many symbolic links on the way, or one of the kernel's magic links
/// - EAGAIN: somebody mounted or renamed something each time that we have tried
#[track_caller]
pub fn openat2_itself(root: BorrowedFd<'_>, path: &Path, why: &'static str) -> Result<OwnedFd> {
    let shown = "O_PATH|O_NOFOLLOW|O_CLOEXEC";
    let resolve = ("RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS", ResolveFlags::NO_MAGICLINKS);
    openat2("openat2_itself", root, path, (shown, OFlags::PATH | OFlags::NOFOLLOW), resolve, why)
}

/// Opens a path beneath a directory, and takes no symbolic link on the way, nor at its end.
///
/// - man: openat2(2)
/// - since: Linux 5.6
/// - ENOENT: there is no such file below the directory
/// - ELOOP: there is a symbolic link on the way, which may not be here
/// - EAGAIN: somebody mounted or renamed something each time that we have tried
#[track_caller]
pub fn openat2_without_links(
    root: BorrowedFd<'_>,
    path: &Path,
    why: &'static str,
) -> Result<OwnedFd> {
    let resolve = ("RESOLVE_IN_ROOT|RESOLVE_NO_SYMLINKS", ResolveFlags::NO_SYMLINKS);
    let flags = ("O_PATH|O_CLOEXEC", OFlags::PATH);
    openat2("openat2_without_links", root, path, flags, resolve, why)
}

/// Tries again where the kernel says that something was renamed or mounted meanwhile.
#[track_caller]
pub(crate) fn openat2(
    primitive: &'static str,
    root: BorrowedFd<'_>,
    path: &Path,
    (flags_shown, flags): (&'static str, OFlags),
    (resolve_shown, resolve): (&'static str, ResolveFlags),
    why: &'static str,
) -> Result<OwnedFd> {
    let how = || {
        fields([
            ("flags", Arg::Word(flags_shown.into())),
            ("resolve", Arg::Word(resolve_shown.into())),
        ])
    };
    let call = || crate::Call { primitive, ..call!("openat2", root, path, how())() };
    perform(call, why, || {
        let (flags, resolve) = (OFlags::CLOEXEC | flags, ResolveFlags::IN_ROOT | resolve);
        for _ in 1..TRIES {
            let found = rustix::fs::openat2(root, path, flags, Mode::empty(), resolve);
            if !matches!(found, Err(rustix::io::Errno::AGAIN)) {
                return found.map_err(from_rustix);
            }
        }
        Err(Errno::EAGAIN)
    })
}

/// Makes a directory in an open one, with these permission bits.
///
/// - man: mkdirat(2), mkdir(2)
/// - since: Linux 2.6.16
/// - EEXIST: there is something of this name already
/// - EACCES: nothing may be made in that directory
/// - EROFS: the file system is mounted read-only
#[track_caller]
pub fn mkdirat(directory: BorrowedFd<'_>, name: &Path, mode: u32, why: &'static str) -> Result<()> {
    perform(call!("mkdirat", directory, name, octal(mode)), why, || {
        rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(mode)).map_err(from_rustix)
    })
}

/// Makes a file in an open directory, by what it is: an empty one, a named pipe, a door to a driver.
///
/// - man: mknodat(2), mknod(2)
/// - since: Linux 2.6.16
/// - EEXIST: there is something of this name already
/// - EPERM: a device needs CAP_MKNOD in the first user namespace: a new one cannot make doors to drivers
/// - EROFS: the file system is mounted read-only
#[track_caller]
pub fn mknodat(
    directory: BorrowedFd<'_>,
    name: &Path,
    kind: FileKind,
    mode: u32,
    why: &'static str,
) -> Result<()> {
    let shown = || Arg::Word(format!("{}|{}", kind.word(), octal(mode)));
    let call = || match kind.numbers() {
        None => call!("mknodat", directory, name, shown())(),
        Some((major, minor)) => {
            let device = Arg::Word(format!("makedev({major}, {minor})"));
            call!("mknodat", directory, name, shown(), device)()
        }
    };
    perform(call, why, || {
        let (major, minor) = kind.numbers().unwrap_or((0, 0));
        let device = rustix::fs::makedev(major, minor);
        let mode = Mode::from_raw_mode(mode);
        rustix::fs::mknodat(directory, name, kind.file_type(), mode, device).map_err(from_rustix)
    })
}

/// Makes a symbolic link in an open directory: a file that holds a path.
///
/// - man: symlinkat(2), symlink(2)
/// - since: Linux 2.6.16
/// - EEXIST: there is something of this name already
/// - EROFS: the file system is mounted read-only
#[track_caller]
pub fn symlinkat(
    target: &Path,
    directory: BorrowedFd<'_>,
    name: &Path,
    why: &'static str,
) -> Result<()> {
    perform(call!("symlinkat", target, directory, name), why, || {
        rustix::fs::symlinkat(target, directory, name).map_err(from_rustix)
    })
}

/// Removes the name of a file from an open directory.
///
/// - man: unlinkat(2), unlink(2)
/// - since: Linux 2.6.16
/// - ENOENT: there is no such file
/// - EISDIR: it is a directory
/// - EBUSY: it is a mount point
#[track_caller]
pub fn unlinkat(directory: BorrowedFd<'_>, name: &Path, why: &'static str) -> Result<()> {
    perform(call!("unlinkat", directory, name, Word("0")), why, || {
        rustix::fs::unlinkat(directory, name, AtFlags::empty()).map_err(from_rustix)
    })
}

/// Gives a file of an open directory to a user and a group. A symbolic link is not followed.
///
/// - man: fchownat(2), chown(2)
/// - since: Linux 2.6.16
/// - EPERM: only root may give a file to somebody else
/// - EINVAL: the id is not mapped in this user namespace
#[track_caller]
pub fn fchownat(
    directory: BorrowedFd<'_>,
    name: &Path,
    uid: u32,
    gid: u32,
    why: &'static str,
) -> Result<()> {
    let itself = Word("AT_SYMLINK_NOFOLLOW");
    perform(call!("fchownat", directory, name, uid, gid, itself), why, || {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::chownat(directory, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(from_rustix)
    })
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// An ordinary file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A character device, by its driver's number and its own.
    Character(u32, u32),
    /// A block device, by its driver's number and its own.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl FileKind {
    /// What a mode says, with the numbers that go with a device.
    pub(crate) fn of(mode: u32, numbers: (u32, u32)) -> FileKind {
        match FileType::from_raw_mode(mode) {
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::Link,
            FileType::CharacterDevice => FileKind::Character(numbers.0, numbers.1),
            FileType::BlockDevice => FileKind::Block(numbers.0, numbers.1),
            FileType::Fifo => FileKind::Fifo,
            FileType::Socket => FileKind::Socket,
            FileType::RegularFile | FileType::Unknown => FileKind::Regular,
        }
    }

    fn numbers(self) -> Option<(u32, u32)> {
        match self {
            FileKind::Character(major, minor) | FileKind::Block(major, minor) => {
                Some((major, minor))
            }
            _ => None,
        }
    }

    fn file_type(self) -> FileType {
        match self {
            FileKind::Regular => FileType::RegularFile,
            FileKind::Directory => FileType::Directory,
            FileKind::Link => FileType::Symlink,
            FileKind::Character(..) => FileType::CharacterDevice,
            FileKind::Block(..) => FileType::BlockDevice,
            FileKind::Fifo => FileType::Fifo,
            FileKind::Socket => FileType::Socket,
        }
    }

    fn word(self) -> &'static str {
        match self {
            FileKind::Regular => "S_IFREG",
            FileKind::Directory => "S_IFDIR",
            FileKind::Link => "S_IFLNK",
            FileKind::Character(..) => "S_IFCHR",
            FileKind::Block(..) => "S_IFBLK",
            FileKind::Fifo => "S_IFIFO",
            FileKind::Socket => "S_IFSOCK",
        }
    }
}

impl std::fmt::Display for FileKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FileKind::Regular => f.write_str("a file"),
            FileKind::Directory => f.write_str("a directory"),
            FileKind::Link => f.write_str("a symbolic link"),
            FileKind::Character(major, minor) => write!(f, "character device {major}:{minor}"),
            FileKind::Block(major, minor) => write!(f, "block device {major}:{minor}"),
            FileKind::Fifo => f.write_str("a named pipe"),
            FileKind::Socket => f.write_str("a socket"),
        }
    }
}

/// What can be seen of a file that is open, be it only as a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it is.
    pub kind: FileKind,
    /// Its permission bits, with set-user-ID, set-group-ID and sticky bit.
    pub mode: u32,
    /// Who owns it: user and group.
    pub owner: (u32, u32),
    /// Whether a mount begins with it.
    pub is_mount: bool,
}

/// Looks at an open file. Looking changes nothing.
///
/// # Errors
/// Those of statx(2), of which none is to be expected for an open file.
pub fn look_at(file: BorrowedFd<'_>) -> std::io::Result<Seen> {
    let wanted = StatxFlags::TYPE | StatxFlags::MODE | StatxFlags::UID | StatxFlags::GID;
    let seen = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, wanted)?;
    let kind = FileKind::of(seen.stx_mode.into(), (seen.stx_rdev_major, seen.stx_rdev_minor));
    let is_mount = seen.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    let owner = (seen.stx_uid, seen.stx_gid);
    Ok(Seen { kind, mode: u32::from(seen.stx_mode) & 0o7777, owner, is_mount })
}

/// What an open symbolic link holds. Reading changes nothing.
///
/// # Errors
/// Those of readlinkat(2): it is no link.
pub fn link_target(link: BorrowedFd<'_>) -> std::io::Result<PathBuf> {
    let target = rustix::fs::readlinkat(link, c"", Vec::new())?;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())))
}

/// Whether an open file is one of the kernel's process file system. Asking changes nothing.
///
/// # Errors
/// Those of fstatfs(2).
pub fn is_on_procfs(file: BorrowedFd<'_>) -> std::io::Result<bool> {
    Ok(rustix::fs::fstatfs(file)?.f_type == rustix::fs::PROC_SUPER_MAGIC)
}

/// What the kernel has to say about a file system that could not be configured, made or mounted: the
/// messages that reading from its descriptor gives, one after the other.
pub fn last_words(fs: BorrowedFd<'_>) -> String {
    let mut words = String::new();
    let Ok(fs) = fs.as_fd().try_clone_to_owned() else {
        return words;
    };
    let mut file = File::from(fs);
    let mut message = [0; 512];
    while let Ok(length @ 1..) = file.read(&mut message) {
        let text = String::from_utf8_lossy(&message[..length]);
        if !words.is_empty() {
            words.push_str("; ");
        }
        // The kernel marks errors, warnings and information by a letter and a blank.
        words.push_str(text.trim().split_once(' ').map_or("", |(_, words)| words));
    }
    words
}
