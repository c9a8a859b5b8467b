//! What does overlayfs do when a file is changed, and when one is deleted?

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use primitives::{Result, Status};

use crate::sample;

// ANCHOR: demonstration
/// Stacks three layers, changes what is seen, and looks at what lies where.
pub(crate) fn three_layers() -> Result<Status> {
    let place = sample::changed_stack()?;
    for layer in ["merged", "upper", "app", "base"] {
        println!("{layer}:");
        list(&place.root.join(layer));
    }
    Ok(Status::Exited(0))
}
// ANCHOR_END: demonstration

fn list(layer: &Path) {
    let listed = fs::read_dir(layer).into_iter().flatten().flatten();
    let mut names: Vec<_> = listed.map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        println!("  {:<9} {}", name.display(), look(&layer.join(&name)));
    }
}

fn look(file: &Path) -> String {
    match file.symlink_metadata() {
        Ok(metadata) if metadata.file_type().is_char_device() => {
            format!("a character device, number {}", metadata.rdev())
        }
        _ => format!("{:?}", fs::read_to_string(file).unwrap_or_default()),
    }
}
