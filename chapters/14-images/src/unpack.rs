//! How does an image become a tree of files?
//!
//! By following digests from its name to its layers, and laying these over each other from the lowest up.
//! Each name of a layer is looked up from a descriptor of the tree, as if that were the root of all.

mod laying;

use std::path::Path;

use primitives::{Error, Result, Status, mkdir, step_giving};

use crate::blob::Digest;
use crate::compression::{Compression, MOST};
use crate::entry::{self, Entry};
use crate::layout::Layout;
use crate::model::{Config, Descriptor, Manifest};
use crate::{Unpack, sample, view};

pub(crate) use laying::{lay, lay_carelessly};

/// Unpacks an image, or one that is made for it.
pub(crate) fn run(wanted: &Unpack) -> Result<Status> {
    let (layout, target) = match (&wanted.layout, &wanted.target) {
        (Some(layout), Some(target)) => {
            view::be_root()?;
            (Layout::open(layout)?, target.clone())
        }
        _ => {
            let place = view::empty_place()?;
            (sample::layout(&place.join("layout"))?, place.join("root"))
        }
    };
    let manifest = layout.find(wanted.name.as_deref(), &wanted.platform)?;
    unpack(&layout, &manifest, &target)?;
    if wanted.layout.is_none() {
        sample::print_tree(&target);
    }
    Ok(Status::Exited(0))
}

// ANCHOR: unpack
/// Unpacks an image into a new directory. Every blob is checked before anybody reads it, every layer once
/// more when it is expanded, and all of that before the first file is made.
pub(crate) fn unpack(layout: &Layout, image: &Descriptor, target: &Path) -> Result<()> {
    let manifest: Manifest = layout.read("manifest", image)?;
    let config: Config = layout.read("config", &manifest.config)?;
    let layers = both(&manifest.layers, &config.rootfs.diff_ids)?;
    let layers = layers.map(|(layer, diff_id)| open(layout, layer, diff_id));
    let layers: Vec<_> = layers.collect::<Result<_>>()?;
    step_giving("make the root", || mkdir(target, 0o755, "have a place for the tree"))?;
    layers.iter().try_for_each(|entries| lay(entries, target))
}
// ANCHOR_END: unpack

/// The layers with the names that they have when they are expanded.
fn both<'a>(
    layers: &'a [Descriptor],
    diff_ids: &'a [Digest],
) -> Result<impl Iterator<Item = (&'a Descriptor, &'a Digest)>> {
    let (here, there) = (layers.len(), diff_ids.len());
    match here == there {
        true => Ok(layers.iter().zip(diff_ids)),
        false => Err(Error::Unusable(format!(
            "the manifest has {here} layers, and the config knows of {there}"
        ))),
    }
}

// ANCHOR: open
/// The entries of a layer. Expanded it has another name, and that one must be right too: who has checked
/// only one of both does not know whether they are the same layer.
fn open(layout: &Layout, layer: &Descriptor, diff_id: &Digest) -> Result<Vec<Entry>> {
    let blob = layout.get(layer)?;
    let plain = Compression::of(&layer.media_type)?.expand(&blob, MOST)?;
    let found = Digest::of(&plain);
    if found != *diff_id {
        return Err(Error::Unusable(format!(
            "expanded, the layer is {} and not {}, as the config says",
            found.short(),
            diff_id.short()
        )));
    }
    let entries = entry::read(plain)?;
    entry::check(&entries)?;
    Ok(entries)
}
// ANCHOR_END: open
