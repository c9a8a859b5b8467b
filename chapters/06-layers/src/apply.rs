//! How is a layer laid over a directory, when nobody knows who made it?
//!
//! In a process whose root is that directory. There is no name, link or path by which it could reach
//! anything else, whatever the layer says: what is outside has no name in there.

use std::fs;
use std::path::Path;

use primitives::{
    Birth, Error, MntFlags, Result, Signal, Status, ToParent, chdir, mount_bind, pivot_root, spawn,
    step, step_giving, umount,
};

use crate::layer::{Entry, check_names};
use crate::{Apply, archive, sample, view};

mod laying;

/// What a layer's deletions become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletions {
    /// The files are deleted: the directory is the layers below.
    Done,
    /// They are written down as overlayfs does: the directory is a layer itself.
    Marked,
}

/// Lays a layer over a directory.
pub(crate) fn run(wanted: &Apply) -> Result<Status> {
    let deletions = if wanted.overlay { Deletions::Marked } else { Deletions::Done };
    let (layer, target) = match (&wanted.layer, &wanted.target) {
        (Some(layer), Some(target)) => (read(layer)?, target.clone()),
        _ => sample::layer_and_target(deletions)?,
    };
    if !wanted.trust_names {
        check_names(&layer)?;
    }
    let status = apply(&layer, &target, deletions)?;
    if wanted.layer.is_none() {
        list(&target)?;
    }
    Ok(status)
}

/// Prints what is in a directory now. The sample is dated at the beginning of time.
fn list(directory: &Path) -> Result<()> {
    for entry in crate::upper::entries(directory)? {
        let about = &entry.about;
        let dated = if about.mtime.seconds == 0 { "dated by the layer" } else { "dated now" };
        let said = crate::diff::said(&entry);
        println!("{:04o}, {dated}: {}  ({said})", about.mode, entry.path.display());
    }
    Ok(())
}

fn read(layer: &Path) -> Result<Vec<Entry>> {
    let bytes = fs::read(layer)
        .map_err(|error| Error::Unusable(format!("{} cannot be read: {error}", layer.display())))?;
    archive::read(&bytes)
}

/// Lays entries over a directory, in a child that sees nothing but that directory.
pub(crate) fn apply(layer: &[Entry], target: &Path, deletions: Deletions) -> Result<Status> {
    let target = target.canonicalize().map_err(|error| {
        Error::Unusable(format!("{} cannot be entered: {error}", target.display()))
    })?;
    let child = step_giving("make a child", || {
        let why = "have a process that can lose sight of everything else";
        spawn("child", Birth::default(), why, |parent| {
            let opaque = shut_in(parent, &target)?;
            laying::lay(layer, deletions, &opaque)
        })
    })?;
    step_giving("take its status", || child.finish("know that the layer is there"))
}

// ANCHOR: apply
/// Leaves everything but the directory. Returns the name of the attribute that makes a directory
/// opaque, because in there nobody can look any more who we are.
fn shut_in(parent: &ToParent, target: &Path) -> Result<String> {
    step("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end when the one that watches over it ends")
    })?;
    view::of_our_own()?;
    let opaque = view::overlay_attribute("opaque");
    step_giving("stand in the directory", || chdir(target, "lay the layer there"))?;
    step("enter the layer", || {
        mount_bind(target, target, "have a mount that can become the root")?;
        chdir(target, "stand on that mount, and not below it")?;
        pivot_root(Path::new("."), Path::new("."), "have no name for anything outside")?;
        umount(Path::new("."), MntFlags::MNT_DETACH, "let go of what is outside")
    })?;
    Ok(opaque)
}
// ANCHOR_END: apply
