//! How is a directory seen at a second place, and why does it take two calls to see it read-only?

use std::fs;
use std::path::Path;

use primitives::{
    Error, MsFlags, Result, Status, become_program, mount_bind, mount_remount, step, step_giving,
};

use crate::Bind;
use crate::inside::{of_ones_own, run_inside};
use crate::mountinfo::{Mount, mounts_of};
use crate::propagation::make_private;

// ANCHOR: bind
/// Runs a program that sees the directory at a second place.
pub(crate) fn bind(wanted: &Bind) -> Result<Status> {
    run_inside(of_ones_own(), |_| {
        // Not to be left out: what follows would happen to the machine.
        step_giving("make private", make_private)?;
        step("bind it", || {
            mount_bind(&wanted.from, &wanted.to, "see the same files at a second place")
        })?;
        if wanted.read_only {
            step("make it read-only", || make_read_only(&wanted.to))?;
        }
        step_giving("become the program", || {
            become_program(&wanted.command, "run what was asked for")
        })
    })
}

/// The second call replaces all options of the mount. Those which were there before must be named
/// again, or the kernel takes it for an attempt to get rid of them.
fn make_read_only(place: &Path) -> Result<()> {
    let options = MsFlags::MS_RDONLY | kept(&mount_at(place)?);
    mount_remount(place, options, "refuse to write here, whoever the files belong to")
}
// ANCHOR_END: bind

/// The mount on top of a place.
fn mount_at(place: &Path) -> Result<Mount> {
    let missing = |what: String| Error::Unusable(format!("{}: {what}", place.display()));
    let absolute = fs::canonicalize(place).map_err(|e| missing(e.to_string()))?;
    let topmost = mounts_of(None)?.into_iter().rev().find(|mount| mount.place == absolute);
    topmost.ok_or_else(|| missing("nothing is mounted there, so nothing can be changed".into()))
}

fn kept(mount: &Mount) -> MsFlags {
    let flags = [
        ("nosuid", MsFlags::MS_NOSUID),
        ("nodev", MsFlags::MS_NODEV),
        ("noexec", MsFlags::MS_NOEXEC),
    ];
    let set = flags.into_iter().filter(|(name, _)| mount.has_option(name));
    set.map(|(_, flag)| flag).collect()
}
