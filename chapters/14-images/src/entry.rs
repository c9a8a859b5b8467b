//! What does a layer say, and which of it may be true?
//!
//! A layer is a tar ("Image Layer Filesystem Changeset"). The crate reads the headers; what a name may
//! be is decided here, before anything is written.

use std::io::{Cursor, Read};
use std::path::{Component, Path, PathBuf};

use primitives::{Error, Result};
use tar::EntryType;

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// One thing that a layer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// From the root of the tree, without a slash in front.
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) modified: i64,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File(Vec<u8>),
    Symlink(PathBuf),
    /// Another name of a file of the tree.
    HardLink(PathBuf),
    /// A door to a driver: its two numbers.
    Device(u32, u32),
    /// What the layers below have here is gone.
    Whiteout,
    /// All that the layers below have in this directory is gone.
    Opaque,
}

/// The entries of a layer, as they stand there.
pub(crate) fn read(plain: Vec<u8>) -> Result<Vec<Entry>> {
    let broken = |error: std::io::Error| Error::Unusable(format!("this is no layer: {error}"));
    let mut archive = tar::Archive::new(Cursor::new(plain));
    let mut entries = Vec::new();
    for entry in archive.entries().map_err(broken)? {
        entries.push(one(&mut entry.map_err(broken)?)?);
    }
    Ok(entries)
}

fn one(entry: &mut tar::Entry<'_, Cursor<Vec<u8>>>) -> Result<Entry> {
    let broken = |error: std::io::Error| Error::Unusable(format!("this is no layer: {error}"));
    let named = entry.path().map_err(broken)?.into_owned();
    let link = entry.link_name().map_err(broken)?.map(|link| link.into_owned());
    let link = || link.ok_or_else(|| refused(&named, "it is a link to nothing"));
    let number = |number: std::io::Result<Option<u32>>| Ok(number.map_err(broken)?.unwrap_or(0));
    let header = entry.header();
    let (mode, modified) = (header.mode().map_err(broken)? & 0o7777, header.mtime());
    let modified = i64::try_from(modified.map_err(broken)?).unwrap_or(i64::MAX);
    let kind = match header.entry_type() {
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink(link()?),
        EntryType::Link => Kind::HardLink(link()?),
        EntryType::Char | EntryType::Block => {
            Kind::Device(number(header.device_major())?, number(header.device_minor())?)
        }
        EntryType::Regular | EntryType::Continuous => {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(broken)?;
            Kind::File(content)
        }
        other => return Err(refused(&named, &format!("nobody here knows an entry {other:?}"))),
    };
    Ok(marked(Entry { path: named, kind, mode, modified }))
}

/// Turns the names that say "deleted" into what they say.
fn marked(entry: Entry) -> Entry {
    let name = entry.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let parent = || entry.path.parent().unwrap_or(Path::new("")).to_path_buf();
    if name == OPAQUE {
        return Entry { path: parent(), kind: Kind::Opaque, ..entry };
    }
    match name.strip_prefix(WHITEOUT) {
        Some(gone) => Entry { path: parent().join(gone), kind: Kind::Whiteout, ..entry },
        None => entry,
    }
}

// ANCHOR: check
/// Refuses a layer that says what no honest one says, before anything of it is done.
pub(crate) fn check(entries: &[Entry]) -> Result<()> {
    for Entry { path, kind, .. } in entries {
        within(path, path)?;
        match kind {
            Kind::HardLink(target) => within(path, target)?,
            Kind::Device(major, minor) => {
                let why = format!("it is a door to a driver ({major}:{minor})");
                return Err(refused(path, &why));
            }
            Kind::Whiteout if path.as_os_str().is_empty() => {
                return Err(refused(path, "it deletes the root"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a name stays below the root: `..` is in none.
fn within(entry: &Path, name: &Path) -> Result<()> {
    match name.components().find(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        None => Ok(()),
        Some(Component::ParentDir) => Err(refused(entry, "a name goes up")),
        Some(_) => Err(refused(entry, "a name begins at the root of the machine")),
    }
}
// ANCHOR_END: check

fn refused(path: &Path, why: &str) -> Error {
    Error::Unusable(format!("the layer is refused for its entry {}: {why}", path.display()))
}
