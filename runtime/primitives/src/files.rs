//! Files: making, writing and removing them, and paths that cannot lead out.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use trace::Arg;

use crate::args::{ToArg, Word, octal};
use crate::call;
use crate::error::Result;
use crate::gate::perform;
use crate::process::from_rustix;

/// Writes `text` into a file that exists, such as one of the kernel's: open, one write, close.
///
/// The kernel's files take a whole value in one write, so there is no second one for the rest.
///
/// - man: write(2), proc(5)
/// - since: Linux 1.0
/// - ENOENT: there is no such file: is the file system mounted, and the controller enabled?
/// - EACCES: the file belongs to another user
/// - EINVAL: the file does not understand the value
#[track_caller]
pub fn write(
    path: &(impl AsRef<Path> + ToArg + ?Sized),
    text: &str,
    why: &'static str,
) -> Result<()> {
    perform(call!("write", path, text), why, || write_once(path.as_ref(), text.as_bytes()))
}

pub(crate) fn write_once(path: &Path, bytes: &[u8]) -> std::result::Result<(), Errno> {
    let mut file = File::options().write(true).open(path).map_err(errno_of)?;
    match file.write(bytes) {
        Ok(written) if written == bytes.len() => Ok(()),
        Ok(_) => Err(Errno::EIO),
        Err(error) => Err(errno_of(error)),
    }
}

/// Makes a new file with this content and these permission bits; an existing one is an error.
///
/// - man: open(2), write(2)
/// - since: Linux 1.0
/// - EEXIST: there is a file of this name already
/// - ENOENT: a directory on the way is missing
/// - EROFS: the file system is mounted read-only
#[track_caller]
pub fn create(path: &Path, content: &[u8], mode: u32, why: &'static str) -> Result<()> {
    let call = call!("creat" as "create", path, Arg::from_content(content), octal(mode));
    perform(call, why, || {
        let mut options = File::options();
        let mut file =
            options.write(true).create_new(true).mode(mode).open(path).map_err(errno_of)?;
        file.write_all(content).map_err(errno_of)
    })
}

/// Opens a file or directory without reading it (`O_PATH`): a handle that paths can start from.
///
/// - man: open(2)
/// - since: Linux 2.6.39
/// - ENOENT: there is no such file
#[track_caller]
pub fn open_path(path: &(impl AsRef<Path> + ToArg + ?Sized), why: &'static str) -> Result<OwnedFd> {
    perform(call!("open" as "open_path", path, Word("O_PATH|O_CLOEXEC")), why, || {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        nix::fcntl::open(path.as_ref(), flags, nix::sys::stat::Mode::empty())
    })
}

/// Makes a file that has no name, only this descriptor, with some content; it is *not* marked
/// close-on-exec, so that a program we become inherits it.
///
/// - man: memfd_create(2)
/// - since: Linux 3.17
/// - EMFILE: this process has too many open files: see `ulimit -n`
#[track_caller]
pub fn memfd_create_inheritable(name: &str, content: &[u8], why: &'static str) -> Result<OwnedFd> {
    perform(call!("memfd_create" as "memfd_create_inheritable", name, Word("0")), why, || {
        let fd =
            rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::empty()).map_err(from_rustix)?;
        let file = File::from(fd);
        // Writing at a place leaves the offset, which a reader inherits too, at the start.
        std::os::unix::fs::FileExt::write_all_at(&file, content, 0).map_err(errno_of)?;
        Ok(OwnedFd::from(file))
    })
}

