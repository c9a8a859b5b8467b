//! How does an entry become a file, and never a file somewhere else?
//!
//! It is made in the open directory that it belongs to, under its last name, and as something new:
//! what was there before is removed and not written through. The order of requests is the kernel's:
//! giving a file away takes its set-user-ID bit and its capabilities, so both come after; and all but
//! the last would change its time.

use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd};

use primitives::{
    Content, Errno, FileKind, Unfilled, create_at, fchmod, fchmodat, fchown, fchownat, fsetxattr,
    futimens, linkat, lsetxattr, mkdirat, mknodat, open_directory_in_root, rmdirat, symlinkat,
    unlinkat, utimensat_in,
};

use super::budget::Budget;
use super::error::{Stop, refused};
use super::levels::{CARRIES, GONE, Later, Levels, MODE, NOTHING, ROOM, TIME, as_path, kind_of};
use super::manner::{Devices, Manner, Owners, is_kept};
use super::name::{Meaning, Name};
use super::tar::{Entry, Fault, Kind, Reader};

const WHY: &str = "have what is in the layer";
const OWNER: &str = "give it to whom it belongs";

/// The files of a layer, as they are made.
pub(super) struct Tree<'a> {
    levels: Levels,
    manner: Manner,
    budget: &'a Budget,
    /// To whom new files belong.
    own: (u32, u32),
    name: Name,
    target: Name,
    /// How many doors to drivers were left out.
    pub(super) left_out: u64,
}

