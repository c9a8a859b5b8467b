//! Two small layers to look at.

use std::path::{Path, PathBuf};

use primitives::{Result, create, mkdir, step, step_giving, unlink, write};

use crate::apply::Deletions;
use crate::layer::{About, Entry, Kind};
use crate::stack::Place;

// ANCHOR: layers
/// Two layers below `place`, the uppermost first.
pub(crate) fn lay_down(place: &Path) -> Result<Vec<PathBuf>> {
    let (base, app) = (place.join("base"), place.join("app"));
    step("lay down the layers", || {
        mkdir(&base, 0o755, "have a layer at the bottom")?;
        create(&base.join("greeting"), b"hello\n", 0o644, "have a file that will be changed")?;
        create(&base.join("secret"), b"1234\n", 0o600, "have a file that will be deleted")?;
        mkdir(&app, 0o755, "have a layer in the middle")?;
        create(&app.join("program"), b"#!/bin/sh\n", 0o755, "have a file that nobody touches")
    })?;
    Ok(vec![app, base])
}
// ANCHOR_END: layers

// ANCHOR: change
/// What somebody does who knows nothing of layers.
pub(crate) fn change(merged: &Path) -> Result<()> {
    step("change a file", || {
        write(&merged.join("greeting"), "HELLO", "see in which layer the change is written")
    })?;
    step("delete a file", || {
        unlink(&merged.join("secret"), "see how a file is deleted that cannot be touched")
    })?;
    step("add a file", || {
        create(&merged.join("new"), b"new\n", 0o644, "see in which layer it is made")
    })
}
// ANCHOR_END: change

/// Both layers, stacked and changed, in a view of our own.
pub(crate) fn changed_stack() -> Result<Place> {
    crate::view::of_our_own()?;
    let place = Place::empty(&[])?;
    let lowers = lay_down(&place.root)?;
    place.stack(&lowers)?;
    change(&place.merged)?;
    Ok(place)
}

// ANCHOR: target
/// A layer that deletes, changes and adds, and a directory with what it is to be laid over.
pub(crate) fn layer_and_target(deletions: Deletions) -> Result<(Vec<Entry>, PathBuf)> {
    crate::view::of_our_own()?;
    let target = crate::view::empty_place(&[])?.join("directory");
    step_giving("lay down a directory", || {
        mkdir(&target, 0o755, "have a directory for the layer")?;
        if deletions == Deletions::Marked {
            return Ok(());
        }
        create(&target.join("greeting"), b"hello\n", 0o644, "have a file to be replaced")?;
        create(&target.join("secret"), b"1234\n", 0o600, "have a file to be deleted")?;
        mkdir(&target.join("cache"), 0o755, "have a directory to be emptied")?;
        create(&target.join("cache/old"), b"old\n", 0o644, "have something in it")
    })?;
    let file = |content: &[u8]| Kind::File(content.to_vec());
    let mut layer = vec![
        ("cache", 0o755, Kind::Directory),
        ("cache/new", 0o644, file(b"new\n")),
        ("greeting", 0o644, file(b"HELLO\n")),
        ("program", 0o4755, file(b"#!/bin/sh\n")),
        ("run", 0o777, Kind::Symlink("program".into())),
        ("same", 0o644, Kind::HardLink("program".into())),
        ("secret", 0o644, Kind::Whiteout),
    ];
    if deletions == Deletions::Done {
        // In memory no attributes called `user.*` were kept before Linux 6.6, and this is to run
        // everywhere: so no opaque directory in overlayfs's own form.
        layer.insert(1, ("cache", 0o644, Kind::Opaque));
    }
    let entry = |(path, mode, kind): (&str, u32, Kind)| {
        let about = About { mode, ..About::default() };
        Entry { path: path.into(), kind, about }
    };
    Ok((layer.into_iter().map(entry).collect(), target))
}
// ANCHOR_END: target
