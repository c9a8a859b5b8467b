//! Copying files from one open directory into another, which may not have a path at all.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{Dir, FileType, Mode, OFlags};

use crate::args::{Word, octal};
use crate::call;
use crate::error::Result;
use crate::files::errno_of;
use crate::gate::perform;
use crate::process::from_rustix;

/// Makes a file in an open directory with the content of one of the same name in another. What is
/// read must be an ordinary file; a symbolic link is not followed.
///
/// - man: open(2), read(2), write(2)
/// - since: Linux 2.6.16
/// - ELOOP: there is a symbolic link in the place of the file
/// - EINVAL: it is no ordinary file
/// - EEXIST: there is something of this name already
/// - ENOSPC: the file system is full
#[track_caller]
pub fn copy_file_at(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &Path,
    mode: u32,
    why: &'static str,
) -> Result<()> {
    let shown = Word("O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC");
    perform(call!("openat" as "copy_file_at", to, name, shown, octal(mode)), why, || {
        let itself = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // A named pipe in its place must not hold us up.
        let read = OFlags::RDONLY | OFlags::NONBLOCK | itself;
        let old = rustix::fs::openat(from, name, read, Mode::empty()).map_err(from_rustix)?;
        let is = rustix::fs::fstat(&old).map_err(from_rustix)?;
        if FileType::from_raw_mode(is.st_mode) != FileType::RegularFile {
            return Err(Errno::EINVAL);
        }
        let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | itself;
        let mode = Mode::from_raw_mode(mode);
        let new = rustix::fs::openat(to, name, write, mode).map_err(from_rustix)?;
        pour(&File::from(old), &File::from(new)).map_err(errno_of)
    })
}

/// Writes all that is in one file into another.
pub(crate) fn pour(mut from: &File, mut to: &File) -> std::io::Result<()> {
    let mut some = vec![0; 1 << 16];
    loop {
        match from.read(&mut some)? {
            0 => return Ok(()),
            length => to.write_all(&some[..length])?,
        }
    }
}

/// Changes the permission bits of a file in an open directory. It must be no symbolic link.
///
/// - man: fchmodat(2), chmod(2)
/// - since: Linux 2.6.16
/// - EPERM: the file belongs to another user
#[track_caller]
pub fn fchmodat(
    directory: BorrowedFd<'_>,
    name: &Path,
    mode: u32,
    why: &'static str,
) -> Result<()> {
    perform(call!("fchmodat", directory, name, octal(mode)), why, || {
        let (mode, flags) = (Mode::from_raw_mode(mode), rustix::fs::AtFlags::empty());
        rustix::fs::chmodat(directory, name, mode, flags).map_err(from_rustix)
    })
}

/// The names in an open directory, but for `.` and `..`. Reading changes nothing.
///
/// # Errors
/// Those of opening and reading it.
pub fn names_in(directory: BorrowedFd<'_>) -> std::io::Result<Vec<OsString>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::openat(directory, c".", flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::new(open)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    Ok(names)
}
