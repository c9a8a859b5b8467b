//! What of a layout does nobody need?

use std::collections::BTreeSet;
use std::path::Path;

use primitives::{Result, Status, step, unlink};

use crate::blob::Digest;
use crate::layout::Layout;
use crate::listing::given_or_made;
use crate::model::{Descriptor, INDEX, Index, Manifest};

/// Deletes the blobs to which no way leads from a name.
pub(crate) fn run(layout: Option<&Path>) -> Result<Status> {
    let made = layout.is_none();
    let layout = given_or_made(layout)?;
    if made {
        // The image loses its name, and with it everything that only it needs.
        let mut index = layout.index()?;
        index.manifests.pop();
        layout.write_index(&index)?;
    }
    let unused = unused(&layout)?;
    if !unused.is_empty() {
        step("delete what nobody needs", || {
            unused.iter().try_for_each(|digest| {
                unlink(&layout.blob(digest), "have the room for something else")
            })
        })?;
    }
    println!("{} blobs deleted, {} left", unused.len(), layout.blobs()?.len());
    Ok(Status::Exited(0))
}

// ANCHOR: unused
/// First everything that can be reached is marked, and what then has no mark is unused. An image that
/// cannot be read stops it: who does not know what is needed must not delete.
fn unused(layout: &Layout) -> Result<Vec<Digest>> {
    let mut needed = BTreeSet::new();
    for image in layout.index()?.manifests {
        mark(layout, &image, &mut needed)?;
    }
    let there = layout.blobs()?;
    Ok(there.into_iter().filter(|digest| !needed.contains(digest)).collect())
}

fn mark(layout: &Layout, it: &Descriptor, needed: &mut BTreeSet<Digest>) -> Result<()> {
    needed.insert(it.digest.clone());
    if it.media_type == INDEX {
        let index: Index = layout.read("index", it)?;
        return index.manifests.iter().try_for_each(|it| mark(layout, it, needed));
    }
    let manifest: Manifest = layout.read("manifest", it)?;
    needed.insert(manifest.config.digest);
    needed.extend(manifest.layers.into_iter().map(|layer| layer.digest));
    Ok(())
}
// ANCHOR_END: unused
