//! What does a tar say that somebody else has made?
//!
//! The crate's own reader of records splits them at each line feed, but a record has a length, and an
//! attribute may hold any byte: one that contains a line with `path=` would be read as a name. So the
//! records are read here, by their lengths.

use std::ffi::{OsStr, OsString};
use std::io::{self, Cursor, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use primitives::{Error, Result, Timestamp};
use tar::{EntryType, Header};

use super::XATTR;
use crate::layer::{About, Entry, Kind, OPAQUE, WHITEOUT};

type Raw<'a> = tar::Entry<'a, Cursor<Vec<u8>>>;

/// The entries of a layer, from a tar that may be compressed with gzip.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Entry>> {
    let broken = |error: io::Error| Error::Unusable(format!("this is no layer: {error}"));
    let mut plain = Vec::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).map_err(broken)?;
    } else {
        plain = bytes.to_vec();
    }
    let mut archive = tar::Archive::new(Cursor::new(plain));
    let mut entries = Vec::new();
    let mut before = Before::default();
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        if !before.takes(&mut entry).map_err(broken)? {
            entries.extend(std::mem::take(&mut before).complete(&mut entry)?);
        }
    }
    Ok(entries)
}

/// What was said in front of an entry, and has precedence over its own header.
#[derive(Default)]
struct Before {
    records: Vec<(String, Vec<u8>)>,
}

impl Before {
    /// Whether the entry is none itself, but says something of the next one.
    fn takes(&mut self, entry: &mut Raw<'_>) -> io::Result<bool> {
        let key = match entry.header().entry_type() {
            EntryType::XHeader => None,
            EntryType::GNULongName => Some("path"),
            EntryType::GNULongLink => Some("linkpath"),
            // Says something of all that follow, and nothing that a layer needs.
            EntryType::XGlobalHeader => return Ok(true),
            _ => return Ok(false),
        };
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        match key {
            None => self.records.extend(records(&content)?),
            Some(key) => {
                let end = content.iter().position(|byte| *byte == 0).unwrap_or(content.len());
                self.records.push((key.to_string(), content[..end].to_vec()));
            }
        }
        Ok(true)
    }

    fn get(&self, key: &str) -> Option<&[u8]> {
        let mut named = self.records.iter().filter(|(name, _)| name == key);
        named.next_back().map(|(_, value)| value.as_slice())
    }

    fn complete(self, entry: &mut Raw<'_>) -> Result<Option<Entry>> {
        let name =
            self.get("path").map_or_else(|| entry.header().path_bytes().to_vec(), <[u8]>::to_vec);
        let path = path(&name);
        let broken = |error| {
            Error::Unusable(format!("the layer's entry {:?} is broken: {error}", path.display()))
        };
        let about = self.about(entry.header()).map_err(broken)?;
        if let Some((path, kind)) = marker(&path)? {
            return Ok(kind.map(|kind| Entry { path, kind, about }));
        }
        let kind = self.kind(entry).map_err(broken)?;
        Ok(Some(Entry { path, kind, about }))
    }

    fn about(&self, header: &Header) -> io::Result<About> {
        let id = |key, id: io::Result<u64>| match self.get(key) {
            Some(text) => number(text),
            None => u32::try_from(id?).map_err(io::Error::other),
        };
        let mtime = match self.get("mtime") {
            Some(text) => {
                read_time(&String::from_utf8_lossy(text)).ok_or_else(|| no_number(text))?
            }
            // GNU tar writes times before 1970 as negative numbers, of as many bits.
            None => Timestamp { seconds: header.mtime()?.cast_signed(), nanos: 0 },
        };
        let attribute = |(key, value): &(String, Vec<u8>)| {
            Some((key.strip_prefix(XATTR)?.to_string(), value.clone()))
        };
        let mut xattrs: Vec<_> = self.records.iter().filter_map(attribute).collect();
        xattrs.sort();
        Ok(About {
            mode: header.mode()? & 0o7777,
            uid: id("uid", header.uid())?,
            gid: id("gid", header.gid())?,
            mtime,
            xattrs,
        })
    }

