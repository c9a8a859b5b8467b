//! How does a layer try to get out of its directory?

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use clap::ValueEnum;
use primitives::{Result, Status, create, mkdir, step_giving, symlink};

use crate::apply::{Deletions, apply};
use crate::layer::{About, Entry, Kind, check_names};
use crate::{archive, view};

/// How a layer tries to get out.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Way {
    /// A file whose name goes up
    DotDot,
    /// A file whose name begins at the root of the machine
    Absolute,
    /// A link that leads out, and a file through it
    Symlink,
    /// Another name for a file outside
    Hardlink,
    /// The deletion of a file outside
    Whiteout,
    /// The deletion of a file behind a link that an earlier layer has left
    Earlier,
}

const CANARY: &[u8] = b"alive\n";

// ANCHOR: attack
/// Applies a hostile layer, in a place of our own, next to a file that it is after.
pub(crate) fn attack(way: Way, trust_names: bool) -> Result<Status> {
    view::of_our_own()?;
    let place = view::empty_place(&[])?;
    let (target, canary) = (place.join("target"), place.join("canary"));
    step_giving("put out a canary", || {
        mkdir(&target, 0o755, "have a directory for the layer")?;
        if let Way::Earlier = way {
            symlink(Path::new(".."), &target.join("way"), "have what an earlier layer has left")?;
        }
        create(&canary, CANARY, 0o644, "have a file outside of it, to see whether it is harmed")
    })?;
    // There and back, as any layer of somebody else would come.
    let layer = archive::read(&archive::write(&hostile(way, &canary))?)?;
    if !trust_names {
        check_names(&layer)?;
    }
    let result = apply(&layer, &target, Deletions::Done);
    println!("the canary {}", state(&canary));
    result
}
// ANCHOR_END: attack

// ANCHOR: hostile
fn hostile(way: Way, canary: &Path) -> Vec<Entry> {
    let poison = || Kind::File(b"poison\n".to_vec());
    let up = || entry("way", Kind::Symlink("..".into()));
    match way {
        Way::DotDot => vec![entry("../canary", poison())],
        Way::Absolute => vec![entry(&canary.to_string_lossy(), poison())],
        Way::Symlink => vec![up(), entry("way/canary", poison())],
        Way::Hardlink => vec![entry("stolen", Kind::HardLink("../canary".into()))],
        Way::Whiteout => vec![entry("../canary", Kind::Whiteout)],
        Way::Earlier => vec![entry("way/canary", Kind::Whiteout)],
    }
}
// ANCHOR_END: hostile

fn entry(path: &str, kind: Kind) -> Entry {
    Entry { path: path.into(), kind, about: About::default() }
}

fn state(canary: &Path) -> String {
    match (fs::read(canary), canary.metadata()) {
        (Ok(content), Ok(metadata)) if content == CANARY && metadata.nlink() == 1 => {
            "is unharmed".to_string()
        }
        (Ok(content), Ok(metadata)) if content == CANARY => {
            format!("has {} names: one is the layer's", metadata.nlink())
        }
        (Ok(content), _) => format!("says {:?}", String::from_utf8_lossy(&content)),
        (Err(_), _) => "is gone".to_string(),
    }
}
