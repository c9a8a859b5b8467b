//! What does a tar say, and is there only one way to read it?
//!
//! Headers of 512 bytes, each followed by as many bytes as it announces. Four dialects lie on top of
//! each other, and where two readers disagree about one archive, one of them can be shown what the
//! other does not see (CVE-2025-62518 and its family). So this reader takes what all understand alike,
//! and refuses by name what can be understood in two ways: it has one size for an entry, whoever said
//! it, and every header adds up.
//!
//! It is not the crate `tar`, because that reads sparse files in the form of pax as something else,
//! passes over pax records that it does not understand, and copies a name for each question; here
//! content is lent from the buffer it was decompressed into, and one [`Entry`] serves for all.

mod header;
mod pax;
mod sparse;

use std::io::{self, BufRead};

use primitives::Timestamp;

use header::{BLOCK, Header};
use pax::Records;
pub(crate) use sparse::Segment;

/// The longest header extension: a name, a link's target, or pax records.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    /// A symbolic link to [`Entry::link`].
    Symlink,
    /// Another name of the file [`Entry::link`].
    Link,
    Character(u32, u32),
    Block(u32, u32),
    Fifo,
}

/// One entry. It is read into again and again, so that its buffers are made once.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name as it is written, which may lead anywhere.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permission bits, with set-user-ID, set-group-ID and sticky bit.
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) time: Timestamp,
    /// The target of a link.
    pub(crate) link: Vec<u8>,
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// How long the file is.
    pub(crate) length: u64,
    /// Where its content lies, if there are holes between.
    pub(crate) segments: Option<Vec<Segment>>,
}

impl Entry {
    /// One to be read into.
    pub(crate) fn new() -> Entry {
        Entry {
            name: Vec::with_capacity(256),
            kind: Kind::File,
            mode: 0,
            owner: (0, 0),
            time: Timestamp { seconds: 0, nanos: 0 },
            link: Vec::with_capacity(256),
            attributes: Vec::new(),
            length: 0,
            segments: None,
        }
    }
}

/// Why a tar cannot be read on.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The bytes could not be had.
    Stream(io::Error),
    /// They can be understood in two ways, or in none.
    Refused(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => refused("the tar ends in the middle of it"),
            _ => Fault::Stream(error),
        }
    }
}

pub(crate) fn refused(why: impl Into<String>) -> Fault {
    Fault::Refused(why.into())
}

/// Reads one entry after the other.
pub(crate) struct Reader<R> {
    input: R,
    block: [u8; BLOCK],
    records: Records,
    extension: Vec<u8>,
    /// What is left of the content of the entry that was read last.
    content: u64,
    /// How many bytes fill its last block up.
    padding: u64,
}

/// What may stand before a header, and belongs to it.
#[derive(Default)]
struct Before {
    records: bool,
    name: bool,
    link: bool,
}

impl<R: BufRead> Reader<R> {
    pub(crate) fn new(input: R) -> Reader<R> {
        let (block, records) = ([0; BLOCK], Records::default());
        Reader { input, block, records, extension: Vec::new(), content: 0, padding: 0 }
    }

    /// Reads the next header, and what belongs to it, into `entry`; false at the end of the archive.
    pub(crate) fn next(&mut self, entry: &mut Entry) -> Result<bool, Fault> {
        self.skip_content()?;
        let mut before = Before::default();
        entry.name.clear();
        entry.link.clear();
        self.records.clear();
        loop {
            if !self.read_header()? {
                return match before.records || before.name || before.link {
                    true => Err(refused("the tar ends where an entry was announced")),
                    false => Ok(false),
                };
            }
            let header = Header::read(&self.block).map_err(refused)?;
            match header.letter {
                b'x' => {
                    once(&mut before.records, "two sets of pax records")?;
                    self.read_extension(&header)?;
                    self.records.read(&self.extension).map_err(refused)?;
                }
                b'L' => {
                    once(&mut before.name, "two long names")?;
                    self.read_extension(&header)?;
                    entry.name.extend_from_slice(until_zero(&self.extension)?);
                }
                b'K' => {
                    once(&mut before.link, "two long targets")?;
                    self.read_extension(&header)?;
                    entry.link.extend_from_slice(until_zero(&self.extension)?);
                }
                b'g' => {
                    self.read_extension(&header)?;
                    pax::must_be_a_remark(&self.extension).map_err(refused)?;
                }
                _ => {
                    self.fill(entry, &header, &before)?;
                    return Ok(true);
                }
            }
        }
    }

    /// Lends the next piece of the entry's content; none at its end. What was used of it is said to
    /// [`Reader::consume`].
    pub(crate) fn piece(&mut self) -> Result<&[u8], Fault> {
        if self.content == 0 {
            return Ok(&[]);
        }
        let piece = self.input.fill_buf()?;
        if piece.is_empty() {
            return Err(refused("the tar ends in the middle of it"));
        }
        let most = usize::try_from(self.content).unwrap_or(usize::MAX).min(piece.len());
        Ok(&piece[..most])
    }

    pub(crate) fn consume(&mut self, used: usize) {
        self.input.consume(used);
        self.content -= used as u64;
    }

