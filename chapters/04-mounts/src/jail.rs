//! What does `chroot ROOTFS CMD` do?

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use primitives::{Result, Status, become_program, chdir, chroot, step, step_giving};
use rootfs::Source;

use crate::inside::{empty_place, of_ones_own, run_inside};
use crate::propagation::make_private;

// ANCHOR: chroot
/// Runs a program that sees a directory as the root.
pub(crate) fn chroot_and_run(root: Option<&Path>, command: &[OsString]) -> Result<Status> {
    run_inside(of_ones_own(), |_| {
        // Not to be left out: what follows would happen to the machine.
        step_giving("make private", make_private)?;
        let root = root.map_or_else(make_root, |root| Ok(root.to_path_buf()))?;
        step("see it as the root", || chroot(&root, "let absolute paths begin in there"))?;
        step("enter it", || {
            chdir(Path::new("/"), "let relative paths begin in there too, and not outside")
        })?;
        step_giving("become the program", || become_program(command, "run what was asked for"))
    })
}
// ANCHOR_END: chroot

/// A root file system for who brings none.
fn make_root() -> Result<PathBuf> {
    let place = empty_place()?;
    step("fill it", || rootfs::make(&place, &Source::Machine))?;
    Ok(place)
}
