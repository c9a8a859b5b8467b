//! Where does the program start?
//!
//! Where the configuration says; but the configuration may say `/proc/self/fd/7`, and that is wherever
//! somebody has forgotten a directory (CVE-2024-21626). So the process looks where it is.

use std::path::Path;

use bundle::Process;
use primitives::{Result, chdir, current_directory, step};

use crate::create::Guard;
use crate::unusable;

// ANCHOR: cwd
/// Goes to the working directory, and sees whether that is inside.
pub(crate) fn go(process: &Process, guard: Guard) -> Result<()> {
    step("go to the working directory", || {
        chdir(&process.cwd, "start in the directory that the configuration names")
    })?;
    match guard {
        Guard::On => look_around(&process.cwd),
        Guard::Off => Ok(()),
    }
}

fn look_around(asked: &Path) -> Result<()> {
    // Of a directory that is not below the root the kernel gives no path that begins with "/".
    match current_directory() {
        Ok(here) if here.is_absolute() => Ok(()),
        _ => Err(unusable(format!("the working directory {asked:?} lies outside of the root"))),
    }
}
// ANCHOR_END: cwd
