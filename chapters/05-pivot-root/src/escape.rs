//! Can a process walk out of a directory that was made its root?
//!
//! Out of a `chroot`, yes: the tree of mounts is the same as before, so there is an outside, and
//! what keeps a process in is one directory that it must not stand above. After `pivot_root` there is
//! no above. The attacks are those of chapter 4, and each is tried on both.

use std::fs;
use std::os::fd::AsFd;
use std::os::linux::fs::MetadataExt;
use std::path::Path;

use primitives::{
    MntFlags, MsFlags, Result, Status, chdir, chroot, create, fchdir, mkdir, mount_bind, mount_new,
    open_path, pivot_root, step_giving, umount,
};

use crate::inside::{contained, run_inside};
use crate::{By, Lock};

const PLACE: &str = "/mnt";
const JAIL: &str = "/mnt/jail";
/// What only the outside has.
const SECRET: &str = "/mnt/secret";

/// Locks a process in and lets it try; ends with 0 when it got out, and with 1 when it did not.
pub(crate) fn escape(by: By, from: Lock) -> Result<Status> {
    run_inside(contained(), |_| {
        step_giving("build a jail", build)?;
        step_giving("lock it in", || lock(from))?;
        look("in the jail:");
        match by {
            By::OpenDirectory => by_an_open_directory()?,
            By::DoubleChroot => by_a_double_chroot()?,
        }
        step_giving("climb", climb)?;
        step_giving("take the root", || chroot(Path::new("."), "see all that is to be seen here"))?;
        Ok(u8::from(!look("afterwards:")))
    })
}

fn build() -> Result<()> {
    let why = "have a place that leaves nothing behind";
    mount_new("place", Path::new(PLACE), "tmpfs", MsFlags::empty(), Some("mode=0755"), why)?;
    let secret = b"the key is under the mat\n";
    create(Path::new(SECRET), secret, 0o600, "have something that only the outside has")?;
    mkdir(Path::new(JAIL), 0o755, "have a directory to lock it into")
}

// ANCHOR: lock
fn lock(from: Lock) -> Result<()> {
    let (jail, here) = (Path::new(JAIL), Path::new("."));
    if let Lock::Chroot = from {
        chroot(jail, "let absolute paths begin in the jail")?;
        return chdir(Path::new("/"), "let relative paths begin in the jail");
    }
    mount_bind(jail, jail, "have a mount there: only a mount can be the root")?;
    chdir(jail, "call it \".\" from now on")?;
    pivot_root(here, here, "have it as the root of all paths")?;
    umount(here, MntFlags::MNT_DETACH, "have nothing left that one could walk back to")
}
// ANCHOR_END: lock

// ANCHOR: attacks
fn by_an_open_directory() -> Result<()> {
    let outer = step_giving("open a directory", || {
        open_path(Path::new("/"), "have a hold on a directory above the next root")
    })?;
    step_giving("lock itself in deeper", || {
        deeper()?;
        chdir(Path::new("/"), "stand in it, as an honest program would")
    })?;
    step_giving("step out", || {
        fchdir(outer.as_fd(), "stand above the root: a descriptor asks no path")
    })
}

fn by_a_double_chroot() -> Result<()> {
    step_giving("lock itself in deeper", deeper)
}

fn deeper() -> Result<()> {
    let inner = Path::new("/inner");
    mkdir(inner, 0o755, "have a directory below the one where we stand")?;
    chroot(inner, "have the root below us, where it stops nobody on the way up")
}

fn climb() -> Result<()> {
    loop {
        chdir(Path::new(".."), "go up: the root that would stop us is not on the way")?;
        if at_the_top()? {
            return Ok(());
        }
    }
}
// ANCHOR_END: attacks

/// Whether the directory above is this one, as only that of the whole tree is.
fn at_the_top() -> Result<bool> {
    let which = |path: &str| {
        let found = fs::metadata(path).map(|is| (is.st_dev(), is.st_ino()));
        found.map_err(|e| primitives::Error::Unusable(format!("{path} cannot be looked at: {e}")))
    };
    Ok(which(".")? == which("..")?)
}

/// Says whether the secret is to be seen.
fn look(when: &str) -> bool {
    let found = fs::read_to_string(SECRET);
    match &found {
        Ok(text) => println!("{when:<13}{SECRET} says: {}", text.trim_end()),
        Err(_) => println!("{when:<13}there is no {SECRET}"),
    }
    found.is_ok()
}