/// Makes a file with this content and these permission bits that has no name, in the file system of
/// `directory`. If nobody gives it one ([`link_fd`]), it is gone with this descriptor.
///
/// - man: open(2), "O_TMPFILE"
/// - since: Linux 3.11
/// - EOPNOTSUPP: this file system makes no files without a name
/// - ENOENT: there is no such directory
/// - EACCES: nothing may be made in that directory
#[track_caller]
pub fn create_unnamed(
    directory: &Path,
    content: &[u8],
    mode: u32,
    why: &'static str,
) -> Result<OwnedFd> {
    let shown = Word("O_WRONLY|O_CLOEXEC|O_TMPFILE");
    perform(call!("open" as "create_unnamed", directory, shown, octal(mode)), why, || {
        let flags = OFlag::O_TMPFILE | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let mode = nix::sys::stat::Mode::from_bits_truncate(mode);
        let mut file = File::from(nix::fcntl::open(directory, flags, mode)?);
        file.write_all(content).map_err(errno_of)?;
        Ok(OwnedFd::from(file))
    })
}

/// Gives a name to a file that is open and has none: from this moment on it is found, and all of it.
///
/// - man: linkat(2), open(2), "O_TMPFILE"
/// - since: Linux 3.11
/// - EEXIST: there is something of this name already
/// - EXDEV: the file lies in another file system than the name
/// - ENOENT: a directory on the way is missing; or /proc is, by which the file is named here
#[track_caller]
pub fn link_fd(file: BorrowedFd<'_>, name: &Path, why: &'static str) -> Result<()> {
    // Without this detour linkat takes a bare descriptor from root of the machine alone.
    let open = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let (here, follow) = (Word("AT_FDCWD"), Word("AT_SYMLINK_FOLLOW"));
    perform(call!("linkat" as "link_fd", here, open, here, name, follow), why, || {
        let (here, follow) = (rustix::fs::CWD, rustix::fs::AtFlags::SYMLINK_FOLLOW);
        rustix::fs::linkat(here, &open, here, name, follow).map_err(from_rustix)
    })
}

/// Opens a path beneath a directory as if that were the root: `..` and links cannot lead out of it.
///
/// - man: openat2(2)
/// - since: Linux 5.6
/// - ENOENT: there is no such file below the directory
/// - ELOOP: too many symbolic links on the way, or one of the kernel's magic links
/// - EAGAIN: somebody mounted or renamed something each time that we have tried
#[track_caller]
pub fn openat2_in_root(root: BorrowedFd<'_>, path: &Path, why: &'static str) -> Result<OwnedFd> {
    let how = crate::args::fields([
        ("flags", Arg::Word("O_PATH|O_CLOEXEC".into())),
        ("resolve", Arg::Word("RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS".into())),
    ]);
    perform(call!("openat2" as "openat2_in_root", root, path, how), why, || {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        for _ in 1..TRIES {
            let found = rustix::fs::openat2(root, path, flags, Mode::empty(), resolve);
            if !matches!(found, Err(rustix::io::Errno::AGAIN)) {
                return found.map_err(from_rustix);
            }
        }
        Err(Errno::EAGAIN)
    })
}

/// How often a path is looked up that goes up by `..`: the kernel gives up when anybody on the machine
/// has mounted or renamed something meanwhile, and asks to be asked again.
pub(crate) const TRIES: u32 = 128;

/// Makes a directory with these permission bits.
///
/// - man: mkdir(2)
/// - since: Linux 1.0
/// - EEXIST: there is something of this name already
/// - ENOENT: a directory on the way is missing
/// - EROFS: the file system is mounted read-only
#[track_caller]
pub fn mkdir(
    path: &(impl AsRef<Path> + ToArg + ?Sized),
    mode: u32,
    why: &'static str,
) -> Result<()> {
    perform(call!("mkdir", path, octal(mode)), why, || {
        nix::unistd::mkdir(path.as_ref(), nix::sys::stat::Mode::from_bits_truncate(mode))
    })
}

/// Makes a directory of a name that nobody has, below `parent`: `PREFIX` and six random characters.
///
/// - man: mkdtemp(3), mkdir(2)
/// - since: Linux 1.0
/// - EACCES: nothing may be made in that directory
#[track_caller]
pub fn mkdtemp(parent: &Path, prefix: &str, why: &'static str) -> Result<PathBuf> {
    let template = parent.join(format!("{prefix}XXXXXX"));
    perform(call!("mkdtemp", template), why, || nix::unistd::mkdtemp(&template))
}

