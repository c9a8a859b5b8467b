//! Where do the images lie, and may what lies there be trusted?
//!
//! An image says who a process is, what it may do, and what is in its memory; criu believes it, as
//! root. So it is to be trusted as the configuration and the programs of the container are, and that is
//! all it can be: nobody can look whether a memory is an honest one. What can be seen to is that it is the
//! owner's own: nobody else may write where it lies, and no link leads from there to another file of the
//! host, which criu would open, or write its log over (CVE-2026-53489 and its kin). What came back is
//! then held to the configuration before it runs, which is [`super::restored`]'s part.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use primitives::{Error, Result, create_durably, mkdir, open_path, own_ids, step_giving};

use super::streams::Descriptor;

/// What the container's streams were; the name and the form are runc's.
const DESCRIPTORS: &str = "descriptors.json";
/// criu's link from a directory of images to the one that was written before.
const PARENT: &str = "parent";

/// The directory of the images, and the one that criu works in, where it is another one.
#[derive(Debug)]
pub(crate) struct Images {
    path: PathBuf,
    work: Option<PathBuf>,
}

impl Images {
    /// Looks at directories that are there; the one to work in is made where it is missing.
    ///
    /// # Errors
    /// They are not there, or may not be trusted.
    pub(crate) fn find(path: &Path, work: Option<&Path>) -> Result<Images> {
        check(path).map_err(Error::Unusable)?;
        if let Some(work) = work {
            make(work)?;
            check(work).map_err(Error::Unusable)?;
        }
        Ok(Images { path: path.to_path_buf(), work: work.map(Path::to_path_buf) })
    }

    /// As [`Images::find`], and both are made where they are missing.
    ///
    /// # Errors
    /// They may not be trusted.
    pub(crate) fn make(path: &Path, work: Option<&Path>) -> Result<Images> {
        make(path)?;
        Images::find(path, work)
    }

    /// Both, for criu.
    pub(super) fn open(&self) -> Result<(OwnedFd, Option<OwnedFd>)> {
        let why = "have criu find its files in it, and nowhere else";
        let work = self.work.as_ref().map(|work| open_path(work, why)).transpose()?;
        Ok((open_path(&self.path, why)?, work))
    }

    /// Whether there is another one to work in.
    pub(super) fn has_work(&self) -> bool {
        self.work.is_some()
    }

    /// Where criu's log is.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.work.as_ref().unwrap_or(&self.path).join(name)
    }

    /// Keeps what the streams of the container are.
    pub(crate) fn keep(&self, descriptors: &[Descriptor]) -> Result<()> {
        let text = serde_json::to_vec(descriptors)
            .map_err(|error| Error::Unusable(format!("{DESCRIPTORS}: {error}")))?;
        let why = "know how to connect it when it comes back";
        create_durably(&self.path.join(DESCRIPTORS), &text, 0o600, why)
    }

    /// What the streams of the container were; nothing where nobody wrote it down.
    pub(crate) fn descriptors(&self) -> Result<Vec<Descriptor>> {
        let file = self.path.join(DESCRIPTORS);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::Unusable(format!("{}: {error}", file.display()))),
        };
        serde_json::from_slice(&text)
            .map_err(|error| Error::Unusable(format!("{}: {error}", file.display())))
    }

    /// The directory of the images that were written before, counted from this one, as criu takes it.
    ///
    /// # Errors
    /// There is none, or its path does not stay valid when both are moved.
    pub(crate) fn check_parent(&self, parent: &Path) -> Result<()> {
        if parent.is_absolute() {
            return Err(Error::Unusable("--parent-path must be relative".to_string()));
        }
        check(&self.path.join(parent))
            .map_err(|error| Error::Unusable(format!("invalid --parent-path: {error}")))
    }
}

/// From the top down, as far as something is missing.
fn make(path: &Path) -> Result<()> {
    let missing: Vec<&Path> = path
        .ancestors()
        .filter(|path| !path.as_os_str().is_empty())
        .take_while(|path| !path.exists())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    step_giving("make a place for the images", || {
        let why = "have a place for what holds all that is in the container's memory";
        missing.into_iter().rev().try_for_each(|path| mkdir(path, 0o711, why))
    })
}

/// Whether only its owner, who is this user, can have put there what is in it.
fn check(path: &Path) -> std::result::Result<(), String> {
    const OTHERS_WRITE: u32 = 0o022;
    let shown = path.display();
    let unreadable = |error: std::io::Error| format!("{shown}: {error}");
    let found = fs::metadata(path).map_err(unreadable)?;
    if !found.is_dir() {
        return Err(format!("{shown} is no directory"));
    }
    if found.uid() != own_ids().0 || found.mode() & OTHERS_WRITE != 0 {
        return Err(format!(
            "{shown} can be written to by other users, and criu believes all that it finds there: it \
             must belong to this user, with a mode such as 0700"
        ));
    }
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let link = fs::read_link(entry.path()).ok();
        let is_parent = entry.file_name() == PARENT && link.is_some_and(|link| link.is_relative());
        // A directory in it is nothing that criu looks into.
        if !kind.is_file() && !kind.is_dir() && !is_parent {
            let name = entry.file_name();
            return Err(format!("{shown}/{}: no file of an image is a link", name.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use primitives::{chmod, create, symlink};

    use super::check;

    #[test]
    fn a_link_is_no_image() {
        let folder = tempfile::tempdir().unwrap();
        create(&folder.path().join("core-1.img"), b"", 0o600, "have an image").unwrap();
        symlink(Path::new("../before"), &folder.path().join("parent"), "as criu does").unwrap();
        check(folder.path()).unwrap();
        let log = folder.path().join("restore.log");
        symlink(Path::new("/etc/passwd"), &log, "have it overwritten").unwrap();
        assert!(check(folder.path()).unwrap_err().contains("restore.log"));
    }

    #[test]
    fn nobody_else_may_write_there() {
        let folder = tempfile::tempdir().unwrap();
        chmod(folder.path(), 0o777, "let everybody write there").unwrap();
        assert!(check(folder.path()).unwrap_err().contains("other users"));
        assert!(check(Path::new("/no/such/place")).is_err());
    }
}
