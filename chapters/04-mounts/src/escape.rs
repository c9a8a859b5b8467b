//! Is a process that sees a directory as the root locked into it?
//!
//! No. The root says where absolute paths begin and where `..` ends, and nothing else. A directory
//! that was opened before is still open; and a process that stands above its own root never meets
//! it on the way up. Both ways out are known since chroot(2) is there, and it says so itself.

use std::ffi::OsString;
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use primitives::{
    MsFlags, Result, Status, become_program, chdir, chroot, create, fchdir, mkdir, mount_new,
    open_path, step, step_giving,
};

use crate::By;
use crate::inside::{contained, run_inside};

/// What only the outside has.
const SECRET: &str = "/mnt/secret";

/// Locks a process in and lets it walk out, and then, if it is told to, become a program out there.
pub(crate) fn escape(by: By, command: &[OsString]) -> Result<Status> {
    run_inside(contained(), |_| {
        let jail = step_giving("build a jail", build)?;
        match by {
            By::OpenDirectory => by_an_open_directory(&jail)?,
            By::DoubleChroot => by_a_double_chroot(&jail)?,
        }
        let out = look("afterwards:", SECRET);
        match (out, command.is_empty()) {
            (false, _) => Ok(1),
            (true, true) => Ok(0),
            (true, false) => step_giving("become the program", || {
                become_program(command, "run a program that the jail does not have")
            }),
        }
    })
}

// ANCHOR: build
fn build() -> Result<PathBuf> {
    let (place, jail) = (Path::new("/mnt"), PathBuf::from("/mnt/jail"));
    let why = "have a place that leaves nothing behind";
    mount_new("place", place, "tmpfs", MsFlags::empty(), Some("mode=0755"), why)?;
    let secret = b"the key is under the mat\n";
    create(Path::new(SECRET), secret, 0o600, "have something that only the outside has")?;
    mkdir(&jail, 0o755, "have a directory to lock it into")?;
    Ok(jail)
}

/// Not to be left out: the attack would happen to the machine's own root.
fn lock_in(jail: &Path) -> Result<()> {
    step_giving("lock it in", || {
        chroot(jail, "let absolute paths begin in the jail")?;
        chdir(Path::new("/"), "let relative paths begin in the jail")
    })?;
    look("in the jail:", SECRET);
    Ok(())
}
// ANCHOR_END: build

// ANCHOR: open_directory
fn by_an_open_directory(jail: &Path) -> Result<()> {
    let why = "have a hold on the outside, as a program that was careless has";
    let outside = step_giving("open a directory", || open_path(Path::new("/"), why))?;
    lock_in(jail)?;
    step("walk out", || {
        use std::os::fd::AsFd;
        fchdir(outside.as_fd(), "stand outside: a descriptor asks no path, so no root is met")
    })?;
    look("walked out:", SECRET.trim_start_matches('/'));
    take_the_root_back()
}
// ANCHOR_END: open_directory

// ANCHOR: double_chroot
fn by_a_double_chroot(jail: &Path) -> Result<()> {
    lock_in(jail)?;
    step("make a jail in the jail", || {
        let inner = Path::new("/inner");
        mkdir(inner, 0o755, "have a directory below the one where we stand")?;
        chroot(inner, "have the root below us, and stay where we are")
    })?;
    step("climb", || {
        while !at_the_top()? {
            chdir(Path::new(".."), "go up: the root that would stop us is not on the way")?;
        }
        Ok(())
    })?;
    take_the_root_back()
}

fn take_the_root_back() -> Result<()> {
    step("take the root back", || chroot(Path::new("."), "let absolute paths begin out here again"))
}
// ANCHOR_END: double_chroot

/// Whether the directory above is this one, as only that of the whole tree is.
fn at_the_top() -> Result<bool> {
    let which = |path: &str| {
        let found = fs::metadata(path).map(|is| (is.st_dev(), is.st_ino()));
        found.map_err(|e| primitives::Error::Unusable(format!("{path} cannot be looked at: {e}")))
    };
    Ok(which(".")? == which("..")?)
}

/// Says what is found at a path, and whether anything is.
fn look(when: &str, path: &str) -> bool {
    let found = fs::read_to_string(path);
    match &found {
        Ok(text) => println!("{when:<13}{path} says: {}", text.trim_end()),
        Err(_) => println!("{when:<13}there is no {path}"),
    }
    found.is_ok()
}