impl<'a> Tree<'a> {
    pub(super) fn new(levels: Levels, manner: Manner, budget: &'a Budget) -> Tree<'a> {
        let (own, name, target) = (primitives::own_ids(), Name::default(), Name::default());
        Tree { levels, manner, budget, own, name, target, left_out: 0 }
    }

    /// Makes what an entry says, with the content that `reader` has for it.
    pub(super) fn make(
        &mut self,
        entry: &mut Entry,
        reader: &mut Reader<impl BufRead>,
    ) -> Result<(), Stop> {
        let mut name = std::mem::take(&mut self.name);
        let made = name
            .read(&entry.name, self.budget)
            .and_then(|()| self.make_named(&name, entry, reader));
        self.name = name;
        made
    }

    /// Gives the directories what they shall have at last.
    pub(super) fn finish(self) -> Result<(), Stop> {
        self.levels.finish()
    }

    fn make_named(
        &mut self,
        name: &Name,
        entry: &mut Entry,
        reader: &mut Reader<impl BufRead>,
    ) -> Result<(), Stop> {
        let meaning = name.meaning()?;
        self.choose_attributes(entry)?;
        self.levels.go_to(name.parent())?;
        let last = name.last();
        match (meaning, entry.kind) {
            (Meaning::Itself, Kind::Directory) => self.make_directory(last, entry),
            (Meaning::Itself, _) if last.is_empty() => {
                refused("the root of a layer is a directory and nothing else")
            }
            (Meaning::Itself, Kind::File) => self.make_file(last, entry, reader),
            (Meaning::Itself, Kind::Link) => self.make_link(name, entry),
            (Meaning::Itself, _) => self.make_special(last, entry),
            (_, Kind::File) if entry.length == 0 => self.mark_gone(meaning),
            (_, _) => refused("a name that says that something is gone is for an empty file"),
        }
    }

    /// Those that a layer may set; those of what can have none are none of its business.
    fn choose_attributes(&self, entry: &mut Entry) -> Result<(), Stop> {
        let bytes = entry.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.budget.allows_attributes(bytes).map_err(Stop::Other)?;
        let kind = entry.kind;
        entry.attributes.retain(|(name, _)| match kind {
            Kind::Symlink | Kind::Link => false,
            Kind::File => is_kept(name),
            Kind::Directory => is_kept(name) && name != b"security.capability",
            _ => is_kept(name) && name.starts_with(b"system."),
        });
        Ok(())
    }

    fn make_directory(&mut self, name: &[u8], entry: &mut Entry) -> Result<(), Stop> {
        let mut later = Later {
            mode: Some(entry.mode),
            attributes: std::mem::take(&mut entry.attributes),
            time: Some(entry.time),
        };
        if name.is_empty() {
            let is = self.levels.stay_for(later)?;
            return self.give_directory(is, entry.owner);
        }
        if !self.make_or_find_directory(name, entry.mode)? {
            let is = self.levels.enter_for(name, later)?;
            return self.give_directory(is, entry.owner);
        }
        if self.belongs_to_another(entry.owner) {
            self.squash(fchownat(self.here(), as_path(name), entry.owner.0, entry.owner.1, OWNER))?;
        }
        if self.levels.spoils(entry.mode) || self.levels.lends_group() || self.is_ordinary() {
            self.levels.enter_for(name, later)?;
        } else if later.attributes.is_empty() {
            self.levels.made(name, entry.time);
        } else {
            later.mode = None;
            self.levels.enter_for(name, later)?;
        }
        Ok(())
    }

    /// Whether a directory of this name was made now; otherwise it was there.
    fn make_or_find_directory(&mut self, name: &[u8], mode: u32) -> Result<bool, Stop> {
        // Who is no root needs to get into it, until all is in.
        let mode = mode & 0o777 | if self.is_ordinary() { 0o700 } else { 0 };
        let make = |tree: &Tree<'_>| mkdirat(tree.here(), as_path(name), mode, WHY);
        match make(self) {
            Err(error) if error.errno() == Some(Errno::EEXIST) => {}
            other => return Ok(other.map(|()| true)?),
        }
        match self.levels.look(name)? {
            Some(FileKind::Directory) => return Ok(false),
            Some(NOTHING) => {
                unlinkat(self.here(), as_path(name), ROOM)?;
                make(self)?;
                self.levels.make_opaque(name)?;
            }
            _ => {
                unlinkat(self.here(), as_path(name), ROOM)?;
                make(self)?;
            }
        }
        Ok(true)
    }

    fn give_directory(&self, is: (u32, u32), owner: (u32, u32)) -> Result<(), Stop> {
        match is == owner {
            true => Ok(()),
            false => self.squash(fchown(self.here(), owner.0, owner.1, OWNER)),
        }
    }

    fn make_file(
        &mut self,
        name: &[u8],
        entry: &Entry,
        reader: &mut Reader<impl BufRead>,
    ) -> Result<(), Stop> {
        let mode = entry.mode & 0o777;
        let fill = |content: &mut Content<'_>| fill_file(content, entry, reader);
        let made = match create_at(self.here(), as_path(name), mode, WHY, fill) {
            Err(error) if error.errno() == Some(Errno::EEXIST) => {
                self.make_room(name)?;
                let fill = |content: &mut Content<'_>| fill_file(content, entry, reader);
                create_at(self.here(), as_path(name), mode, WHY, fill)?
            }
            other => other?,
        };
        let file = made?;
        if self.belongs_to_another(entry.owner) {
            self.squash(fchown(file.as_fd(), entry.owner.0, entry.owner.1, OWNER))?;
        }
        if self.levels.spoils(entry.mode) {
            fchmod(file.as_fd(), entry.mode, MODE)?;
        }
        for (name, value) in &entry.attributes {
            fsetxattr(file.as_fd(), &String::from_utf8_lossy(name), value, CARRIES)?;
        }
        futimens(file.as_fd(), entry.time, TIME)?;
        Ok(())
    }

    /// A second name of a file that came before. What belongs to the file belongs to it already.
    fn make_link(&mut self, name: &Name, entry: &Entry) -> Result<(), Stop> {
        let mut target = std::mem::take(&mut self.target);
        let made = target.read(&entry.link, self.budget).and_then(|()| self.link(name, &target));
        self.target = target;
        made
    }

    fn link(&mut self, name: &Name, target: &Name) -> Result<(), Stop> {
        let shown = String::from_utf8_lossy(target.path()).into_owned();
        let refuse = |why: &str| refused(format!("it is to be the same file as {shown:?}, {why}"));
        if name == target {
            return refuse("which it is");
        }
        let elsewhere = match target.parent() == name.parent() {
            true => None,
            false => {
                let path = match target.parent() {
                    b"" => b".",
                    path => path,
                };
                let why = "find the file that shall have a second name beneath the root";
                match open_directory_in_root(self.levels.root(), as_path(path), why) {
                    Err(error) if is_missing(&error) => return refuse("which is not in the layer"),
                    other => Some(other?),
                }
            }
        };
        let directory = elsewhere.as_ref().map_or(self.here(), AsFd::as_fd);
        match kind_of(directory, target.last())? {
            None => return refuse("which is no earlier entry of the layer"),
            Some(FileKind::Directory) => return refuse("and a directory has one name only"),
            Some(NOTHING) => return refuse("which the layer says is gone"),
            Some(_) => {}
        }
        let why = "let two names be the same file, as in the layer";
        let (old, new) = (as_path(target.last()), as_path(name.last()));
        match linkat((directory, old), (self.here(), new), why) {
            Err(error) if error.errno() == Some(Errno::EEXIST) => {
                self.make_room(name.last())?;
                linkat((directory, old), (self.here(), new), why)?;
            }
            other => other?,
        }
        Ok(())
    }

    /// Makes what has no content: a symbolic link, a named pipe, a door to a driver.
    fn make_special(&mut self, name: &[u8], entry: &Entry) -> Result<(), Stop> {
        let Some(kind) = self.kind_of_special(entry)? else {
            self.left_out += 1;
            return Ok(());
        };
        let path = as_path(name);
        let make = |tree: &Tree<'_>| match kind {
            FileKind::Link => symlinkat(as_path(&entry.link), tree.here(), path, WHY),
            kind => mknodat(tree.here(), path, kind, entry.mode & 0o777, WHY),
        };
        match make(self) {
            Err(error) if error.errno() == Some(Errno::EEXIST) => {
                self.make_room(name)?;
                make(self)?;
            }
            other => other?,
        }
        if self.belongs_to_another(entry.owner) {
            self.squash(fchownat(self.here(), path, entry.owner.0, entry.owner.1, OWNER))?;
        }
        // A link has no permissions, and this would follow it.
        if kind != FileKind::Link && self.levels.spoils(entry.mode) {
            fchmodat(self.here(), path, entry.mode, MODE)?;
        }
        for (attribute, value) in &entry.attributes {
            let attribute = String::from_utf8_lossy(attribute);
            lsetxattr(&by_way_of(self.here(), name), &attribute, value, CARRIES)?;
        }
        utimensat_in(self.here(), path, entry.time, TIME)?;
        Ok(())
    }

