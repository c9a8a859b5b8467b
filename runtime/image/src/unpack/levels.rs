//! Where are we in the tree, and how does each directory get the time that it shall have?
//!
//! A directory's time changes with each file that is made in it, so it is set when we leave. We stand
//! on a path of open directories, from the root to the one of the last entry; most entries lie in the
//! same one, or in a directory that was made just before. So nothing is looked up twice, and memory is
//! needed for one path and not for all directories of the layer.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use primitives::{
    Errno, FileKind, Timestamp, fchmod, fsetxattr, futimens, look_at, mkdirat, open_directory_at,
    open_directory_in_root, openat2_itself, unlinkat, utimensat_in,
};

use super::error::{Stop, refused};
use super::manner::Marks;
use super::name::is_at_or_below;

pub(super) const TIME: &str = "let it look as old as it is";
pub(super) const MODE: &str = "let it be read, written and run by those who shall";
pub(super) const CARRIES: &str = "keep what it carries besides its content";
pub(super) const GONE: &str = "let overlayfs know that what is below is gone";
pub(super) const ROOM: &str = "let the later of two entries of one name count";
const WHY: &str = "have the directory that entries go into";

/// How overlayfs writes down that a file is gone: a door to no driver.
pub(super) const NOTHING: FileKind = FileKind::Character(0, 0);

/// What a directory gets when nothing is made in it any more.
#[derive(Debug, Default)]
pub(super) struct Later {
    pub(super) mode: Option<u32>,
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) time: Option<Timestamp>,
}

/// An open directory.
struct Level {
    directory: File,
    /// How much of the path we stand on leads here.
    end: usize,
    /// Whether what is made in it belongs to its group, and not to ours.
    lends_group: bool,
    later: Later,
}

/// A directory that was made just now, and is not open: often there is nothing in it.
struct Leaf {
    name: Vec<u8>,
    time: Timestamp,
}

/// The open directories from the root to where we stand.
pub(super) struct Levels {
    levels: Vec<Level>,
    here: Vec<u8>,
    leaf: Option<Leaf>,
    umask: u32,
    marks: Marks,
    /// Directories that the layer has no entry for, as far as there is room to note them.
    implied: BTreeSet<Vec<u8>>,
    room: usize,
}

/// An attribute of more bytes than this some file systems do not keep.
const ROOM_FOR_IMPLIED: usize = 2048;

/// The bits beyond read, write and execute.
pub(super) const SPECIAL: u32 = 0o7000;

impl Levels {
    /// Stands on the root.
    pub(super) fn at(root: OwnedFd, marks: Marks) -> Levels {
        let root = Level {
            directory: File::from(root),
            end: 0,
            lends_group: false,
            later: Later { mode: Some(0o755), ..Later::default() },
        };
        let (here, implied) = (Vec::new(), BTreeSet::new());
        let (umask, room) = (umask(), ROOM_FOR_IMPLIED);
        Levels { levels: vec![root], here, leaf: None, umask, marks, implied, room }
    }

    /// Goes to a directory, which is made where it is missing.
    pub(super) fn go_to(&mut self, path: &[u8]) -> Result<(), Stop> {
        self.see_to_leaf(path)?;
        while !is_at_or_below(path, &self.here) {
            self.leave()?;
        }
        while self.here.len() < path.len() {
            let rest = &path[self.here.len()..];
            let rest = rest.strip_prefix(b"/").unwrap_or(rest);
            let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            self.enter(&rest[..end])?;
        }
        Ok(())
    }

