//! What is an image made of, and how does it become a tree again?

use primitives::{Result, Status};

use crate::compression::Compression;
use crate::layout::Layout;
use crate::pack::{layer, pack};
use crate::unpack::unpack;
use crate::{listing, sample, view};

// ANCHOR: demonstration
/// Packs a tree, looks at the image, and unpacks it.
pub(crate) fn there_and_back() -> Result<Status> {
    let place = view::empty_place()?;
    let (tree, root) = (place.join("tree"), place.join("root"));
    sample::tree(&tree)?;
    let layout = Layout::make(&place.join("layout"))?;
    let image = pack(&layout, &[layer(&tree)?], Compression::Gzip)?;
    layout.name("greeter", image)?;

    let image = layout.find(Some("greeter"), &sample::platform())?;
    listing::print(&layout, &image)?;
    unpack(&layout, &image, &root)?;
    sample::print_tree(&root);
    Ok(Status::Exited(0))
}
// ANCHOR_END: demonstration
