//! How is an archive packed, before anything is known about it?

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use crate::model::Compression;
use crate::store::nameless::packed_how;
use crate::store::{Error, Result};

/// The largest window that a zstd stream may ask for, as a power of two: 128 MiB.
const LARGEST_WINDOW: u32 = 27;

/// How many times its size an archive may have unpacked. Layers are packed already: no honest one comes
/// near. Small ones may, because what is small does no harm.
const MOST_TIMES: u64 = 200;
const SMALL: u64 = 64 << 20;

/// What is in it, without the packing.
pub(super) fn unpacked(packed: impl Read + 'static) -> Result<Box<dyn Read>> {
    let taken = Rc::new(Cell::new(0));
    let counted = Counted { inner: packed, taken: Rc::clone(&taken) };
    let mut packed = BufReader::with_capacity(1 << 17, counted);
    let unreadable = |why: io::Error| Error::Unusable(format!("the archive cannot be read: {why}"));
    let how = packed_how(packed.fill_buf().map_err(unreadable)?);
    let inner = reader(packed, how).map_err(unreadable)?;
    Ok(Box::new(Bounded { inner, taken, given: 0 }))
}

/// Counts what is taken from it.
struct Counted<R> {
    inner: R,
    taken: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

/// Fails where a few bytes become very many.
struct Bounded {
    inner: Box<dyn Read>,
    taken: Rc<Cell<u64>>,
    given: u64,
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.given += read as u64;
        if self.given > SMALL && self.given / MOST_TIMES > self.taken.get() {
            let why = format!("unpacked it has more than {MOST_TIMES} times its size");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(read)
    }
}

/// The bytes of something that is packed in a known way.
pub(super) fn reader(
    packed: impl BufRead + 'static,
    how: Compression,
) -> io::Result<Box<dyn Read>> {
    match how {
        Compression::None => Ok(Box::new(packed)),
        Compression::Gzip => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(packed))),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(packed)?;
            decoder.window_log_max(LARGEST_WINDOW)?;
            Ok(Box::new(decoder))
        }
    }
}
