//! Where in the root is something, when somebody else has made the root?
//!
//! A place is an open descriptor. The kernel has looked it up with the root as its limit (`openat2`),
//! so that links in it mean what they mean to a program in there; and what was found stays what it is,
//! whatever happens to its name.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use primitives::{
    Errno, Error, FileKind, Result, Seen, link_target, look_at, mkdirat, mknodat, open_path,
    openat2_in_root, openat2_itself, openat2_without_links,
};

use super::{about, answer};

/// The root directory of a container, while it is made.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    /// What was mounted in it, in that order: the destination and the mount itself.
    mounts: RefCell<Vec<(PathBuf, OwnedFd)>>,
}

/// A file or directory in a root.
#[derive(Debug)]
pub struct Place {
    fd: OwnedFd,
    is_new: bool,
}

/// How many links a path may lead through; the kernel has the same limit.
const MOST_LINKS: u32 = 40;
/// How often a name may appear and vanish again before we give up.
const TRIES: u32 = 128;

impl Root {
    pub(super) fn new(fd: OwnedFd) -> Root {
        Root { fd, mounts: RefCell::default() }
    }

    /// The root that this process has already, for one that has joined a container.
    ///
    /// # Errors
    /// Those of `open_path`.
    pub fn of_this_process() -> Result<Root> {
        open_path("/", "begin at the container's root").map(Root::new)
    }

    /// Keeps a mount, to come back to it whatever happens to the path that it was attached at.
    pub(super) fn keep(&self, destination: &Path, mount: OwnedFd) {
        self.mounts.borrow_mut().push((destination.to_path_buf(), mount));
    }

    /// Goes through the mounts that were kept.
    pub(super) fn each_mount(
        &self,
        mut body: impl FnMut(&Path, BorrowedFd<'_>) -> Result<()>,
    ) -> Result<()> {
        let mounts = self.mounts.borrow();
        mounts.iter().try_for_each(|(destination, mount)| body(destination, mount.as_fd()))
    }

    /// As [`Root::find`]; but what lies in `/proc` or `/sys` is looked up in what was mounted there, and
    /// not by a path. An enemy who can rename directories of the root could hide `/proc` for the moment
    /// in which it is guarded.
    ///
    /// # Errors
    /// There is no way to it that stays inside.
    pub(super) fn find_in_mount(&self, path: &Path) -> Result<Option<Place>> {
        let mounts = self.mounts.borrow();
        let holds = |top: &str| path.starts_with(top);
        let Some(top) = ["/proc", "/sys"].into_iter().find(|top| holds(top)) else {
            return self.find(path);
        };
        let mount = mounts.iter().rev().find(|(destination, _)| destination == Path::new(top));
        match (mount, path.strip_prefix(top)) {
            (Some((_, mount)), Ok(rest)) if rest != Path::new("") => find_from(mount.as_fd(), rest),
            _ => self.find(path),
        }
    }

    /// What a program in the container would find at this path.
    ///
    /// # Errors
    /// There is nothing, or no way to it that stays inside.
    pub fn place(&self, path: &Path) -> Result<Place> {
        place_from(self.as_fd(), path)
    }

    /// As [`Root::place`]; none where there is nothing.
    ///
    /// # Errors
    /// There is no way to it that stays inside.
    pub fn find(&self, path: &Path) -> Result<Option<Place>> {
        find_from(self.as_fd(), path)
    }

    /// The directory at this path, made where it is missing, with all that is missing above it.
    ///
    /// # Errors
    /// Something else is there, or there is no way to it that stays inside.
    pub fn make_directory(&self, path: &Path) -> Result<Place> {
        if let Some(place) = self.find(path)? {
            return Ok(place);
        }
        if let Some(place) = self.make_last(path).map_err(|error| about(path, error))? {
            return Ok(place);
        }
        self.walk(path, FileKind::Directory).map_err(|error| about(path, error))
    }

    /// A directory of which only the last name is missing, as most are. None where there is more to it.
    fn make_last(&self, path: &Path) -> Result<Option<Place>> {
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        let Some(above) = self.find(above)? else { return Ok(None) };
        let (above, name) = (above.as_fd(), Path::new(name));
        match mkdirat(above, name, 0o755, "have a directory to mount on") {
            Ok(()) => {}
            // A link that leads nowhere, or somebody was faster.
            Err(error) if matches!(answer(&error), Some(Errno::EEXIST | Errno::ENOTDIR)) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let fd = openat2_itself(above, name, "have the directory that was just made")?;
        let place = Place { fd, is_new: true };
        Ok((place.look(path)?.kind == FileKind::Directory).then_some(place))
    }

    /// What is at this path and is no directory: an empty file where nothing is, with all directories
    /// that are missing above it.
    ///
    /// # Errors
    /// There is no way to it that stays inside.
    pub fn make_file(&self, path: &Path) -> Result<Place> {
        match self.find(path)? {
            Some(place) => Ok(place),
            None => self.walk(path, FileKind::Regular).map_err(|error| about(path, error)),
        }
    }

    /// The directory at this path, made where it is missing; a symbolic link on the way is refused,
    /// also where it would stay inside. Whoever mounts `/proc` through a link has it somewhere else
    /// (CVE-2019-19921, CVE-2023-27561).
    ///
    /// # Errors
    /// Something else is there.
    pub fn make_directory_without_links(&self, path: &Path) -> Result<Place> {
        let why = "have this very directory, because programs trust what is mounted there";
        let place = match openat2_without_links(self.as_fd(), path, why) {
            Ok(fd) => Place { fd, is_new: false },
            Err(error) if answer(&error) == Some(Errno::ENOENT) => {
                self.walk(path, FileKind::Directory)?;
                Place { fd: openat2_without_links(self.as_fd(), path, why)?, is_new: true }
            }
            Err(error) => return Err(about(path, error)),
        };
        match place.look(path)?.kind {
            FileKind::Directory => Ok(place),
            other => Err(refused(path, format!("is {other}, and must be a directory"))),
        }
    }

    /// Goes to a path one name after the other, and makes what is missing. A link is followed as the
    /// kernel would, also to what is not there yet: `/etc/resolv.conf` of many images leads to a file
    /// that only a running system has.
    fn walk(&self, path: &Path, last: FileKind) -> Result<Place> {
        let mut here = self.top()?;
        let mut reached = PathBuf::from("/");
        let mut names = names(path);
        let mut links = 0;
        let mut is_new = false;
        while let Some(name) = names.pop_front() {
            if name == ".." {
                reached.pop();
                here = openat2_itself(self.as_fd(), &reached, "go up, but never out")?;
                continue;
            }
            let kind = if names.is_empty() { last } else { FileKind::Directory };
            let (next, seen, made) = step_into(&here, Path::new(&name), kind)?;
            is_new = made;
            match seen.kind {
                FileKind::Link => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(refused(path, "leads through too many symbolic links"));
                    }
                    let target = link_target(next.as_fd()).map_err(|e| refused(path, e))?;
                    if target.is_absolute() {
                        reached = PathBuf::from("/");
                        here = self.top()?;
                    }
                    names = self::names(&target).into_iter().chain(names).collect();
                }
                FileKind::Directory => {
                    reached.push(name);
                    here = next;
                }
                _ if names.is_empty() => return Ok(Place { fd: next, is_new }),
                other => {
                    let middle = reached.join(name);
                    let wrong = format!("is {other}, and must be a directory to lead on");
                    return Err(refused(&middle, wrong));
                }
            }
        }
        Ok(Place { fd: here, is_new })
    }

