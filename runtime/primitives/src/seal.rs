//! How does a program keep those that it enters from writing over it?
//!
//! Who is in the same pid namespace can reach the file of a running program by `/proc/PID/exe`, and a
//! container may even run it again by that name (CVE-2019-5736). So a program that goes into containers
//! runs from a mount of its own file that nobody can write to: a copy of the mount, not of the file.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mount::MountAttrFlags;

use crate::args::Word;
use crate::call;
use crate::copying::pour;
use crate::error::{Error, Result};
use crate::files::errno_of;
use crate::gate::{ask_first, perform, step_giving};
use crate::mount::Recursive;
use crate::mount_tree::{MountChange, mount_setattr_to, open_tree_copy};
use crate::process::from_rustix;
use crate::window;

const EXE: &str = "/proc/self/exe";
/// Says to the program that it is run again, so that it goes on with a trace that was begun.
const AGAIN: &str = "PORTHOLE_SEALED";

/// Sees to it that this program's file cannot be written to by way of this process; where it can be, the
/// program begins anew from a mount that is read-only. Does nothing where the file is no more
/// writable for who would get hold of it than it is for everybody.
///
/// # Errors
/// Neither a read-only mount nor a sealed copy can be had.
pub fn seal_own_program() -> Result<()> {
    if std::env::var_os(AGAIN).is_some() || is_sealed() || !is_writable() {
        return Ok(());
    }
    // Another part than the one that the program plays when it is run again, where all is counted anew.
    window::play("unsealed");
    match step_giving("seal the runtime", run_sealed)? {}
}

/// Whether this process was begun anew by [`seal_own_program`].
pub(crate) fn is_run_again() -> bool {
    std::env::var_os(AGAIN).is_some()
}

fn is_sealed() -> bool {
    let Ok(file) = File::open(EXE) else { return false };
    let readonly = rustix::fs::fstatvfs(&file)
        .is_ok_and(|stat| stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    readonly
        || rustix::fs::fcntl_get_seals(&file).is_ok_and(|seals| seals.contains(SealFlags::WRITE))
}

/// A file that this user cannot write to cannot be written to by a container of this user either.
fn is_writable() -> bool {
    let options = nix::unistd::AccessFlags::W_OK;
    let access = nix::unistd::eaccess(Path::new(EXE), options);
    // Its text is in use, which is not for ever.
    matches!(access, Ok(()) | Err(Errno::ETXTBSY))
}

fn run_sealed() -> Result<Infallible> {
    let why = "have a mount of this program alone";
    let tree = match open_tree_copy(Path::new(EXE), Recursive::No, why) {
        // Whoever may make no mounts gives a copy away.
        Err(Error::Request(refusal)) if !refusal.here && refusal.errno == Errno::EPERM => {
            let copy = copy_sealed("give the containers a copy that nobody can write to")?;
            return execveat(copy.as_fd(), "run from the copy");
        }
        other => other?,
    };
    let change = MountChange { set: MountAttrFlags::MOUNT_ATTR_RDONLY, ..Default::default() };
    let why = "let nobody write to it who comes by this process";
    mount_setattr_to(tree.as_fd(), change, Recursive::No, why)?;
    execveat(tree.as_fd(), "run from there, out of reach for the containers")
}

/// Copies this program's file into memory and forbids every change of it.
///
/// - man: memfd_create(2), F_ADD_SEALS in fcntl_sealing(2)
/// - since: Linux 3.17
/// - ENOMEM: there is no memory for a copy
#[track_caller]
pub fn copy_sealed(why: &'static str) -> Result<OwnedFd> {
    let flags = Word("MFD_CLOEXEC|MFD_ALLOW_SEALING");
    perform(call!("memfd_create" as "copy_sealed", "runtime", flags), why, || {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let copy = rustix::fs::memfd_create("runtime", flags).map_err(from_rustix)?;
        let copy = File::from(copy);
        pour(&File::open(EXE).map_err(errno_of)?, &copy).map_err(errno_of)?;
        let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&copy, all).map_err(from_rustix)?;
        Ok(OwnedFd::from(copy))
    })
}

/// Runs an open program file with this process's own arguments and environment, and the mark.
///
/// - man: execveat(2)
/// - since: Linux 3.19
/// - EACCES: the file lies on a mount with noexec
#[track_caller]
pub fn execveat(program: BorrowedFd<'_>, why: &'static str) -> Result<Infallible> {
    let caller = std::panic::Location::caller();
    let call = call!(
        "execveat" as "execveat",
        program,
        "",
        Word("argv"),
        Word("environ"),
        Word("AT_EMPTY_PATH")
    );
    let asked = ask_first(call, why, caller)?;
    let words: Vec<OsString> = std::env::args_os().collect();
    let mut environment = crate::program::own_environment();
    environment.push(format!("{AGAIN}=1").into());
    let text = |word: OsString| CString::new(word.into_vec()).map_err(|_| Errno::EINVAL);
    let list = |words: Vec<OsString>| -> std::result::Result<Vec<CString>, Errno> {
        words.into_iter().map(text).collect()
    };
    let (words, environment) = match (list(words), list(environment)) {
        (Ok(words), Ok(environment)) => (words, environment),
        (Err(errno), _) | (_, Err(errno)) => return Err(asked.failed(errno)),
    };
    asked.record.iter().cloned().for_each(window::report);
    let flags = nix::fcntl::AtFlags::AT_EMPTY_PATH;
    let refused = nix::unistd::execveat(program, c"", &words, &environment, flags);
    Err(asked.failed(refused.err().unwrap_or(Errno::EINVAL)))
}
