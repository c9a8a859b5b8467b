//! How does each entry of a layer get its place?

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use primitives::{
    Error, FileKind, Result, Timestamp, create, create_at, fchmodat, kind_at, linkat, mkdir,
    mkdirat, mknod_character, names_in, open_directory, open_directory_in_root, remove_tree, step,
    step_giving, symlink, symlinkat, unlink, unlinkat, utimensat_in,
};

use crate::entry::{Entry, Kind};

// ANCHOR: lay
/// Lays a layer over a tree: first what it deletes, which is said of the layers below; then what it
/// holds; and the times of directories at the end, because each file that is made in one changes them.
pub(crate) fn lay(entries: &[Entry], target: &Path) -> Result<()> {
    let root = open_directory(target).map_err(|error| unreadable(target, &error))?;
    let (marks, held): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.deletes());
    if !marks.is_empty() {
        step("delete what the layer deletes", || {
            marks.iter().try_for_each(|entry| delete(root.as_fd(), entry))
        })?;
    }
    if held.is_empty() {
        return Ok(());
    }
    step_giving("write what the layer holds", || {
        held.iter().try_for_each(|entry| write(root.as_fd(), entry))
    })?;
    step("date what the layer holds", || {
        held.iter().rev().try_for_each(|entry| date(root.as_fd(), entry))
    })
}
// ANCHOR_END: lay

impl Entry {
    fn deletes(&self) -> bool {
        matches!(self.kind, Kind::Whiteout | Kind::Opaque)
    }
}

// ANCHOR: parent
/// The directory that an entry is in, and its name there. `RESOLVE_IN_ROOT` makes the tree the root:
/// neither `..` nor a symbolic link on the way leads out of it.
fn place<'a>(root: BorrowedFd<'_>, path: &'a Path) -> Result<(OwnedFd, &'a Path)> {
    let name = path.file_name().map(Path::new).unwrap_or(Path::new("."));
    let above = path.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
    let parent = open_directory_in_root(root, above, "find the place of an entry in the tree")?;
    Ok((parent, name))
}
// ANCHOR_END: parent

// ANCHOR: write
fn write(root: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
    let (parent, name) = place(root, &entry.path)?;
    let (parent, mode) = (parent.as_fd(), entry.mode);
    let is_there = kind_at(parent, name).map_err(|error| unreadable(&entry.path, &error))?;
    if entry.kind != Kind::Directory || is_there != Some(FileKind::Directory) {
        make_room(parent, name)?;
        make(root, (parent, name), entry)?;
    }
    match entry.kind {
        // What was made has no bits that the umask takes away; and what was there has another mode.
        Kind::Directory | Kind::File(_) => fchmodat(parent, name, mode, "have its mode in full"),
        _ => Ok(()),
    }
}
// ANCHOR_END: write

// ANCHOR: make
fn make(root: BorrowedFd<'_>, (parent, name): (BorrowedFd<'_>, &Path), it: &Entry) -> Result<()> {
    match &it.kind {
        Kind::Directory => mkdirat(parent, name, it.mode, "have the directory of the layer"),
        Kind::File(content) => {
            let why = "have the file of the layer";
            create_at(parent, name, it.mode, why, |file| file.write::<Error>(content))?.map(drop)
        }
        Kind::Symlink(target) => symlinkat(target, parent, name, "have the link of the layer"),
        Kind::HardLink(target) => {
            let (other, target) = place(root, target)?;
            let why = "give a file of the tree another name";
            linkat((other.as_fd(), target), (parent, name), why)
        }
        Kind::Device(..) | Kind::Whiteout | Kind::Opaque => Ok(()),
    }
}
// ANCHOR_END: make

fn make_room(parent: BorrowedFd<'_>, name: &Path) -> Result<()> {
    match kind_at(parent, name).map_err(|error| unreadable(name, &error))? {
        None => Ok(()),
        Some(FileKind::Directory) => remove_tree(parent, name, "have what was there gone"),
        Some(_) => unlinkat(parent, name, "have what was there gone"),
    }
}

fn delete(root: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
    if entry.kind != Kind::Opaque {
        let (parent, name) = place(root, &entry.path)?;
        return make_room(parent.as_fd(), name);
    }
    let why = "find the directory that is to be empty";
    let directory = open_directory_in_root(root, &entry.path, why)?;
    let names = names_in(directory.as_fd()).map_err(|error| unreadable(&entry.path, &error))?;
    names.iter().try_for_each(|name| make_room(directory.as_fd(), Path::new(name)))
}

fn date(root: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
    let (parent, name) = place(root, &entry.path)?;
    let time = Timestamp { seconds: entry.modified, nanos: 0 };
    utimensat_in(parent.as_fd(), name, time, "date it as the layer does")
}

// ANCHOR: careless
/// How it must not be done: names are joined to the path of the tree, and the kernel follows them.
pub(crate) fn lay_carelessly(entries: &[Entry], target: &Path) -> Result<()> {
    step_giving("write what the layer holds", || {
        entries.iter().try_for_each(|entry| {
            let path = target.join(&entry.path);
            match &entry.kind {
                Kind::Directory if path.is_dir() => Ok(()),
                Kind::Directory => mkdir(&path, entry.mode, "have the directory of the layer"),
                Kind::File(content) => {
                    if path.exists() {
                        unlink(&path, "make room for what this layer has there")?;
                    }
                    create(&path, content, entry.mode, "have the file of the layer")
                }
                Kind::Symlink(to) => symlink(to, &path, "have the link of the layer"),
                Kind::Device(major, minor) => {
                    let device = (u64::from(*major), u64::from(*minor));
                    mknod_character(&path, 0o666, device, "have the device of the layer")
                }
                Kind::HardLink(_) | Kind::Whiteout | Kind::Opaque => Ok(()),
            }
        })
    })
}
// ANCHOR_END: careless

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unusable(format!("{} cannot be read: {error}", path.display()))
}