    fn top(&self) -> Result<OwnedFd> {
        openat2_itself(self.as_fd(), Path::new("/"), "begin at the top of the root")
    }
}

fn place_from(top: BorrowedFd<'_>, path: &Path) -> Result<Place> {
    look_up(top, path).map_err(|error| about(path, error))
}

fn find_from(top: BorrowedFd<'_>, path: &Path) -> Result<Option<Place>> {
    match look_up(top, path) {
        Ok(place) => Ok(Some(place)),
        Err(error) if matches!(answer(&error), Some(Errno::ENOENT | Errno::ENOTDIR)) => Ok(None),
        Err(error) => Err(about(path, error)),
    }
}

fn look_up(top: BorrowedFd<'_>, path: &Path) -> Result<Place> {
    let why = "find it as a program in the root would, with no way out";
    openat2_in_root(top, path, why).map(|fd| Place { fd, is_new: false })
}

/// Opens a name in a directory, and makes it first where nothing is there.
fn step_into(directory: &OwnedFd, name: &Path, kind: FileKind) -> Result<(OwnedFd, Seen, bool)> {
    let directory = directory.as_fd();
    let mut made = false;
    for _ in 0..TRIES {
        match openat2_itself(directory, name, "go one name further, and see whether it is a link") {
            Ok(found) => {
                let seen = look_at(found.as_fd()).map_err(|error| refused(name, error))?;
                return Ok((found, seen, made));
            }
            Err(error) if answer(&error) == Some(Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
        let result = match kind {
            FileKind::Directory => mkdirat(directory, name, 0o755, "have a directory to mount on"),
            _ => mknodat(directory, name, kind, 0o644, "have a file to mount a file on"),
        };
        match result {
            Ok(()) => made = true,
            // Somebody else was faster; what that is shows when it is opened.
            Err(error) if answer(&error) == Some(Errno::EEXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Err(refused(name, "appears and vanishes: somebody changes the root while it is used"))
}

/// The names in a path that count.
fn names(path: &Path) -> VecDeque<OsString> {
    let counts = |component: &Component<'_>| {
        matches!(component, Component::Normal(_) | Component::ParentDir)
    };
    path.components().filter(counts).map(|name| name.as_os_str().to_os_string()).collect()
}

pub(super) fn refused(path: &Path, wrong: impl std::fmt::Display) -> Error {
    Error::Unusable(format!("{} in the container's root {wrong}", path.display()))
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Place {
    pub(super) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Whether it was made by looking for it.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// What it is; `path` is how it was found, for an error that is not to be expected.
    pub(super) fn look(&self, path: &Path) -> Result<Seen> {
        look_at(self.as_fd()).map_err(|error| refused(path, error))
    }
}

impl AsFd for Place {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
