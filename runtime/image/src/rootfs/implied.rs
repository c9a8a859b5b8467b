//! What is a directory like that a layer only uses?
//!
//! A layer may have `etc/hostname` and no entry for `etc`. Unpacked alone it has a directory `etc` all
//! the same, and overlayfs would show that one's owner and permissions instead of those that a layer
//! below has laid down. So the unpacker notes such directories at the root of the layer, and here they
//! are made once more, above all layers, as they should be.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use primitives::{Error, Result, Timestamp, chmod, lchown, lgetxattr, mkdir, utimensat};

use super::overlay;
use crate::unpack::{Manner, Marks};

const WHY: &str = "let it be as the layer that knows it says";

/// The directories that a layer only uses.
///
/// # Errors
/// The layer cannot be read.
pub(super) fn of(layer: &Path, marks: Marks) -> Result<BTreeSet<PathBuf>> {
    let noted = lgetxattr(layer, marks.implied());
    let noted = noted.map_err(|e| Error::Unusable(format!("{}: {e}", layer.display())))?;
    let noted = noted.unwrap_or_default();
    let names = noted.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| PathBuf::from(OsStr::from_bytes(name))).collect())
}

/// Makes in `above` what has to lie above layers, the lowest of which is the first; whether there was
/// anything.
///
/// # Errors
/// A layer cannot be read, or `above` not be written.
pub fn mend(layers: &[PathBuf], above: &Path) -> Result<bool> {
    let marks = Manner::of_this_process().marks;
    let shown = overlay::shown(layers, marks)?;
    let implied: Vec<BTreeSet<PathBuf>> =
        shown.iter().map(|layer| of(layer, marks)).collect::<Result<_>>()?;
    let all: BTreeSet<&PathBuf> = implied.iter().flatten().collect();
    let known = |path: &Path| known(path, &shown, &implied, marks);
    let mut made = BTreeSet::new();
    for path in all {
        if let Some(Known::Below(_)) = known(path)? {
            let on_the_way = path.ancestors().filter(|part| !part.as_os_str().is_empty());
            made.extend(on_the_way.map(Path::to_path_buf));
        }
    }
    for path in &made {
        mkdir(&above.join(path), 0o700, "say above all layers what it is like")?;
    }
    // The inner ones first: what is made in a directory changes its time.
    for path in made.iter().rev() {
        if let Some(Known::Below(like) | Known::Here(like)) = known(path)? {
            settle(&above.join(path), &like)?;
        }
    }
    Ok(!made.is_empty())
}

/// Which layer says what a directory is like.
enum Known {
    /// The one that is seen anyway.
    Here(Metadata),
    /// One below another that only uses it.
    Below(Metadata),
}

fn known(
    path: &Path,
    layers: &[&Path],
    implied: &[BTreeSet<PathBuf>],
    marks: Marks,
) -> Result<Option<Known>> {
    let mut used = false;
    for (layer, implied) in layers.iter().zip(implied) {
        match look(layer, path, marks)? {
            Look::Missing => {}
            Look::Hidden => return Ok(None),
            Look::Directory { is, hides } => match (implied.contains(path), used) {
                (false, false) => return Ok(Some(Known::Here(is))),
                (false, true) => return Ok(Some(Known::Below(is))),
                (true, _) if hides => return Ok(None),
                (true, _) => used = true,
            },
        }
    }
    Ok(None)
}

/// What a layer has to say of a path.
enum Look {
    /// Nothing, and it hides nothing that is below.
    Missing,
    /// It is a directory; perhaps one that hides what is below.
    Directory { is: Metadata, hides: bool },
    /// It is something else, or what is below is hidden by a directory on the way.
    Hidden,
}

/// Goes down part by part, and never through a link: in one layer a name can be what it is not in
/// another.
fn look(layer: &Path, path: &Path, marks: Marks) -> Result<Look> {
    let mut way = layer.to_path_buf();
    let mut hidden = false;
    let mut last = None;
    for part in path {
        way.push(part);
        let Ok(is) = way.symlink_metadata() else {
            return Ok(if hidden { Look::Hidden } else { Look::Missing });
        };
        if !is.is_dir() || is.file_type().is_char_device() {
            return Ok(Look::Hidden);
        }
        let opaque = lgetxattr(&way, marks.opaque());
        hidden |= opaque.is_ok_and(|opaque| opaque.is_some());
        last = Some(is);
    }
    Ok(last.map_or(Look::Missing, |is| Look::Directory { is, hides: hidden }))
}

fn settle(path: &Path, like: &Metadata) -> Result<()> {
    lchown(path, like.uid(), like.gid(), WHY)?;
    chmod(path, like.mode() & 0o7777, WHY)?;
    let nanos = u32::try_from(like.mtime_nsec()).unwrap_or_default();
    utimensat(path, Timestamp { seconds: like.mtime(), nanos }, WHY)
}
