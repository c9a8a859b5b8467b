//! How does a layer become files, and never a file somewhere else?
//!
//! A layer is a tar, packed or not, that a stranger has made. It is read strictly (`tar`), and each
//! of its entries is made in an open directory beneath the one that it was given (`tree`, `levels`):
//! there is no path in here that could lead out. What a layer says is gone becomes what overlayfs
//! understands, so that layers need not wait for each other.
//!
//! | file | question it answers |
//! |---|---|
//! | `packing`, `blocks` | where do the bytes of the tar come from? |
//! | `tar` | what does the tar say? |
//! | `name` | where does an entry want to be? |
//! | `levels`, `tree` | how is it made there? |
//! | `manner` | what can the one do who unpacks? |
//! | `budget` | how much may a layer want? |

mod blocks;
mod budget;
mod error;
mod levels;
mod manner;
mod name;
mod packing;
mod tar;
mod tree;

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use primitives::{open_directory_at, open_path};

use crate::digest::{Algorithm, Digest, Hasher};
use crate::model::Compression;
use blocks::{Blocks, Filling, blocks};
use error::Stop;
use levels::Levels;
use tar::{Entry, Reader};
use tree::Tree;

pub use budget::Budget;
pub use error::{Error, Result};
pub use manner::{Devices, Manner, Marks, Owners};

/// What became of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// The digest of the tar, as the configuration of an image names it.
    pub diff_id: Digest,
    /// How many entries it had.
    pub entries: u64,
    /// How long the tar is.
    pub bytes: u64,
    /// How many doors to drivers were left out ([`Devices::LeftOut`]).
    pub left_out: u64,
}

/// Unpacks a layer into a directory, which must be there and empty, and reads `stream` to its end.
///
/// What was made until something went wrong stays there: nobody may take the directory for the layer
/// before the digest was compared, so it is the caller's to remove.
///
/// # Errors
/// Says which entry is refused, or which limit was met, or which request the kernel did not grant.
pub fn layer(
    stream: impl Read + Send,
    compression: Compression,
    into: &Path,
    budget: &Budget,
    manner: &Manner,
) -> Result<Unpacked> {
    let root = open_path(into, "have a directory that no name in the layer leads out of")?;
    let root = open_directory_at(root.as_fd(), ".".as_ref(), "make files in it")?;
    let (filling, blocks) = blocks();
    thread::scope(|scope| {
        let unpacking = scope.spawn(|| unpack(stream, compression, budget, filling));
        let (entries, left_out) =
            make(Reader::new(blocks), Levels::at(root, manner.marks), budget, manner)?;
        let (diff_id, bytes) = unpacking.join().expect("a panic over there is one here")?;
        Ok(Unpacked { diff_id, entries, bytes, left_out })
    })
}

/// Unpacks and hashes what `make` reads at the same time; the digest and the length of the tar.
fn unpack(
    stream: impl Read,
    compression: Compression,
    budget: &Budget,
    filling: Filling,
) -> Result<(Digest, u64)> {
    let (came_in, mut came_out) = (AtomicU64::new(0), 0);
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let look = |block: &[u8]| {
        hasher.update(block);
        came_out += block.len() as u64;
        let within = budget.allows_bytes(came_in.load(Ordering::Relaxed), came_out);
        within.map_err(io::Error::other)
    };
    match packing::unpacked(stream, compression, &came_in) {
        Ok(mut tar) => filling.fill_from(&mut tar, look),
        Err(error) => filling.fail(io::Error::other(error)),
    }
    Ok((hasher.finish(), came_out))
}

/// Makes all entries; how many there were, and how many were left out.
fn make(
    mut reader: Reader<Blocks>,
    levels: Levels,
    budget: &Budget,
    manner: &Manner,
) -> Result<(u64, u64)> {
    let mut tree = Tree::new(levels, *manner, budget);
    let mut entry = Entry::new();
    let (mut entries, mut seeming) = (0, 0_u64);
    while reader.next(&mut entry).map_err(|fault| at(fault.into(), entries, &entry))? {
        entries += 1;
        budget.allows_entries(entries)?;
        if entry.segments.is_some() {
            seeming = seeming.saturating_add(entry.length);
            budget.allows_seeming(seeming)?;
        }
        tree.make(&mut entry, &mut reader).map_err(|stop| stop.at(&entry.name))?;
    }
    reader.drain()?;
    let left_out = tree.left_out;
    tree.finish().map_err(|stop| stop.at(b"."))?;
    Ok((entries, left_out))
}

/// Where reading has stopped: at an entry whose name is known, or after so many.
fn at(stop: Stop, after: u64, entry: &Entry) -> Error {
    match stop {
        Stop::Refused(why) if entry.name.is_empty() => Error::Tar { after, why },
        stop => stop.at(&entry.name),
    }
}
