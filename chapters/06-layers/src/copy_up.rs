//! What does one changed byte cost?

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use primitives::{Result, Status, create, mkdir, step, write};

use crate::stack::Place;
use crate::view;

const SIZE: usize = 8 << 20;

// ANCHOR: measure
/// Changes one byte of a big file, and counts what the upper layer holds before and after.
pub(crate) fn measure() -> Result<Status> {
    view::of_our_own()?;
    let place = Place::empty(&[])?;
    let lower = place.root.join("lower");
    step("lay down a big file", || {
        mkdir(&lower, 0o755, "have a layer below")?;
        create(&lower.join("big"), &vec![b'a'; SIZE], 0o644, "have much to copy")
    })?;
    place.stack(std::slice::from_ref(&lower))?;
    println!("lower, the whole file: {} bytes", held(&lower));
    println!("upper, before:         {} bytes", held(&place.upper));
    step("change one byte", || {
        write(&place.merged.join("big"), "b", "see how much is written for it")
    })?;
    println!("upper, after:          {} bytes", held(&place.upper));
    Ok(Status::Exited(0))
}
// ANCHOR_END: measure

/// What the file takes in this layer, as its file system counts, in blocks of 512 bytes.
fn held(layer: &Path) -> u64 {
    layer.join("big").metadata().map_or(0, |metadata| metadata.blocks() * 512)
}
