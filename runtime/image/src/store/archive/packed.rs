//! How is an archive packed, before anything is known about it?

use std::io::{self, BufRead, BufReader, Read};

use crate::model::Compression;
use crate::store::nameless::packed_how;
use crate::store::{Error, Result};

/// The largest window that a zstd stream may ask for, as a power of two: 128 MiB.
const LARGEST_WINDOW: u32 = 27;

/// What is in it, without the packing.
pub(super) fn unpacked(packed: impl Read + 'static) -> Result<Box<dyn Read>> {
    let mut packed = BufReader::with_capacity(1 << 17, packed);
    let unreadable = |why: io::Error| Error::Unusable(format!("the archive cannot be read: {why}"));
    let how = packed_how(packed.fill_buf().map_err(unreadable)?);
    reader(packed, how).map_err(unreadable)
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
