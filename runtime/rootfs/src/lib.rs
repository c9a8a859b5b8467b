//! Where does a root file system come from, when there is no image and no network?
//!
//! From this machine itself: [`make`] fills an empty directory with a static busybox, with programs
//! and the libraries that they need, with a copy of another directory, or with the content of a tar.
//! Whatever it was made of, it ends with the few directories and files that programs take for granted.
//!
//! All that it changes passes the gate of `primitives`; what it only reads does not.

mod copy;
mod elf;
mod libraries;
mod machine;
mod metadata;
mod programs;
mod tar;

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use primitives::{Error, Result, chmod, create, mkdir};

use metadata::{Owners, settle};

pub use machine::static_busybox;

/// What a root file system is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// This machine's static busybox if there is one, else its shell and a few tools with the
    /// libraries that they need.
    #[default]
    Machine,
    /// These programs of this machine, by name or path, with the libraries that they need; of
    /// scripts, also the program that runs them.
    Programs(Vec<PathBuf>),
    /// A copy of a directory: modes, times, links, attributes, and owners where there is a name for
    /// them here.
    Directory(PathBuf),
    /// The content of a tar, plain or compressed with gzip. An entry that would lie outside of the
    /// directory is an error that names it.
    Tar(PathBuf),
}

/// What every root has, with its permissions: mount points, places to write to.
const DIRECTORIES: [(&str, u32); 7] = [
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("sys", 0o755),
    ("tmp", 0o1777),
];

const FILES: [(&str, &str); 2] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("etc/group", "root:x:0:\nnobody:x:65534:\n"),
];

/// Makes a root file system in `directory`, which must be there and empty.
///
/// # Errors
/// When the source cannot be read, or the directory not be written or is not empty. What was made
/// until then stays: the directory is the caller's, and so is removing it.
pub fn make(directory: &Path, source: &Source) -> Result<()> {
    must_be_empty(directory)?;
    let like_the_source = match source {
        Source::Machine => machine::install(directory).map(|()| None)?,
        Source::Programs(names) => programs::install(directory, names).map(|()| None)?,
        Source::Directory(from) => copy::copy(from, directory).map(Some)?,
        Source::Tar(file) => tar::unpack(file, directory)?,
    };
    complete(directory)?;
    // Not before: a source may be closed even to its owner.
    like_the_source.map_or(Ok(()), |like| settle(directory, &like, &Owners::known()))
}

/// As [`make`] does it of [`Source::Machine`], only much faster: busybox is lent by a read-only bind mount
/// where there is one, and not copied.
///
/// For a directory in a mount namespace that ends with the root: elsewhere the mount would stay.
///
/// # Errors
/// As [`make`].
pub fn lend(directory: &Path) -> Result<()> {
    must_be_empty(directory)?;
    machine::lend(directory)?;
    complete(directory)
}

fn must_be_empty(directory: &Path) -> Result<()> {
    let cannot = |e| unusable(format!("{} cannot be made a root", directory.display()), e);
    let mut entries = fs::read_dir(directory).map_err(cannot)?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(Error::Unusable(format!(
            "{} is not empty: a root is made in an empty directory",
            directory.display()
        ))),
    }
}

/// Adds what is missing of what every root has. A link that is there already stays what it is, and
/// nothing is made by way of it.
fn complete(root: &Path) -> Result<()> {
    for (name, mode) in DIRECTORIES {
        let path = root.join(name);
        if path.symlink_metadata().is_err() {
            make_directory(&path, mode, "have what every program expects in a root")?;
        }
    }
    for (name, content) in FILES {
        let path = root.join(name);
        let parent = path.parent().expect("the files lie in directories");
        let inside = parent.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        if inside && path.symlink_metadata().is_err() {
            create(&path, content.as_bytes(), 0o644, "give names to the two users of any system")?;
        }
    }
    Ok(())
}

/// A directory with just these permissions, whatever the umask says.
pub(crate) fn make_directory(path: &Path, mode: u32, why: &'static str) -> Result<()> {
    mkdir(path, mode, why)?;
    let is = metadata::mode_of(path)?;
    match is == mode {
        true => Ok(()),
        false => chmod(path, mode, "have the permissions that mkdir and the umask left out"),
    }
}

/// Makes a directory and those above it that are missing below `root`.
pub(crate) fn make_all(root: &Path, directory: &Path) -> Result<()> {
    let mut path = root.to_path_buf();
    for part in directory.components() {
        path.push(part);
        if path.symlink_metadata().is_err() {
            make_directory(&path, 0o755, "have a directory for what comes into it")?;
        }
    }
    Ok(())
}

pub(crate) fn unusable(what: impl Display, why: impl Display) -> Error {
    Error::Unusable(format!("{what}: {why}"))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "what a test prepares is not what it looks at")]
mod tests;