    /// The directory where we stand.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.top().directory.as_fd()
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.levels[0].directory.as_fd()
    }

    /// Whether what is made here belongs to the group of the directory.
    pub(super) fn lends_group(&self) -> bool {
        self.top().lends_group
    }

    /// Whether a new file of these permissions gets others, or lacks some.
    pub(super) fn spoils(&self, mode: u32) -> bool {
        mode & (SPECIAL | self.umask) != 0
    }

    /// A directory was made here, and all that it lacks is its time.
    pub(super) fn made(&mut self, name: &[u8], time: Timestamp) {
        self.leaf = Some(Leaf { name: name.to_vec(), time });
    }

    /// Goes into a directory that is here, and gives it `later` when we leave. Gives the user and
    /// group that it has.
    pub(super) fn enter_for(&mut self, name: &[u8], later: Later) -> Result<(u32, u32), Stop> {
        self.enter(name)?;
        self.implied.remove(&self.here);
        self.top_mut().later = later;
        self.owner()
    }

    /// As [`Levels::enter_for`], of the directory where we stand.
    pub(super) fn stay_for(&mut self, later: Later) -> Result<(u32, u32), Stop> {
        self.top_mut().later = later;
        self.owner()
    }

    /// What is here under this name; none when there is nothing.
    pub(super) fn look(&self, name: &[u8]) -> Result<Option<FileKind>, Stop> {
        kind_of(self.directory(), name)
    }

    /// Gives all directories what they shall have at last.
    pub(super) fn finish(mut self) -> Result<(), Stop> {
        self.see_to_leaf(b"")?;
        if !self.implied.is_empty() {
            let names: Vec<&[u8]> = self.implied.iter().map(Vec::as_slice).collect();
            let why = "know which directories a layer below has to say more about";
            fsetxattr(self.root(), self.marks.implied(), &names.join(&0), why)?;
        }
        while !self.levels.is_empty() {
            self.leave()?;
        }
        Ok(())
    }

    /// Opens the directory that was made last if `path` leads there, and else gives it its time.
    fn see_to_leaf(&mut self, path: &[u8]) -> Result<(), Stop> {
        let Some(leaf) = self.leaf.take() else { return Ok(()) };
        let below = is_at_or_below(path, &self.here) && {
            let rest = &path[self.here.len()..];
            is_at_or_below(rest.strip_prefix(b"/").unwrap_or(rest), &leaf.name)
        };
        if below {
            let later = Later { time: Some(leaf.time), ..Later::default() };
            return self.enter_for(&leaf.name, later).map(drop);
        }
        utimensat_in(self.directory(), as_path(&leaf.name), leaf.time, TIME)?;
        Ok(())
    }

    fn enter(&mut self, name: &[u8]) -> Result<(), Stop> {
        let directory = match open_directory_at(self.directory(), as_path(name), WHY) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => {
                self.make_implied(name)?;
                self.note_implied(name);
                open_directory_at(self.directory(), as_path(name), WHY)?
            }
            Err(error) if matches!(error.errno(), Some(Errno::ENOTDIR | Errno::ELOOP)) => {
                self.enter_otherwise(name)?
            }
            other => other?,
        };
        let directory = File::from(directory);
        let is = directory.metadata().map_err(|error| Stop::Refused(error.to_string()))?;
        if !self.here.is_empty() {
            self.here.push(b'/');
        }
        self.here.extend_from_slice(name);
        // Somebody has given it this time, unless it is new.
        let time = Timestamp {
            seconds: is.mtime(),
            nanos: u32::try_from(is.mtime_nsec()).unwrap_or_default(),
        };
        self.levels.push(Level {
            directory,
            end: self.here.len(),
            lends_group: is.mode() & 0o2000 != 0,
            later: Later { time: Some(time), ..Later::default() },
        });
        Ok(())
    }

    /// A layer need not have an entry for each directory.
    fn make_implied(&self, name: &[u8]) -> Result<(), Stop> {
        let why = "have a directory that the layer only uses";
        mkdirat(self.directory(), as_path(name), 0o755, why)?;
        if self.spoils(0o755) {
            primitives::fchmodat(self.directory(), as_path(name), 0o755, MODE)?;
        }
        Ok(())
    }

    fn note_implied(&mut self, name: &[u8]) {
        let mut path = self.here.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        if path.len() < self.room {
            self.room -= path.len() + 1;
            self.implied.insert(path);
        }
    }

    /// What is no directory may be a link to one, or a mark that what was there is gone.
    fn enter_otherwise(&self, name: &[u8]) -> Result<OwnedFd, Stop> {
        let shown = String::from_utf8_lossy(name);
        match self.look(name)? {
            Some(FileKind::Link) => self.by_way_of_a_link(name),
            Some(NOTHING) => {
                self.replace_mark(name)?;
                Ok(open_directory_at(self.directory(), as_path(name), WHY)?)
            }
            _ => refused(format!("{shown:?} on its way is no directory")),
        }
    }

    /// A directory that is gone below and is there again hides all that it had.
    pub(super) fn replace_mark(&self, name: &[u8]) -> Result<(), Stop> {
        unlinkat(self.directory(), as_path(name), ROOM)?;
        self.make_implied(name)?;
        self.make_opaque(name)
    }

    /// Hides all that a directory has below.
    pub(super) fn make_opaque(&self, name: &[u8]) -> Result<(), Stop> {
        let directory = open_directory_at(self.directory(), as_path(name), GONE)?;
        fsetxattr(directory.as_fd(), self.marks.opaque(), b"y", GONE)?;
        Ok(())
    }

    /// `var/run` of many images leads to `/run`, which is the root of the layer's.
    fn by_way_of_a_link(&self, name: &[u8]) -> Result<OwnedFd, Stop> {
        let shown = String::from_utf8_lossy(name);
        let mut path = self.here.clone();
        path.push(b'/');
        path.extend_from_slice(name);
        let path = path.strip_prefix(b"/").unwrap_or(&path);
        let why = "find where the link on its way leads to beneath the root";
        match open_directory_in_root(self.root(), as_path(path), why) {
            Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ENOTDIR)) => {
                refused(format!(
                    "the symbolic link {shown:?} on its way leads to no directory of the layer"
                ))
            }
            other => Ok(other?),
        }
    }

    fn leave(&mut self) -> Result<(), Stop> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        self.here.truncate(self.levels.last().map_or(0, |above| above.end));
        let directory = level.directory.as_fd();
        for (name, value) in &level.later.attributes {
            fsetxattr(directory, &String::from_utf8_lossy(name), value, CARRIES)?;
        }
        if let Some(mode) = level.later.mode {
            fchmod(directory, mode, MODE)?;
        }
        if let Some(time) = level.later.time {
            futimens(directory, time, TIME)?;
        }
        Ok(())
    }

    fn owner(&self) -> Result<(u32, u32), Stop> {
        let is = look_at(self.directory()).map_err(|error| Stop::Refused(error.to_string()))?;
        Ok(is.owner)
    }

    fn top(&self) -> &Level {
        self.levels.last().expect("the root is left last, by who has no use for it any more")
    }

    fn top_mut(&mut self) -> &mut Level {
        self.levels.last_mut().expect("the root is left last, by who has no use for it any more")
    }
}

/// What a name in an open directory is; none when there is nothing.
pub(super) fn kind_of(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<FileKind>, Stop> {
    let why = "see what is there already";
    match openat2_itself(directory, as_path(name), why) {
        Ok(file) => match look_at(file.as_fd()) {
            Ok(seen) => Ok(Some(seen.kind)),
            Err(error) => refused(error.to_string()),
        },
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// The permission bits that new files of this process do not get.
fn umask() -> u32 {
    let status = primitives::read_small(Path::new("/proc/self/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    // Where it is not told, it may be any of them.
    mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o777)
}
