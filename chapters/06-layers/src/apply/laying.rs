//! How does each entry of a layer get its place? All paths are relative: to the root of the process.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use primitives::{
    Error, Result, chmod, create, lchown, link, lremovexattr, lsetxattr, mkdir, mkfifo,
    mknod_block, mknod_character, rmdir, step, symlink, unlink, utimensat,
};

use super::Deletions;
use crate::layer::{About, Entry, Kind};
use crate::upper::{about, is_of_overlayfs};

// ANCHOR: lay
/// First what the layer deletes, which is said of the layers below; then what it holds; and the
/// times of directories at the end, because every file that is made in one changes them.
pub(super) fn lay(layer: &[Entry], deletions: Deletions, opaque: &str) -> Result<u8> {
    if deletions == Deletions::Done {
        let doomed = doomed(layer)?;
        if !doomed.is_empty() {
            step("delete what the layer deletes", || {
                doomed.iter().try_for_each(|path| remove(path))
            })?;
        }
    }
    let held: Vec<&Entry> = layer.iter().filter(|entry| !is_mark(entry)).collect();
    if !held.is_empty() {
        step("write what the layer holds", || held.iter().try_for_each(|entry| write(entry)))?;
    }
    if deletions == Deletions::Marked && layer.iter().any(is_mark) {
        step("mark what the layer deletes", || mark(layer, opaque))?;
    }
    let directories: Vec<&Entry> =
        held.into_iter().filter(|entry| entry.kind == Kind::Directory).collect();
    if !directories.is_empty() {
        step("set the times of directories", || {
            directories.iter().try_for_each(|entry| {
                utimensat(here(&entry.path), entry.about.mtime, "date it as the layer does")
            })
        })?;
    }
    Ok(0)
}
// ANCHOR_END: lay

fn is_mark(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Whiteout | Kind::Opaque)
}

/// What is there and is to go.
fn doomed(layer: &[Entry]) -> Result<Vec<PathBuf>> {
    let mut doomed = Vec::new();
    for entry in layer {
        match entry.kind {
            Kind::Whiteout if exists(&entry.path)? => doomed.push(entry.path.clone()),
            Kind::Opaque => doomed.extend(inside(&entry.path)?),
            _ => {}
        }
    }
    // Both may be said of the same file.
    let mut seen = HashSet::new();
    doomed.retain(|path| seen.insert(path.clone()));
    Ok(doomed)
}

fn exists(path: &Path) -> Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What is in a directory, sorted; nothing when there is none.
fn inside(directory: &Path) -> Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(here(directory)) {
        Ok(listed) => listed,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(directory, &error)),
    };
    let names = listed.map(|entry| entry.map(|entry| directory.join(entry.file_name())));
    let mut names: Vec<PathBuf> =
        names.collect::<io::Result<_>>().map_err(|error| unreadable(directory, &error))?;
    names.sort();
    Ok(names)
}

/// Removes a file, or a directory with all that is in it; a link is removed and not followed.
fn remove(path: &Path) -> Result<()> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        // Its directory was to go too, and has gone.
        Err(error) if is_absent(&error) => return Ok(()),
        Err(error) => return Err(unreadable(path, &error)),
    };
    if !metadata.is_dir() {
        return unlink(path, "have it gone, as the layer says");
    }
    inside(path)?.iter().try_for_each(|path| remove(path))?;
    rmdir(path, "have it gone, now that it is empty")
}

// ANCHOR: write
fn write(entry: &Entry) -> Result<()> {
    let path = here(&entry.path);
    make_room(entry)?;
    let mode = entry.about.mode;
    match &entry.kind {
        Kind::Directory if path.is_dir() => Ok(()),
        Kind::Directory => mkdir(path, mode, "have the directory of the layer"),
        Kind::File(content) => create(path, content, mode, "have the file of the layer"),
        Kind::Symlink(target) => symlink(target, path, "have the link of the layer"),
        // What belongs to the file was set when it got its first name.
        Kind::HardLink(first) => return link(first, path, "give the file its other name"),
        Kind::Fifo => mkfifo(path, mode, "have the fifo of the layer"),
        Kind::Character(major, minor) => {
            mknod_character(path, mode, (*major, *minor), "have the device of the layer")
        }
        Kind::Block(major, minor) => {
            mknod_block(path, mode, (*major, *minor), "have the device of the layer")
        }
        Kind::Whiteout | Kind::Opaque => Ok(()),
    }?;
    describe(path, entry)
}
// ANCHOR_END: write

