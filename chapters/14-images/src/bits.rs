//! What happens to an image of which one bit is wrong?

use std::path::Path;

use clap::ValueEnum;
use primitives::{Result, Status, create, mkdir, step_giving, unlink};

use crate::layout::Layout;
use crate::model::{Descriptor, Manifest, read};
use crate::unpack::{lay, unpack};
use crate::{entry, sample, view};

/// Of what a bit is flipped.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Of {
    /// A layer that is not compressed
    Layer,
    /// The config
    Config,
    /// The manifest
    Manifest,
}

// ANCHOR: flip
/// Makes an image, flips one bit of it, and unpacks it.
pub(crate) fn flip(of: Of, trust_blobs: bool) -> Result<Status> {
    let place = view::empty_place()?;
    let layout = sample::plain_layout(&place.join("layout"))?;
    let image = layout.find(None, &sample::platform())?;
    let manifest: Manifest = layout.read("manifest", &image)?;
    let victim = match of {
        Of::Layer => manifest.layers[0].clone(),
        Of::Config => manifest.config.clone(),
        Of::Manifest => image.clone(),
    };
    spoil(&layout, &victim)?;
    let target = place.join("root");
    match trust_blobs {
        false => unpack(&layout, &image, &target)?,
        true => believe(&layout, &image, &target)?,
    }
    sample::print_tree(&target);
    Ok(Status::Exited(0))
}
// ANCHOR_END: flip

fn spoil(layout: &Layout, victim: &Descriptor) -> Result<()> {
    let mut bytes = layout.get(victim)?;
    // In the text of a file: the archive and the JSON around it stay what they are.
    let place = bytes.windows(5).position(|text| text == b"hello" || text == b"amd64");
    let place = place.unwrap_or(bytes.len() / 2);
    bytes[place] ^= 1;
    let path = layout.blob(&victim.digest);
    step_giving("flip a bit", || {
        unlink(&path, "put another file in its place")?;
        create(&path, &bytes, 0o644, "have the same blob, but for one bit")
    })
}

// ANCHOR: believe
/// Unpacks what is there, whatever it is.
fn believe(layout: &Layout, image: &Descriptor, target: &Path) -> Result<()> {
    let manifest: Manifest = read("manifest", &layout.get_unchecked(image)?)?;
    step_giving("make the root", || mkdir(target, 0o755, "have a place for the tree"))?;
    for layer in &manifest.layers {
        let entries = entry::read(layout.get_unchecked(layer)?)?;
        lay(&entries, target)?;
    }
    Ok(())
}
// ANCHOR_END: believe
