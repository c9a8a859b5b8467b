//! Where in the root shall something be mounted, when somebody else has made the root?
//!
//! Its `/dev` may be a link to a directory of the machine, and a path that is put together from
//! strings would follow it. So a place is an open descriptor: the kernel has looked it up with the root
//! as its limit (`openat2`), and what was found stays what it is, whatever happens to its name.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use primitives::{Errno, Error, Result, create, mkdir, open_path, openat2_in_root};

/// A file or directory that something is mounted on, or looked up in.
pub(crate) struct Place(OwnedFd);

impl Place {
    /// A directory of the machine.
    pub(crate) fn open(path: &Path, why: &'static str) -> Result<Place> {
        open_path(path, why).map(Place)
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// The path by which requests that take no descriptor find it.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    /// Where it lies, as the kernel sees it.
    pub(crate) fn true_path(&self) -> Result<PathBuf> {
        let path = self.path();
        fs::read_link(&path).map_err(|e| Error::Unusable(format!("{}: {e}", path.display())))
    }

    pub(crate) fn is_directory(&self) -> bool {
        fs::metadata(self.path()).is_ok_and(|metadata| metadata.is_dir())
    }

    /// What a program in there will find at this path: links count, and cannot lead out. None if there
    /// is nothing.
    pub(crate) fn find(&self, path: &Path, why: &'static str) -> Result<Option<Place>> {
        match openat2_in_root(self.as_fd(), path, why) {
            Ok(fd) => Ok(Some(Place(fd))),
            // The window's refusal is no answer to the question.
            Err(Error::Request(no)) if no.errno == Errno::ENOENT && !no.here => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An empty file right in here, to mount a device on.
    pub(crate) fn new_file(&self, name: &str) -> Result<Place> {
        create(&self.path().join(name), b"", 0o666, "have a file to mount a device on")?;
        self.ordinary(name)
    }

    // ANCHOR: mount_point
    /// A directory right in here to mount on, made if it is missing. A link of that name is refused:
    /// who made it knows why, and we do not.
    pub(crate) fn mount_point(&self, name: &str) -> Result<Place> {
        let by_name = self.path().join(name);
        match by_name.symlink_metadata() {
            Err(_) => mkdir(&by_name, 0o755, "have a directory to mount on")?,
            Ok(is) if is.is_symlink() => {
                return Err(refuse_link(name, &fs::read_link(&by_name).unwrap_or_default()));
            }
            Ok(_) => {}
        }
        self.ordinary(name)
    }

    fn ordinary(&self, name: &str) -> Result<Place> {
        let why = "mean this one and no other, without leaving the root";
        let place = Place(openat2_in_root(self.as_fd(), Path::new(name), why)?);
        // It may have become a link since somebody looked.
        let (expected, found) = (self.true_path()?.join(name), place.true_path()?);
        if found == expected { Ok(place) } else { Err(refuse_link(name, &found)) }
    }
    // ANCHOR_END: mount_point
}

fn refuse_link(name: &str, to: &Path) -> Error {
    Error::Unusable(format!(
        "/{name} of the root is a link to {}: nothing is mounted by way of a link",
        to.display()
    ))
}
