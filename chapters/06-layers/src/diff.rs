//! What does an upper directory say, in words?

use std::path::{Path, PathBuf};

use primitives::{Error, Result, Status};

use crate::layer::{Entry, Kind};
use crate::{sample, upper};

/// Prints what an upper directory adds, changes and deletes.
pub(crate) fn show(directories: &[PathBuf]) -> Result<Status> {
    match directories {
        [] => {
            let place = sample::changed_stack()?;
            print(&place.upper, &[&place.root.join("app"), &place.root.join("base")])?;
        }
        [upper] => print(upper, &[])?,
        [lower, upper] => print(upper, &[lower])?,
        _ => return Err(Error::Unusable("write LOWER and UPPER, or UPPER alone".to_string())),
    }
    Ok(Status::Exited(0))
}

// ANCHOR: print
/// One line for each difference, with the letters of `docker diff`: A, C and D; O is for opaque.
pub(crate) fn print(directory: &Path, lowers: &[&Path]) -> Result<()> {
    let below =
        |path: &Path| lowers.iter().any(|lower| lower.join(path).symlink_metadata().is_ok());
    for entry in upper::entries(directory)? {
        let letter = match entry.kind {
            Kind::Whiteout => 'D',
            Kind::Opaque => 'O',
            _ if below(&entry.path) => 'C',
            // Without the lower layers nobody can tell new from changed.
            _ if lowers.is_empty() => '+',
            _ => 'A',
        };
        println!("{letter} {}  ({})", entry.path.display(), said(&entry));
    }
    Ok(())
}
// ANCHOR_END: print

/// What it is, in words.
pub(crate) fn said(entry: &Entry) -> String {
    match &entry.kind {
        Kind::Directory => "directory".to_string(),
        Kind::File(content) => format!("file of {} bytes", content.len()),
        Kind::Symlink(target) => format!("symbolic link to {}", target.display()),
        Kind::HardLink(first) => format!("another name of {}", first.display()),
        Kind::Fifo => "fifo".to_string(),
        Kind::Character(major, minor) => format!("character device {major}:{minor}"),
        Kind::Block(major, minor) => format!("block device {major}:{minor}"),
        Kind::Whiteout => "whiteout".to_string(),
        Kind::Opaque => "hides what the layers below have in it".to_string(),
    }
}