    fn kind(&self, entry: &mut Raw<'_>) -> io::Result<Kind> {
        let header = entry.header();
        let link = match self.get("linkpath") {
            Some(link) => link.to_vec(),
            None => header.link_name_bytes().unwrap_or_default().into_owned(),
        };
        Ok(match header.entry_type() {
            EntryType::Regular | EntryType::Continuous => Kind::File(self.content(entry)?),
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(OsString::from_vec(link).into()),
            EntryType::Link => Kind::HardLink(path(&link)),
            EntryType::Fifo => Kind::Fifo,
            EntryType::Char => Kind::Character(major(header)?, minor(header)?),
            EntryType::Block => Kind::Block(major(header)?, minor(header)?),
            other => {
                return Err(io::Error::other(format!("{other:?} is no type that is known here")));
            }
        })
    }

    fn content(&self, entry: &mut Raw<'_>) -> io::Result<Vec<u8>> {
        let size = entry.header().entry_size()?;
        if self.get("size").is_some_and(|text| number::<u64>(text).ok() != Some(size)) {
            return Err(io::Error::other("a file of more than 8 GiB, which is too much here"));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if content.len() as u64 != size {
            return Err(io::Error::other("the tar ends in the middle of it"));
        }
        Ok(content)
    }
}

fn major(header: &Header) -> io::Result<u64> {
    Ok(u64::from(header.device_major()?.unwrap_or(0)))
}

fn minor(header: &Header) -> io::Result<u64> {
    Ok(u64::from(header.device_minor()?.unwrap_or(0)))
}

fn number<T: std::str::FromStr>(text: &[u8]) -> io::Result<T> {
    String::from_utf8_lossy(text).parse().map_err(|_| no_number(text))
}

fn no_number(text: &[u8]) -> io::Error {
    io::Error::other(format!("{:?} is no number", String::from_utf8_lossy(text)))
}

// ANCHOR: records
/// The records of an extended header: each is `LENGTH KEY=VALUE` and a line feed, and LENGTH counts
/// all of it (pax(1), "pax Extended Header").
fn records(mut content: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let broken = || io::Error::other("a record before it is broken");
    let mut records = Vec::new();
    while !content.is_empty() {
        let blank = content.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
        let length: usize = number(&content[..blank])?;
        let record = content.get(blank + 1..length).ok_or_else(broken)?;
        let record = record.strip_suffix(b"\n").ok_or_else(broken)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
        let key = String::from_utf8(record[..equals].to_vec()).map_err(io::Error::other)?;
        records.push((key, record[equals + 1..].to_vec()));
        content = &content[length..];
    }
    Ok(records)
}
// ANCHOR_END: records

pub(super) fn read_time(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    // What is finer than a nanosecond, no file system keeps.
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanos: u32 = digits.parse().ok()?;
    match (whole.starts_with('-'), nanos) {
        (true, 1..) => Some(Timestamp { seconds: seconds - 1, nanos: 1_000_000_000 - nanos }),
        _ => Some(Timestamp { seconds, nanos }),
    }
}

/// A name without what says nothing: `./a/b/` is `a/b`.
fn path(name: &[u8]) -> PathBuf {
    let path = Path::new(OsStr::from_bytes(name));
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// What a name of the form `.wh.NAME` says, and of what; none when it is no such name.
fn marker(path: &Path) -> Result<Option<(PathBuf, Option<Kind>)>> {
    let name = path.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
    let parent = path.parent().unwrap_or(Path::new(""));
    let Some(hidden) = name.strip_prefix(WHITEOUT.as_bytes()) else {
        return Ok(None);
    };
    match hidden {
        _ if name == OPAQUE.as_bytes() => Ok(Some((parent.to_path_buf(), Some(Kind::Opaque)))),
        // Notes of AUFS, where these names come from.
        [b'.', b'w', b'h', b'.', ..] => Ok(Some((path.to_path_buf(), None))),
        b"" | b"." | b".." => {
            Err(Error::Unusable(format!("the layer's entry {path:?} deletes no file of a layer")))
        }
        hidden => {
            let path = parent.join(OsStr::from_bytes(hidden));
            Ok(Some((path, Some(Kind::Whiteout))))
        }
    }
}
