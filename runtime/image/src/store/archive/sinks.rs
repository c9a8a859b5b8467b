//! Where do the files of a layout go: into a tar archive, or into a directory?

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use primitives::{
    clean_up, clean_up_tree, create_durably, create_unnamed, flock_exclusive_now, fsync,
    fsync_directory, link_fd, mkdir, open_directory, open_to_write, remove_tree, rename, unlink,
    write_all,
};

use super::load::pour;
use crate::store::locks::busy;
use crate::store::receiving::PIECE;
use crate::store::{Error, Result};

/// Takes files, one after the other.
pub(super) trait Sink {
    /// A file of this size.
    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<()>;

    /// A small file.
    fn small(&mut self, name: &str, content: &[u8]) -> Result<()> {
        self.file(name, content.len() as u64, &mut &*content)
    }
}

/// A tar archive. The same files give the same archive.
pub(super) struct Tar<W: Write> {
    builder: tar::Builder<W>,
}

impl<W: Write> Tar<W> {
    pub(super) fn new(out: W) -> Tar<W> {
        Tar { builder: tar::Builder::new(out) }
    }

    pub(super) fn finish(self) -> Result<()> {
        let mut out = self.builder.into_inner().map_err(unwritable)?;
        out.flush().map_err(unwritable)
    }
}

impl<W: Write> Sink for Tar<W> {
    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(size);
        header.set_mode(0o644);
        self.builder.append_data(&mut header, name, content).map_err(unwritable)
    }
}

fn unwritable(why: io::Error) -> Error {
    match why.downcast::<primitives::Error>() {
        Ok(error) => Error::Machine(error),
        Err(why) if why.kind() == io::ErrorKind::InvalidData => {
            Error::Unusable(format!("what is in the store is spoiled, see `image fsck`: {why}"))
        }
        Err(why) => Error::Unusable(format!("the archive cannot be written: {why}")),
    }
}

/// A directory that has its name when all is in it. What a killed command left of an earlier try is
/// taken away by the next one.
pub(super) struct Folder {
    temporary: PathBuf,
    place: PathBuf,
    made: Vec<String>,
    finished: bool,
    /// The directory itself, locked: who writes into it lives.
    _lock: File,
}

impl Folder {
    pub(super) fn new(place: &Path) -> Result<Folder> {
        if place.symlink_metadata().is_ok() {
            return Err(Error::Unusable(format!("there is something at {}", place.display())));
        }
        let temporary = beside(place, ".part")?;
        if let Ok(left) = File::open(&temporary) {
            if busy(flock_exclusive_now(&left, "see whether anybody writes here"))? {
                let why = format!("another command writes {} already", place.display());
                return Err(Error::Unusable(why));
            }
            remove(&temporary, remove_tree, "take away what a killed command left")?;
        }
        mkdir(temporary.as_path(), 0o755, "write the layout where nobody looks for it")?;
        let lock = File::open(&temporary).map_err(Error::reading(&temporary))?;
        flock_exclusive_now(&lock, "let others see that somebody writes here")?;
        let place = place.to_path_buf();
        Ok(Folder { temporary, place, made: Vec::new(), finished: false, _lock: lock })
    }

    pub(super) fn finish(mut self) -> Result<()> {
        fsync_directory(&self.temporary, "have all of the layout on the disk")?;
        rename(&self.temporary, &self.place, "show the layout, whole")?;
        self.finished = true;
        Ok(())
    }

    fn make_folders(&mut self, name: &str) -> Result<()> {
        for (at, _) in name.match_indices('/') {
            let folder = &name[..at];
            if !self.made.iter().any(|made| made == folder) {
                let path = self.temporary.join(folder);
                mkdir(path.as_path(), 0o755, "have the folder that the layout wants")?;
                self.made.push(folder.to_string());
            }
        }
        Ok(())
    }
}

impl Sink for Folder {
    fn file(&mut self, name: &str, _: u64, content: &mut dyn Read) -> Result<()> {
        self.make_folders(name)?;
        let mut out = Pieces::create(&self.temporary.join(name))?;
        pour(content, &mut out).map_err(unwritable)?;
        out.settle()
    }

    fn small(&mut self, name: &str, content: &[u8]) -> Result<()> {
        self.make_folders(name)?;
        let path = self.temporary.join(name);
        Ok(create_durably(&path, content, 0o644, "say what is in the layout")?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let _ = remove(&self.temporary, clean_up_tree, "leave no half of a layout");
    }
}

/// A hidden name beside a place.
fn beside(place: &Path, ending: &str) -> Result<PathBuf> {
    let Some(name) = place.file_name() else {
        return Err(Error::Unusable(format!(
            "{:?} has no name that it could get",
            place.display()
        )));
    };
    let name = [OsStr::new("."), name, OsStr::new(ending)];
    Ok(folder_of(place).join(name.into_iter().collect::<OsString>()))
}

/// The directory that a place is in.
fn folder_of(place: &Path) -> &Path {
    let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn remove(
    tree: &Path,
    how: impl FnOnce(OwnedFd, &Path, &'static str) -> primitives::Result<()>,
    why: &'static str,
) -> Result<()> {
    let folder = folder_of(tree);
    let open = open_directory(folder).map_err(Error::reading(folder))?;
    Ok(how(open, Path::new(tree.file_name().unwrap_or_default()), why)?)
}

/// A file that is written in large pieces.
pub(super) struct Pieces {
    file: OwnedFd,
    piece: Vec<u8>,
}

impl Pieces {
    pub(super) fn create(path: &Path) -> Result<Pieces> {
        let file = open_to_write(path, 0o644, "have a file to write into")?;
        Ok(Pieces { file, piece: Vec::new() })
    }

    /// Waits until all of it is on the disk.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.put_down()?;
        Ok(fsync(&self.file, "have all of it on the disk before it has its name")?)
    }

    fn put_down(&mut self) -> primitives::Result<()> {
        if !self.piece.is_empty() {
            write_all(&self.file, &self.piece, "write what is asked for")?;
            self.piece.clear();
        }
        Ok(())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.put_down().map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put_down().map_err(io::Error::other)
    }
}

/// A file that has its name when all is in it; what was there before stays until then. Until then it has
/// no name at all, and is gone with its process.
pub struct NewFile {
    pieces: Pieces,
    place: PathBuf,
}

impl NewFile {
    /// Begins a file that will be at `place`.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn create(place: &Path) -> Result<NewFile> {
        beside(place, "")?;
        let why = "write the archive where nobody finds half of it";
        let file = create_unnamed(folder_of(place), b"", 0o644, why)?;
        Ok(NewFile { pieces: Pieces { file, piece: Vec::new() }, place: place.to_path_buf() })
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn finish(mut self) -> Result<()> {
        self.pieces.settle()?;
        if self.place.symlink_metadata().is_err() {
            return Ok(link_fd(self.pieces.file.as_fd(), &self.place, "show the archive, whole")?);
        }
        // No file without a name takes the place of another one: it needs one for a moment.
        let moment = beside(&self.place, ".new")?;
        if moment.symlink_metadata().is_ok() {
            unlink(&moment, "take away what a killed command left")?;
        }
        link_fd(self.pieces.file.as_fd(), &moment, "have a name that can be moved")?;
        rename(&moment, &self.place, "replace the old archive in one moment").map_err(|error| {
            let _ = clean_up::unlink(&moment, "leave no second name behind");
            Error::Machine(error)
        })
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pieces.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pieces.flush()
    }
}