    /// What it shall be; none when it is left out.
    fn kind_of_special(&self, entry: &Entry) -> Result<Option<FileKind>, Stop> {
        let (kind, major, minor) = match entry.kind {
            Kind::Symlink if entry.link.is_empty() => return refused("it is a link to nothing"),
            Kind::Symlink if entry.link.contains(&0) => {
                return refused("there is a zero byte in what it links to");
            }
            Kind::Symlink => return Ok(Some(FileKind::Link)),
            Kind::Character(0, 0) => {
                return refused("overlayfs would take it for a mark that something is gone");
            }
            Kind::Character(major, minor) => (FileKind::Character(major, minor), major, minor),
            Kind::Block(major, minor) => (FileKind::Block(major, minor), major, minor),
            _ => return Ok(Some(FileKind::Fifo)),
        };
        // More bits than these the kernel cuts off, and has another device.
        if major >= 1 << 12 || minor >= 1 << 20 {
            return refused(format!("there is no device {major}:{minor}"));
        }
        Ok((self.manner.devices == Devices::Made).then_some(kind))
    }

    /// What a layer says is gone is gone below it: what it has itself under that name is not meant.
    fn mark_gone(&mut self, meaning: Meaning<'_>) -> Result<(), Stop> {
        let Meaning::Gone(name) = meaning else {
            fsetxattr(self.here(), self.manner.marks.opaque(), b"y", GONE)?;
            return Ok(());
        };
        match mknodat(self.here(), as_path(name), NOTHING, 0, GONE) {
            Err(error) if error.errno() == Some(Errno::EEXIST) => {}
            other => return Ok(other?),
        }
        match self.levels.look(name)? {
            Some(FileKind::Directory) => self.levels.make_opaque(name),
            _ => Ok(()),
        }
    }

    /// Removes what an earlier entry has made under this name.
    fn make_room(&self, name: &[u8]) -> Result<(), Stop> {
        if self.levels.look(name)? != Some(FileKind::Directory) {
            return Ok(unlinkat(self.here(), as_path(name), ROOM)?);
        }
        match rmdirat(self.here(), as_path(name), ROOM) {
            Err(error) if error.errno() == Some(Errno::ENOTEMPTY) => {
                refused("there is a directory of this name in the layer, with something in it")
            }
            other => Ok(other?),
        }
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.levels.directory()
    }

    fn belongs_to_another(&self, owner: (u32, u32)) -> bool {
        owner != self.own || self.levels.lends_group()
    }

    /// Whether permissions are for this process, too.
    fn is_ordinary(&self) -> bool {
        self.own.0 != 0
    }

    /// Where owners may be squashed, a file that cannot be given away stays ours.
    fn squash(&self, given: primitives::Result<()>) -> Result<(), Stop> {
        match given {
            Err(primitives::Error::Request(refusal))
                if self.manner.owners == Owners::Squashed
                    && !refusal.here
                    && matches!(refusal.errno, Errno::EINVAL | Errno::EPERM) =>
            {
                Ok(())
            }
            other => Ok(other?),
        }
    }
}

fn is_missing(error: &primitives::Error) -> bool {
    matches!(error.errno(), Some(Errno::ENOENT | Errno::ENOTDIR))
}

fn by_way_of(directory: BorrowedFd<'_>, name: &[u8]) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    std::path::PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(as_path(name))
}

/// Pours the content of an entry into its file, as it comes out of the archive.
fn fill_file(
    content: &mut Content<'_>,
    entry: &Entry,
    reader: &mut Reader<impl BufRead>,
) -> Result<(), Unfilled<Fault>> {
    let Some(segments) = &entry.segments else {
        return pour(content, entry.length, reader);
    };
    for segment in segments {
        content.go_to(segment.start)?;
        pour(content, segment.length, reader)?;
    }
    content.end_at(entry.length)
}

fn pour(
    content: &mut Content<'_>,
    mut length: u64,
    reader: &mut Reader<impl BufRead>,
) -> Result<(), Unfilled<Fault>> {
    while length > 0 {
        let piece = reader.piece().map_err(Unfilled::Source)?;
        let most = usize::try_from(length).unwrap_or(usize::MAX).min(piece.len());
        content.write(&piece[..most])?;
        reader.consume(most);
        length -= most as u64;
    }
    Ok(())
}
