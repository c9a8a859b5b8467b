//! What is in a blob, and is it still what its name says?

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use primitives::{open_beneath, open_directory};

use super::{Arrival, Error, Result, Store};
use crate::digest::{Digest, Hasher};
use crate::model::Descriptor;

impl Store {
    /// Whether a blob is here, in its full size.
    pub fn has(&self, wanted: &Descriptor) -> bool {
        let is = self.blob(&wanted.digest).symlink_metadata();
        is.is_ok_and(|is| is.is_file() && is.len() == wanted.size)
    }

    /// All bytes of a blob of at most `most` bytes, after its digest was computed again.
    ///
    /// # Errors
    /// It is not here, too large, or not what its name says.
    pub fn read(&self, wanted: &Descriptor, most: u64) -> Result<Vec<u8>> {
        if wanted.size > most {
            let (what, size) = ("a blob", wanted.size);
            return Err(crate::model::Refused::TooLarge { what, size, most }.into());
        }
        let mut bytes = Vec::new();
        self.reader(wanted)?.read_to_end(&mut bytes).map_err(|error| self.told(wanted, error))?;
        Ok(bytes)
    }

    /// Reads a blob, and fails at the byte after its size, and at its end when its digest is another.
    /// Who reads must read to the end before believing anything.
    ///
    /// # Errors
    /// It is not here.
    pub fn reader(&self, wanted: &Descriptor) -> Result<Verified<File>> {
        let file = self.open_blob(&wanted.digest)?;
        Ok(Verified::new(file, wanted.digest.clone(), wanted.size))
    }

    /// A blob as it lies on the disk.
    pub(crate) fn open_blob(&self, digest: &Digest) -> Result<File> {
        let path = self.blob(digest);
        let folder = path.parent().expect("a blob lies in a folder");
        let open = open_directory(folder).map_err(Error::reading(folder))?;
        match open_beneath(&open, Path::new(digest.hex())) {
            Ok(file) => Ok(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::Missing(digest.clone()))
            }
            Err(error) => Err(Error::Unreadable { path, why: error }),
        }
    }

    /// Keeps bytes that must have this digest.
    ///
    /// # Errors
    /// They have another one, or cannot be kept.
    pub fn put(&self, bytes: &[u8], digest: &Digest) -> Result<()> {
        let mut hasher = Hasher::new(digest.algorithm());
        hasher.update(bytes);
        let found = hasher.finish();
        if found != *digest {
            return Err(Error::Spoiled { digest: digest.clone(), why: format!("it is {found}") });
        }
        match self.receive_sized(digest, bytes.len() as u64)? {
            Arrival::AlreadyHere => Ok(()),
            Arrival::Awaited(mut receiving) => {
                receiving.start_over()?;
                receiving.write_all(bytes).map_err(|error| receiving.told(error))?;
                receiving.finish()
            }
        }
    }

    /// The store's word for what went wrong when a blob was read.
    pub(crate) fn told(&self, wanted: &Descriptor, error: io::Error) -> Error {
        let digest = wanted.digest.clone();
        match error.kind() {
            io::ErrorKind::InvalidData => Error::Spoiled { digest, why: error.to_string() },
            _ => Error::Unreadable { path: self.blob(&digest), why: error },
        }
    }
}

/// Lets bytes by that must have a digest and a size, and fails where they have not: with
/// [`io::ErrorKind::InvalidData`].
#[derive(Debug)]
pub struct Verified<R> {
    inner: R,
    digest: Digest,
    size: u64,
    seen: u64,
    /// None when the end was seen and all was right.
    hasher: Option<Hasher>,
}

impl<R: Read> Verified<R> {
    /// What comes out of `inner` must be this.
    pub fn new(inner: R, digest: Digest, size: u64) -> Verified<R> {
        let hasher = Some(Hasher::new(digest.algorithm()));
        Verified { inner, digest, size, seen: 0, hasher }
    }

    fn ended(&mut self) -> io::Result<usize> {
        let Some(hasher) = self.hasher.take() else { return Ok(0) };
        let found = hasher.finish();
        match (self.seen == self.size, found == self.digest) {
            (true, true) => Ok(0),
            (true, false) => Err(wrong(format!("its digest is {found}"))),
            (false, _) => {
                Err(wrong(format!("it has {} bytes instead of {}", self.seen, self.size)))
            }
        }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let read = self.inner.read(into)?;
        if read == 0 {
            return self.ended();
        }
        self.seen += read as u64;
        match self.hasher.as_mut() {
            Some(hasher) if self.seen <= self.size => hasher.update(&into[..read]),
            _ => return Err(wrong(format!("it has more than {} bytes", self.size))),
        }
        Ok(read)
    }
}

fn wrong(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::Verified;
    use crate::digest::Digest;

    fn read(bytes: &[u8], expected: &[u8], size: u64) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Verified::new(bytes, Digest::of(expected), size).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn only_the_right_bytes_come_through() {
        let right = b"hello";
        assert_eq!(read(right, right, 5).unwrap(), right);
        assert_eq!(read(b"", b"", 0).unwrap(), b"");
        for (bytes, size) in [
            (&b"hello!"[..], 5),
            (b"hell", 5),
            (b"hellp", 5),
            (b"", 5),
            (b"hello", 4),
            (b"hello", 6),
            (b"hello", 0),
            (b"hello", i64::MAX as u64),
        ] {
            assert!(read(bytes, right, size).is_err(), "{bytes:?} of {size} came through");
        }
    }

    #[test]
    fn what_never_ends_is_not_waited_for() {
        let mut endless = Verified::new(std::io::repeat(0), Digest::of(b""), 1 << 20);
        let mut some = [0; 4096];
        let mut read = 0;
        while let Ok(length) = endless.read(&mut some) {
            read += length;
            assert!(read <= 1 << 20);
        }
    }
}
