//! How does a blob come in, once, even when it comes in parts and several commands want it?
//!
//! Its bytes go into a file below `ingest/`, whose name is the digest. Who writes into it holds a lock
//! on the file itself, so whoever else wants the same blob waits, and then finds it here. If the writer
//! is interrupted the file stays, and the next one goes on behind its last byte: the digest is computed
//! over all of them, the old and the new, before the file gets its place among the blobs.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use primitives::{
    clean_up, flock_exclusive, flock_exclusive_now, fsync, ftruncate, is_named, open_to_write,
    rename, unlink, write_all,
};

use super::locks::{busy, tell_that_we_wait};
use super::{Error, Result, Store};
use crate::digest::{Digest, Hasher};
use crate::model::Descriptor;

/// How much is written at once: a line in the trace for each megabyte, and not for each packet.
pub(super) const PIECE: usize = 1 << 20;

/// Whether there is anything to be done for a blob.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there are as many as threads, and not for long")]
pub enum Arrival {
    /// It is here; another command may have brought it while this one waited.
    AlreadyHere,
    /// It has to be brought.
    Awaited(Receiving),
}

/// A blob that comes in. Nobody else brings the same one meanwhile.
///
/// Dropped before it is finished it leaves what came so far, to be gone on with.
#[derive(Debug)]
pub struct Receiving {
    digest: Digest,
    size: u64,
    /// What was there when it began.
    had: u64,
    /// How many bytes there are in all, of which those in `piece` are not written yet.
    seen: u64,
    hasher: Hasher,
    piece: Vec<u8>,
    file: OwnedFd,
    from: PathBuf,
    to: PathBuf,
}

impl Store {
    /// Begins to bring a blob, or goes on with it. Waits while another command, or another thread,
    /// brings the same one: so nobody holds one and waits for a second.
    ///
    /// # Errors
    /// It cannot be written, or what came so far cannot be read.
    pub fn receive(&self, wanted: &Descriptor) -> Result<Arrival> {
        self.receive_sized(&wanted.digest, wanted.size)
    }

    pub(super) fn receive_sized(&self, digest: &Digest, size: u64) -> Result<Arrival> {
        let (from, to) = (self.ingest(digest), self.blob(digest));
        let is_here = || to.symlink_metadata().is_ok_and(|is| is.is_file() && is.len() == size);
        loop {
            if is_here() {
                return Ok(Arrival::AlreadyHere);
            }
            let file = open_to_write(&from, 0o600, "have a place for what comes of the blob")?;
            let why = "be the only one who brings this blob";
            if busy(flock_exclusive_now(&file, why))? {
                tell_that_we_wait(&from);
                flock_exclusive(&file, why)?;
            }
            // Whoever had it may have finished it, and then this is the blob itself; or given it up.
            if !is_named(&file, &from) {
                continue;
            }
            if is_here() {
                unlink(&from, "bring nothing that is here already")?;
                return Ok(Arrival::AlreadyHere);
            }
            let (digest, hasher) = (digest.clone(), Hasher::new(digest.algorithm()));
            let (had, seen, piece) = (0, 0, Vec::new());
            let new = Receiving { digest, size, had, seen, hasher, piece, file, from, to };
            return Ok(Arrival::Awaited(new.go_on()?));
        }
    }
}

impl Receiving {
    /// How many bytes of the blob there are from an earlier try. Those that follow are to be written.
    pub fn have(&self) -> u64 {
        self.had
    }

    /// Those bytes, once more, for who has more to do with the blob than to keep it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn earlier(&self) -> Result<impl Read + use<>> {
        let file = File::open(&self.from).map_err(Error::reading(&self.from))?;
        Ok(file.take(self.had))
    }

    /// Forgets what there is: the source cannot go on in the middle, or it gave wrong bytes.
    ///
    /// # Errors
    /// The file cannot be cut off.
    pub fn start_over(&mut self) -> Result<()> {
        self.piece.clear();
        self.hasher = Hasher::new(self.digest.algorithm());
        if self.seen > 0 || self.had > 0 {
            ftruncate(&self.file, 0, "begin this blob anew")?;
            self.rewind()?;
        }
        (self.had, self.seen) = (0, 0);
        Ok(())
    }

    /// All bytes were written: gives the blob its place, if it is what it should be. What is wrong in
    /// size or digest is thrown away, so that the next try begins anew.
    ///
    /// # Errors
    /// [`Error::Spoiled`], or the disk did not take it.
    pub fn finish(mut self) -> Result<()> {
        self.put_down()?;
        if self.seen != self.size {
            let why = format!("{} bytes came instead of {}", self.seen, self.size);
            // Too little may be the beginning of the right thing.
            return match self.seen < self.size {
                true => Err(Error::Spoiled { digest: self.digest.clone(), why }),
                false => self.throw_away(why),
            };
        }
        let found = std::mem::replace(&mut self.hasher, Hasher::new(self.digest.algorithm()));
        let found = found.finish();
        if found != self.digest {
            return self.throw_away(format!("what came has the digest {found}"));
        }
        fsync(&self.file, "have all of the blob on the disk before it has a name")?;
        Ok(rename(&self.from, &self.to, "show the blob, whole and verified")?)
    }

    /// The store's word for what went wrong when something was written here.
    pub fn told(&self, error: io::Error) -> Error {
        match error.downcast::<Error>() {
            Ok(error) => error,
            Err(why) => Error::Unreadable { path: self.from.clone(), why },
        }
    }

    fn throw_away(&self, why: String) -> Result<()> {
        clean_up::unlink(&self.from, "not go on with what is wrong")?;
        Err(Error::Spoiled { digest: self.digest.clone(), why })
    }

    /// Reads what there is from an earlier try, and goes on behind it.
    fn go_on(mut self) -> Result<Receiving> {
        let mut file = self.as_file()?;
        let length = file.metadata().map_err(Error::reading(&self.from))?.len();
        if length > self.size {
            ftruncate(&self.file, 0, "begin anew: this is more than the blob has")?;
            return Ok(self);
        }
        let mut some = vec![0; 1 << 16];
        loop {
            match file.read(&mut some).map_err(Error::reading(&self.from))? {
                0 => break,
                read => {
                    self.hasher.update(&some[..read]);
                    self.seen += read as u64;
                }
            }
        }
        self.had = self.seen;
        Ok(self)
    }

    /// Another handle of the same open file, with the same offset.
    fn as_file(&self) -> Result<File> {
        self.file.try_clone().map(File::from).map_err(Error::reading(&self.from))
    }

    fn rewind(&self) -> Result<()> {
        let mut file = self.as_file()?;
        io::Seek::rewind(&mut file).map_err(Error::reading(&self.from))
    }

    fn put_down(&mut self) -> Result<()> {
        if !self.piece.is_empty() {
            write_all(&self.file, &self.piece, "keep what came of the blob")?;
            self.piece.clear();
        }
        Ok(())
    }
}

impl Write for Receiving {
    /// Takes at most as many bytes as the blob has; one more is an error at once, however many follow.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let more = bytes.len() as u64;
        if self.size - self.seen < more {
            let digest = self.digest.clone();
            let why = format!("more than {} bytes come", self.size);
            return Err(io::Error::other(Error::Spoiled { digest, why }));
        }
        self.hasher.update(bytes);
        self.seen += more;
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

impl Drop for Receiving {
    /// What came and is not written yet is the beginning of the next try, if the disk takes it.
    fn drop(&mut self) {
        if is_named(&self.file, &self.from) {
            let _ = self.put_down();
        }
    }
}
