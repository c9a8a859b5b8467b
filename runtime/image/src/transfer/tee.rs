//! How do bytes go into the store while they pass by?

use std::fs::File;
use std::io::{self, Read, Write};

use super::progress::{Audience, News};
use super::{Error, Result};
use crate::model::Descriptor;
use crate::registry::fetch::{Blob, error_in};
use crate::store::Receiving;

/// Bytes of a layer, and what is meant by an error that comes out of them.
pub(super) trait Stream: Read + Send {
    /// The error that came through somebody who reads.
    fn explained(&self, error: io::Error) -> Error;
}

impl Stream for crate::store::Verified<File> {
    fn explained(&self, error: io::Error) -> Error {
        match error.downcast::<crate::store::Error>() {
            Ok(error) => Error::Store(error),
            Err(error) => Error::Unusable(format!("the layer cannot be read: {error}")),
        }
    }
}

/// What comes from the network goes into the store as it passes.
pub(super) struct Tee<'a> {
    /// What is there from an earlier try.
    pub(super) earlier: Option<io::Take<File>>,
    pub(super) blob: Blob,
    pub(super) receiving: Option<Receiving>,
    pub(super) packed: Descriptor,
    pub(super) audience: &'a dyn Audience,
}

impl Tee<'_> {
    /// Everything has passed: the store verifies it.
    pub(super) fn finish(&mut self) -> Result<()> {
        let mut room = [0; 4096];
        while self.read(&mut room).map_err(|error| self.explained(error))? > 0 {}
        match self.receiving.take() {
            Some(receiving) => Ok(receiving.finish()?),
            None => Ok(()),
        }
    }
}

impl Stream for Tee<'_> {
    fn explained(&self, error: io::Error) -> Error {
        match error.downcast::<crate::store::Error>() {
            Ok(error) => Error::Store(error),
            Err(error) => Error::Registry(error_in(error)),
        }
    }
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(earlier) = &mut self.earlier {
            match earlier.read(buffer)? {
                0 => self.earlier = None,
                read => return Ok(read),
            }
        }
        let read = self.blob.read(buffer)?;
        if let Some(receiving) = &mut self.receiving {
            receiving.write_all(&buffer[..read])?;
        }
        self.audience.hear(&self.packed, News::Came(read as u64));
        Ok(read)
    }
}