/// Makes a symbolic link: a file that holds a path.
///
/// - man: symlink(2)
/// - since: Linux 1.0
/// - EEXIST: there is something of this name already
#[track_caller]
pub fn symlink(target: &Path, link: &Path, why: &'static str) -> Result<()> {
    perform(call!("symlink", target, link), why, || {
        nix::unistd::symlinkat(target, nix::fcntl::AT_FDCWD, link)
    })
}

/// Makes a character device node: a door to a driver, by its numbers.
///
/// - man: mknod(2)
/// - since: Linux 1.0
/// - EPERM: this needs CAP_MKNOD in the first user namespace: a new one cannot make doors to drivers
#[track_caller]
pub fn mknod_character(
    path: &Path,
    mode: u32,
    (major, minor): (u64, u64),
    why: &'static str,
) -> Result<()> {
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};
    let device = Arg::Word(format!("makedev({major}, {minor})"));
    let shown = Arg::Word(format!("S_IFCHR|{}", octal(mode)));
    perform(call!("mknod" as "mknod_character", path, shown, device), why, || {
        mknod(path, SFlag::S_IFCHR, Mode::from_bits_truncate(mode), makedev(major, minor))
    })
}

/// Removes the name of a file, and the file with its last name.
///
/// - man: unlink(2)
/// - since: Linux 1.0
/// - ENOENT: there is no such file
/// - EBUSY: it is a mount point
#[track_caller]
pub fn unlink(path: &Path, why: &'static str) -> Result<()> {
    perform(call!("unlink", path), why, || nix::unistd::unlink(path))
}

/// Removes an empty directory.
///
/// - man: rmdir(2)
/// - since: Linux 1.0
/// - ENOTEMPTY: there is still something in it
/// - EBUSY: it is a mount point, or a cgroup with processes in it
#[track_caller]
pub fn rmdir(path: &(impl AsRef<Path> + ToArg + ?Sized), why: &'static str) -> Result<()> {
    perform(call!("rmdir", path), why, || rmdir_raw(path.as_ref()))
}

pub(crate) fn rmdir_raw(path: &Path) -> std::result::Result<(), Errno> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the string ends with a zero byte and lives until the call returns.
    Errno::result(unsafe { libc::rmdir(path.as_ptr()) }).map(drop)
}

/// Makes a directory the one that relative paths start from.
///
/// - man: chdir(2)
/// - since: Linux 1.0
/// - ENOENT: there is no such directory
#[track_caller]
pub fn chdir(path: &Path, why: &'static str) -> Result<()> {
    perform(call!("chdir", path), why, || nix::unistd::chdir(path))
}

/// Makes an open directory the one that relative paths start from.
///
/// - man: fchdir(2)
/// - since: Linux 1.0
/// - ENOTDIR: it is no directory
#[track_caller]
pub fn fchdir(directory: BorrowedFd<'_>, why: &'static str) -> Result<()> {
    perform(call!("fchdir", directory), why, || nix::unistd::fchdir(directory))
}

/// The content of a file that should hold a small text; reading changes nothing.
///
/// # Errors
/// Those of opening and reading, and one of its own when there is more than a megabyte.
pub fn read_small(path: &Path) -> std::io::Result<String> {
    const LARGEST: u64 = 1 << 20;
    // Most are: one read brings them, where an empty buffer would take a dozen small ones.
    let mut text = String::with_capacity(4096);
    let read = File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if read as u64 > LARGEST {
        return Err(std::io::Error::other("more than a megabyte, which is no small file"));
    }
    Ok(text)
}

/// The errno of an error of the standard library, which has one for every call of the kernel.
pub(crate) fn errno_of(error: std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
