//! Requests that clean up.
//!
//! They are written down as any other, but nobody can refuse them, and they work on in a process
//! whose watcher was killed: what is left behind would be the reader's to find.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::mount::MntFlags;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::args::{ToArg, Word};
use crate::call;
use crate::durable::lock;
use crate::error::Result;
use crate::files::{rmdir_raw, write_once};
use crate::gate::rescue;

/// As [`crate::rmdir`], to clean up.
///
/// # Errors
/// The errno of the kernel.
#[track_caller]
pub fn rmdir(path: &(impl AsRef<Path> + ToArg + ?Sized), why: &'static str) -> Result<()> {
    rescue(call!("rmdir", path), why, || rmdir_raw(path.as_ref()))
}

/// As [`crate::unlink`], to clean up.
///
/// # Errors
/// The errno of the kernel.
#[track_caller]
pub fn unlink(path: &Path, why: &'static str) -> Result<()> {
    rescue(call!("unlink", path), why, || nix::unistd::unlink(path))
}

/// As [`crate::lock_file`], to clean up what the file is about; it is not made where it is missing.
///
/// # Errors
/// The errno of the kernel.
#[track_caller]
pub fn lock_file(path: &Path, why: &'static str) -> Result<OwnedFd> {
    let call = call!("fcntl" as "lock_file", path, Word("F_SETLK"), Word("F_WRLCK"));
    rescue(call, why, || lock(path, false))
}

/// As [`crate::setsid`], for a process that is there to clean up: a Ctrl-C must not reach it, nor the
/// end of whoever watches.
///
/// # Errors
/// The errno of the kernel.
#[track_caller]
pub fn setsid(why: &'static str) -> Result<Pid> {
    rescue(call!("setsid"), why, nix::unistd::setsid)
}

/// As [`crate::umount`], to clean up.
///
/// # Errors
/// The errno of the kernel.
#[track_caller]
pub fn umount(target: &Path, flags: MntFlags, why: &'static str) -> Result<()> {
    rescue(call!("umount2" as "umount", target, flags), why, || nix::mount::umount2(target, flags))
}

/// As [`crate::kill`], to clean up.
///
/// # Errors
/// The errno of the kernel.
#[track_caller]
pub fn kill(pid: Pid, signal: Signal, why: &'static str) -> Result<()> {
    rescue(call!("kill", pid, signal), why, || nix::sys::signal::kill(pid, signal))
}

/// As [`crate::write`], to clean up.
///
/// # Errors
/// The errno of the kernel.
#[track_caller]
pub fn write(
    path: &(impl AsRef<Path> + ToArg + ?Sized),
    text: &str,
    why: &'static str,
) -> Result<()> {
    rescue(call!("write", path, text), why, || write_once(path.as_ref(), text.as_bytes()))
}