    /// Whatever comes after the archive's end, where nobody looks for entries any more.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        loop {
            let length = self.input.fill_buf()?.len();
            if length == 0 {
                return Ok(());
            }
            self.input.consume(length);
        }
    }

    fn skip_content(&mut self) -> Result<(), Fault> {
        self.content += self.padding;
        self.padding = 0;
        while self.content > 0 {
            let length = self.piece()?.len();
            self.consume(length);
        }
        Ok(())
    }

    /// The next block; false at the end, which are two blocks of zeros. Some writers leave them out.
    fn read_header(&mut self) -> Result<bool, Fault> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        self.read_block()?;
        if self.block != [0; BLOCK] {
            return Ok(true);
        }
        if self.input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        self.read_block()?;
        match self.block == [0; BLOCK] {
            true => Ok(false),
            false => Err(refused("there is one block of zeros and then more: the end is two")),
        }
    }

    fn read_block(&mut self) -> Result<(), Fault> {
        Ok(self.input.read_exact(&mut self.block)?)
    }

    fn announce(&mut self, size: u64) {
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn read_extension(&mut self, header: &Header) -> Result<(), Fault> {
        if header.size > LONGEST_EXTENSION {
            return Err(refused("what belongs to its header is longer than a megabyte"));
        }
        self.announce(header.size);
        self.extension.clear();
        while self.content > 0 {
            let length = self.piece()?.len();
            // Not `self.piece()` again: it would lend the whole of `self`.
            self.extension.extend_from_slice(&self.input.fill_buf()?[..length]);
            self.consume(length);
        }
        self.skip_content()
    }

    /// The entry itself, out of its header and what came before it.
    fn fill(&mut self, entry: &mut Entry, header: &Header, before: &Before) -> Result<(), Fault> {
        let records = &mut self.records;
        match (before.name, records.name()) {
            (true, Some(_)) => return Err(refused("it has two names, a long one and one of pax")),
            (true, None) => {}
            (false, Some(name)) => entry.name.extend_from_slice(name),
            (false, None) => header.name(&self.block, &mut entry.name),
        }
        match (before.link, records.link()) {
            (true, Some(_)) => {
                return Err(refused("it has two targets, a long one and one of pax"));
            }
            (true, None) => {}
            (false, Some(link)) => entry.link.extend_from_slice(link),
            (false, None) => entry.link.extend_from_slice(header.link(&self.block)),
        }
        let size = records.size().map_err(refused)?.unwrap_or(header.size);
        entry.kind = header.kind(&self.block, &entry.name).map_err(refused)?;
        entry.mode = header.mode;
        entry.owner = records.owner(header.owner).map_err(refused)?;
        entry.time = match records.time().map_err(refused)? {
            Some(time) => time,
            None => Timestamp { seconds: header.seconds, nanos: 0 },
        };
        if entry.kind != Kind::File && size != 0 {
            return Err(refused("it announces content, which only a file has"));
        }
        (entry.length, entry.segments) = (size, None);
        std::mem::swap(&mut entry.attributes, &mut records.attributes);
        self.announce(size);
        self.read_segments(entry, header.letter)
    }

    /// Where the content of a file with holes lies: four writers have found four ways to say it.
    fn read_segments(&mut self, entry: &mut Entry, letter: u8) -> Result<(), Fault> {
        let stored = entry.length;
        let (segments, length) = match (letter, self.records.sparse().map_err(refused)?) {
            (b'S', None) => {
                let padding = self.padding;
                // The rest of the map is no part of the content.
                let (segments, length) = sparse::gnu(self.block, || {
                    self.input.read_exact(&mut self.block)?;
                    Ok(self.block)
                })?;
                self.padding = padding;
                (segments, length)
            }
            (b'S', Some(_)) => return Err(refused("it has two maps of its holes")),
            (_, None) => return Ok(()),
            (_, Some(pax::Sparse::Map { segments, length })) => (segments, length),
            (_, Some(pax::Sparse::InContent { length })) => {
                let segments = sparse::in_content(|| {
                    if self.content < BLOCK as u64 {
                        return Err(refused("the map of its holes is longer than the file"));
                    }
                    self.input.read_exact(&mut self.block)?;
                    self.content -= BLOCK as u64;
                    Ok(self.block)
                })?;
                (segments, length)
            }
        };
        if entry.kind != Kind::File {
            return Err(refused("it has a map of holes, which only a file has"));
        }
        if let Some(name) = self.records.sparse_name() {
            entry.name.clear();
            entry.name.extend_from_slice(name);
        }
        sparse::must_fit(&segments, length, stored.min(self.content)).map_err(refused)?;
        (entry.length, entry.segments) = (length, Some(segments));
        Ok(())
    }
}

fn once(seen: &mut bool, what: &str) -> Result<(), Fault> {
    match std::mem::replace(seen, true) {
        true => Err(refused(format!("it has {what}"))),
        false => Ok(()),
    }
}

/// A text that ends at its first zero byte, after which there may be nothing else.
fn until_zero(text: &[u8]) -> Result<&[u8], Fault> {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    match text[end..].iter().all(|byte| *byte == 0) {
        true => Ok(&text[..end]),
        false => Err(refused("its long name goes on after its end")),
    }
}
