//! How are the bytes of a layer packed, and is that what was said of them?

use std::io::{self, BufReader, Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::error::{Error, Result};
use crate::model::Compression;

/// A frame of zstd says how much memory it wants; this is as much as the program of that name allows.
const LARGEST_WINDOW: u32 = 27;
const BUFFER: usize = 128 << 10;

/// A stream that counts what was read of it.
struct Counted<'a, R> {
    stream: R,
    count: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(buffer)?;
        self.count.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// The stream without its packing; `count` says how much of it was read, packed.
pub(super) fn unpacked<'a>(
    mut stream: impl Read + 'a,
    claimed: Compression,
    count: &'a AtomicU64,
) -> Result<Box<dyn Read + 'a>> {
    let mut head = Vec::with_capacity(4);
    stream.by_ref().take(4).read_to_end(&mut head)?;
    let found = match head.as_slice() {
        [] => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
        _ => Compression::None,
    };
    if found != claimed {
        return Err(Error::Packing { claimed: name(claimed), found: name(found) });
    }
    let stream = Counted { stream: Cursor::new(head).chain(stream), count };
    let buffered = |stream| BufReader::with_capacity(BUFFER, stream);
    Ok(match found {
        Compression::None => Box::new(stream),
        Compression::Gzip => Box::new(MultiGzDecoder::new(buffered(stream))),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(buffered(stream))?;
            decoder.window_log_max(LARGEST_WINDOW)?;
            Box::new(decoder)
        }
    })
}

fn name(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "a plain tar",
        Compression::Gzip => "packed by gzip",
        Compression::Zstd => "packed by zstd",
    }
}
