//! What has overlayfs written into an upper directory?

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use primitives::{Error, Result, Timestamp, lgetxattr, llistxattr};

use crate::layer::{About, Entry, Kind};

/// Everything in an upper directory, sorted by name, parents first. What no tar can hold is left out.
pub(crate) fn entries(upper: &Path) -> Result<Vec<Entry>> {
    let mut walk = Walk { upper, found: Vec::new(), names: HashMap::new() };
    walk.directory(Path::new(""))?;
    Ok(walk.found)
}

struct Walk<'a> {
    upper: &'a Path,
    found: Vec<Entry>,
    /// The first name of each file that has several.
    names: HashMap<(u64, u64), PathBuf>,
}

impl Walk<'_> {
    fn directory(&mut self, path: &Path) -> Result<()> {
        let unread = |error: io::Error| unreadable(&self.upper.join(path), &error);
        let listed = fs::read_dir(self.upper.join(path)).map_err(unread)?;
        let names = listed.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names: Vec<_> = names.collect::<io::Result<_>>().map_err(unread)?;
        // In the order of their bytes, which is the same on every machine.
        names.sort();
        for name in names {
            self.file(&path.join(name))?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<()> {
        let full = self.upper.join(path);
        let unread = |error| unreadable(&full, &error);
        let metadata = full.symlink_metadata().map_err(unread)?;
        refuse_notes(&full).map_err(unread)??;
        let Some(kind) = self.kind(path, &full, &metadata).map_err(unread)? else {
            return Ok(());
        };
        let about = match kind {
            // Nobody made it, so it is of nobody: the same deletion is the same bytes.
            Kind::Whiteout => About::default(),
            _ => about(&full, &metadata).map_err(unread)?,
        };
        let is_directory = kind == Kind::Directory;
        self.found.push(Entry { path: path.to_path_buf(), kind, about });
        if is_directory {
            if mark(&full, "opaque").map_err(unread)?.as_deref() == Some(b"y") {
                let (path, about) = (path.to_path_buf(), About::default());
                self.found.push(Entry { path, kind: Kind::Opaque, about });
            }
            self.directory(path)?;
        }
        Ok(())
    }

    // ANCHOR: kind
    fn kind(&mut self, path: &Path, full: &Path, metadata: &Metadata) -> io::Result<Option<Kind>> {
        let kind = metadata.file_type();
        let device = (major(metadata.rdev()), minor(metadata.rdev()));
        if kind.is_char_device() && device == (0, 0) {
            return Ok(Some(Kind::Whiteout));
        }
        if kind.is_file() && metadata.len() == 0 && mark(full, "whiteout")?.is_some() {
            return Ok(Some(Kind::Whiteout));
        }
        if !kind.is_dir() && metadata.nlink() > 1 {
            let file = (metadata.dev(), metadata.ino());
            if let Some(first) = self.names.get(&file) {
                return Ok(Some(Kind::HardLink(first.clone())));
            }
            self.names.insert(file, path.to_path_buf());
        }
        // ANCHOR_END: kind
        Ok(match () {
            () if kind.is_dir() => Some(Kind::Directory),
            () if kind.is_file() => Some(Kind::File(fs::read(full)?)),
            () if kind.is_symlink() => Some(Kind::Symlink(fs::read_link(full)?)),
            () if kind.is_fifo() => Some(Kind::Fifo),
            () if kind.is_char_device() => Some(Kind::Character(device.0, device.1)),
            () if kind.is_block_device() => Some(Kind::Block(device.0, device.1)),
            // A socket is nothing without the process that listens.
            () => None,
        })
    }
}

/// One of overlayfs's own notes on a file: `trusted.*` of root, `user.*` of everybody else.
fn mark(path: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    for kind in ["trusted", "user"] {
        match lgetxattr(path, &format!("{kind}.overlay.{name}")) {
            Ok(Some(value)) => return Ok(Some(value)),
            // Links and devices have no user.*, and trusted.* is not shown to everybody.
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// A file whose content stays in a lower layer is no difference that can be packed.
fn refuse_notes(path: &Path) -> io::Result<Result<()>> {
    for name in ["redirect", "metacopy"] {
        if mark(path, name)?.is_some() {
            return Ok(Err(Error::Unusable(format!(
                "{} refers to a lower layer (overlay.{name}): mount with {name}=off{}",
                path.display(),
                if name == "redirect" { " (redirect_dir)" } else { "" }
            ))));
        }
    }
    Ok(Ok(()))
}

pub(crate) fn about(path: &Path, metadata: &Metadata) -> io::Result<About> {
    let mut xattrs = Vec::new();
    for name in llistxattr(path)?.into_iter().filter(|name| !is_of_overlayfs(name)) {
        if let Some(value) = lgetxattr(path, &name)? {
            xattrs.push((name, value));
        }
    }
    let nanos = u32::try_from(metadata.mtime_nsec()).unwrap_or(0);
    Ok(About {
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: Timestamp { seconds: metadata.mtime(), nanos },
        xattrs,
    })
}

/// Whether an attribute is a note of overlayfs, which says something of this stack and not of the file.
pub(crate) fn is_of_overlayfs(name: &str) -> bool {
    name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Unusable(format!("{} cannot be read: {error}", path.display()))
}

/// The number of a driver in a device's number, as glibc's gnu_dev_major has it.
fn major(device: u64) -> u64 {
    ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff)
}

/// The number of a device among those of its driver.
fn minor(device: u64) -> u64 {
    (device & 0xff) | ((device >> 12) & !0xff)
}
