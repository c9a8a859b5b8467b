//! Where do the files of a layout go: into a tar archive, or into a directory?

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use primitives::{
    clean_up, clean_up_tree, create_durably, fsync, fsync_directory, mkdir, mkdtemp,
    open_directory, open_to_write, rename, write_all,
};

use super::load::pour;
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

/// A directory that has its name when all is in it.
pub(super) struct Folder {
    temporary: PathBuf,
    place: PathBuf,
    made: Vec<String>,
    finished: bool,
}

impl Folder {
    pub(super) fn new(place: &Path) -> Result<Folder> {
        if place.symlink_metadata().is_ok() {
            return Err(Error::Unusable(format!("there is something at {}", place.display())));
        }
        let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let temporary = mkdtemp(parent, ".image-", "write the layout where nobody looks for it")?;
        let place = place.to_path_buf();
        Ok(Folder { temporary, place, made: Vec::new(), finished: false })
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
        let (Some(parent), Some(name)) = (self.temporary.parent(), self.temporary.file_name())
        else {
            return;
        };
        if let Ok(open) = open_directory(parent) {
            let _ = clean_up_tree(&open, Path::new(name), "leave no half of a layout");
        }
    }
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

/// A file that has its name when all is in it; what was there before stays until then.
pub struct NewFile {
    pieces: Pieces,
    temporary: PathBuf,
    place: PathBuf,
    finished: bool,
}

impl NewFile {
    /// Begins a file that will be at `place`.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn create(place: &Path) -> Result<NewFile> {
        let mut name = std::ffi::OsString::from(".");
        name.push(place.file_name().ok_or_else(|| {
            Error::Unusable(format!("{} cannot be the name of a file", place.display()))
        })?);
        name.push(format!(".{}", std::process::id()));
        let temporary = place.with_file_name(name);
        let pieces = Pieces::create(&temporary)?;
        Ok(NewFile { pieces, temporary, place: place.to_path_buf(), finished: false })
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn finish(mut self) -> Result<()> {
        self.pieces.settle()?;
        rename(&self.temporary, &self.place, "show the archive, whole")?;
        self.finished = true;
        Ok(())
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

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            let _ = clean_up::unlink(&self.temporary, "leave no half of an archive");
        }
    }
}
