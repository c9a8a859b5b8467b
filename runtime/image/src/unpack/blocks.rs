//! How do unpacking a stream and writing files go on at the same time?
//!
//! One thread unpacks and hashes, another writes; between them a handful of buffers goes round. Both
//! have about as much to do, so a layer takes little more than half the time.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// How many buffers go round, and how large they are.
const BUFFERS: usize = 6;
const SIZE: usize = 256 << 10;

/// The end that fills buffers.
pub(super) struct Filling {
    empty: Receiver<Vec<u8>>,
    full: SyncSender<io::Result<Vec<u8>>>,
}

/// The end that reads them, one after the other.
pub(super) struct Blocks {
    empty: Sender<Vec<u8>>,
    full: Receiver<io::Result<Vec<u8>>>,
    now: Vec<u8>,
    place: usize,
}

/// Both ends.
pub(super) fn blocks() -> (Filling, Blocks) {
    let ((give_back, empty), (hand_over, full)) = (channel(), sync_channel(BUFFERS));
    for _ in 0..BUFFERS {
        give_back.send(Vec::with_capacity(SIZE)).expect("the other end is here");
    }
    let filling = Filling { empty, full: hand_over };
    (filling, Blocks { empty: give_back, full, now: Vec::new(), place: 0 })
}

impl Filling {
    /// Hands over all that comes from `stream`; `look` sees each buffer before, and may object. Ends
    /// early when nobody reads any more.
    pub(super) fn fill_from(
        self,
        stream: &mut dyn Read,
        mut look: impl FnMut(&[u8]) -> io::Result<()>,
    ) {
        while let Ok(mut buffer) = self.empty.recv() {
            buffer.clear();
            let filled = fill(stream, &mut buffer).and_then(|()| look(&buffer));
            let goes_on = filled.is_ok() && !buffer.is_empty();
            let full = filled.map(|()| buffer);
            if self.full.send(full).is_err() || !goes_on {
                return;
            }
        }
    }

    /// Hands over that there is nothing to read.
    pub(super) fn fail(self, error: io::Error) {
        // Who does not read any more has a reason of its own.
        let _ = self.full.send(Err(error));
    }
}

/// Fills a buffer, as far as there is something.
fn fill(stream: &mut dyn Read, buffer: &mut Vec<u8>) -> io::Result<()> {
    stream.take(SIZE as u64).read_to_end(buffer).map(drop)
}

impl BufRead for Blocks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.place == self.now.len() {
            let used = std::mem::take(&mut self.now);
            self.place = 0;
            if used.capacity() > 0 {
                // Nobody takes it any more when all is unpacked.
                let _ = self.empty.send(used);
            }
            self.now = match self.full.recv() {
                Ok(full) => full?,
                Err(_) => Vec::new(),
            };
        }
        Ok(&self.now[self.place..])
    }

    fn consume(&mut self, used: usize) {
        self.place += used;
    }
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let length = piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&piece[..length]);
        self.consume(length);
        Ok(length)
    }
}