/// Makes the directories above, and removes what is in the way. A directory is not in the way of one.
fn make_room(entry: &Entry) -> Result<()> {
    let path = entry.path.as_path();
    let above: Vec<&Path> = path.ancestors().skip(1).collect();
    for directory in above.into_iter().rev().filter(|path| *path != Path::new("")) {
        if !directory.exists() {
            mkdir(directory, 0o755, "have a directory that the layer takes for granted")?;
        }
    }
    let Ok(metadata) = here(path).symlink_metadata() else {
        return Ok(());
    };
    match entry.kind == Kind::Directory && metadata.is_dir() {
        true => Ok(()),
        false => remove(path),
    }
}

// ANCHOR: describe
/// Sets what differs from what the file has by itself. The owner first: a new owner takes the
/// set-user-ID bit and the file's capabilities away.
fn describe(path: &Path, entry: &Entry) -> Result<()> {
    let is = path.symlink_metadata().map_err(|error| unreadable(path, &error))?;
    let wanted = &entry.about;
    if (is.uid(), is.gid()) != (wanted.uid, wanted.gid) {
        lchown(path, wanted.uid, wanted.gid, "give it to whom it belongs")?;
    }
    if !is.is_symlink() && path.symlink_metadata().is_ok_and(|is| is.mode() & 0o7777 != wanted.mode)
    {
        chmod(path, wanted.mode, "let those use it who may")?;
    }
    let is = about(path, &is).map_err(|error| unreadable(path, &error))?;
    attributes(path, &is, wanted)?;
    match entry.kind {
        Kind::Directory => Ok(()),
        _ => utimensat(path, wanted.mtime, "date it as the layer does"),
    }
}
// ANCHOR_END: describe

fn attributes(path: &Path, is: &About, wanted: &About) -> Result<()> {
    for (name, _) in &is.xattrs {
        if !wanted.xattrs.iter().any(|(kept, _)| kept == name) && !is_of_the_system(name) {
            lremovexattr(path, name, "keep nothing of the directory that was here")?;
        }
    }
    for (name, value) in &wanted.xattrs {
        let known = is.xattrs.iter().any(|(there, has)| there == name && has == value);
        if !known && !is_of_overlayfs(name) {
            lsetxattr(path, name, value, "have the attributes of the layer")?;
        }
    }
    Ok(())
}

/// Whether the machine gives this attribute to its files, whatever a layer says.
fn is_of_the_system(name: &str) -> bool {
    name.starts_with("security.") && name != "security.capability"
}

// ANCHOR: mark
/// Writes deletions down as overlayfs itself does: a device without a driver, and an attribute.
fn mark(layer: &[Entry], attribute: &str) -> Result<()> {
    for entry in layer.iter().filter(|entry| is_mark(entry)) {
        let again = layer.iter().find(|other| !is_mark(other) && other.path == entry.path);
        match (&entry.kind, again.map(|other| &other.kind)) {
            // Deleted, and a directory made anew in the same layer: nothing of the old one is seen.
            (Kind::Opaque, _) | (Kind::Whiteout, Some(Kind::Directory)) => {
                let why = "hide all that the layers below have in this directory";
                lsetxattr(here(&entry.path), attribute, b"y", why)?;
            }
            // A new file hides the old one by itself.
            (_, Some(_)) => {}
            (_, None) => {
                make_room(entry)?;
                let why = "hide what the layers below have of this name";
                mknod_character(&entry.path, 0, (0, 0), why)?;
            }
        }
    }
    Ok(())
}
// ANCHOR_END: mark

/// The root of the layer has no name of its own.
fn here(path: &Path) -> &Path {
    if path == Path::new("") { Path::new(".") } else { path }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Unusable(format!("{} cannot be looked at: {error}", path.display()))
}
