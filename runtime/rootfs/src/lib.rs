//! Where does a root file system come from, when there is no image and no network?

use std::path::{Path, PathBuf};

use primitives::Result;

/// What a root file system is made of.
#[derive(Clone, Debug, Default)]
pub enum Source {
    /// This machine's static busybox if there is one, else its shell and a few tools with the
    /// libraries that they need.
    #[default]
    Machine,
    /// These programs of this machine, by name or path, with the libraries that they need.
    Programs(Vec<PathBuf>),
    /// A copy of a directory.
    Directory(PathBuf),
    /// The content of a tar, plain or compressed with gzip.
    Tar(PathBuf),
}

/// Makes a root file system in `directory`, which must be there and empty.
///
/// # Errors
/// When the source cannot be read, or the directory not be written or is not empty.
pub fn make(directory: &Path, source: &Source) -> Result<()> {
    let _ = (directory, source);
    todo!("chapter 5")
}
