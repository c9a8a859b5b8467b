//! What is in a layout, and what is an image made of?

use std::path::Path;

use primitives::{Result, Status};

use crate::layout::Layout;
use crate::model::{Config, Descriptor, Manifest, REF_NAME};
use crate::{sample, view};

/// A layout that is there, or one that is made.
pub(crate) fn given_or_made(layout: Option<&Path>) -> Result<Layout> {
    match layout {
        Some(layout) => Layout::open(layout),
        None => sample::layout(&view::empty_place()?.join("layout")),
    }
}

/// Lists the names.
pub(crate) fn ls(layout: Option<&Path>) -> Result<Status> {
    for image in given_or_made(layout)?.index()?.manifests {
        let name = image.annotations.get(REF_NAME).map_or("(no name)", String::as_str);
        println!("{name:<12} {}  {}", image.digest.short(), image.media_type);
    }
    Ok(Status::Exited(0))
}

/// Shows what an image is made of.
pub(crate) fn inspect(layout: Option<&Path>, name: Option<&str>, platform: &str) -> Result<Status> {
    let layout = given_or_made(layout)?;
    let manifest = layout.find(name, platform)?;
    print(&layout, &manifest)?;
    Ok(Status::Exited(0))
}

// ANCHOR: print
/// Follows the digests from a manifest down. What does not have its name is not shown.
pub(crate) fn print(layout: &Layout, image: &Descriptor) -> Result<()> {
    let manifest: Manifest = layout.read("manifest", image)?;
    line("manifest", image);
    let config: Config = layout.read("config", &manifest.config)?;
    line("  config", &manifest.config);
    println!("    runs   {}", config.config.cmd.unwrap_or_default().join(" "));
    for (layer, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
        layout.get(layer)?;
        line("  layer", layer);
        println!("    plain  {}", diff_id.short());
    }
    Ok(())
}
// ANCHOR_END: print

fn line(what: &str, it: &Descriptor) {
    println!("{what:<10} {}  {:>5} bytes, as promised", it.digest.short(), it.size);
}
