//! What do the records say that pax puts before an entry?
//!
//! Each is `LENGTH KEY=VALUE` and a newline, the length being that of the whole record in decimal
//! (IEEE Std 1003.1, "pax Extended Header"). One that is not like that makes all of them unreadable:
//! whoever skips it and reads on reads something else than whoever gives up.

use primitives::Timestamp;

use super::sparse::{self, Segment};

/// The records of one entry, as far as they mean something here.
#[derive(Debug, Default)]
pub(super) struct Records {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<Vec<u8>>,
    user: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
    time: Option<Vec<u8>>,
    sparse: SparseRecords,
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What GNU tar has to say of a file with holes, in its three versions.
#[derive(Debug, Default)]
struct SparseRecords {
    major: Option<Vec<u8>>,
    minor: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    real_size: Option<Vec<u8>>,
    size: Option<Vec<u8>>,
    count: Option<Vec<u8>>,
    map: Option<Vec<u8>>,
    /// Offsets and lengths in turn, of version 0.0, which repeats its keys.
    numbers: Vec<u64>,
}

/// Where the map of a file with holes is.
#[derive(Debug, PartialEq)]
pub(super) enum Sparse {
    /// Here.
    Map { segments: Vec<Segment>, length: u64 },
    /// At the beginning of the content.
    InContent { length: u64 },
}

impl Records {
    pub(super) fn clear(&mut self) {
        *self = Records::default();
    }

    /// Takes in all records of one header.
    pub(super) fn read(&mut self, mut text: &[u8]) -> Result<(), String> {
        while !text.is_empty() {
            let record = record(text)?;
            self.take(record.key, record.value)?;
            text = record.rest;
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let known = match key {
            b"path" => &mut self.name,
            b"linkpath" => &mut self.link,
            b"size" => &mut self.size,
            b"uid" => &mut self.user,
            b"gid" => &mut self.group,
            b"mtime" => &mut self.time,
            b"GNU.sparse.major" => &mut self.sparse.major,
            b"GNU.sparse.minor" => &mut self.sparse.minor,
            b"GNU.sparse.name" => &mut self.sparse.name,
            b"GNU.sparse.realsize" => &mut self.sparse.real_size,
            b"GNU.sparse.size" => &mut self.sparse.size,
            b"GNU.sparse.numblocks" => &mut self.sparse.count,
            b"GNU.sparse.map" => &mut self.sparse.map,
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                return self.sparse.number(key == b"GNU.sparse.offset", value);
            }
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(format!("the pax record {} is not known here", shown(key)));
            }
            key => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.attributes.push((name.to_vec(), value.to_vec()));
                }
                return Ok(());
            }
        };
        if value.contains(&0) {
            return Err(format!("its pax record {} has a zero byte in it", shown(key)));
        }
        match known.replace(value.to_vec()) {
            Some(_) => Err(format!("it has two pax records {}", shown(key))),
            None => Ok(()),
        }
    }

    /// An empty value says that the header's counts.
    pub(super) fn name(&self) -> Option<&[u8]> {
        self.name.as_deref().filter(|name| !name.is_empty())
    }

    pub(super) fn link(&self) -> Option<&[u8]> {
        self.link.as_deref().filter(|link| !link.is_empty())
    }

    pub(super) fn size(&self) -> Result<Option<u64>, String> {
        self.size.as_deref().filter(|size| !size.is_empty()).map(decimal).transpose()
    }

    /// User and group, which must be ids: a number that is cut off would be somebody else's, root's
    /// for example.
    pub(super) fn owner(&self, header: (i64, i64)) -> Result<(u32, u32), String> {
        let id = |record: &Option<Vec<u8>>, header: i64| {
            let number = match record.as_deref().filter(|value| !value.is_empty()) {
                Some(value) => decimal(value)?,
                None => u64::try_from(header).map_err(|_| "an owner's id is negative")?,
            };
            // The last one means "leave it as it is" to the kernel.
            u32::try_from(number).ok().filter(|id| *id != u32::MAX).ok_or_else(|| {
                format!("its owner's id {number} is too large: they end with 4294967294")
            })
        };
        Ok((id(&self.user, header.0)?, id(&self.group, header.1)?))
    }

    pub(super) fn time(&self) -> Result<Option<Timestamp>, String> {
        self.time.as_deref().filter(|time| !time.is_empty()).map(time).transpose()
    }

    /// The name of a file with holes: the other one is made for readers that do not know of them.
    pub(super) fn sparse_name(&self) -> Option<&[u8]> {
        self.sparse.name.as_deref().filter(|name| !name.is_empty())
    }

    /// Where the map of the file's holes is, if it has any.
    pub(super) fn sparse(&mut self) -> Result<Option<Sparse>, String> {
        let sparse = &self.sparse;
        let version = (sparse.major.as_deref(), sparse.minor.as_deref());
        let length = |size: &Option<Vec<u8>>| {
            decimal(size.as_deref().ok_or("it has holes, and no size with them")?)
        };
        match version {
            (Some(b"1"), Some(b"0")) => {
                Ok(Some(Sparse::InContent { length: length(&sparse.real_size)? }))
            }
            (None, None) => match (&sparse.map, sparse.numbers.is_empty(), &sparse.count) {
                (None, true, None) => match (&sparse.size, &sparse.name, &sparse.real_size) {
                    (None, None, None) => Ok(None),
                    _ => Err("it has holes, and no map of them".into()),
                },
                (Some(map), true, _) => {
                    let segments = sparse::in_text(map)?;
                    Ok(Some(Sparse::Map { segments, length: length(&sparse.size)? }))
                }
                (None, _, _) => {
                    let segments = sparse::in_pairs(&sparse.numbers)?;
                    Ok(Some(Sparse::Map { segments, length: length(&sparse.size)? }))
                }
                (Some(_), false, _) => Err("it has two maps of its holes".into()),
            },
            _ => Err("the map of its holes is of a version that is not known here".into()),
        }
    }
}

impl SparseRecords {
    fn number(&mut self, is_offset: bool, value: &[u8]) -> Result<(), String> {
        if self.numbers.len().is_multiple_of(2) != is_offset {
            return Err("the map of its holes is out of order".into());
        }
        self.numbers.push(decimal(value)?);
        Ok(())
    }
}

/// One record, and what comes after it.
struct Record<'a> {
    key: &'a [u8],
    value: &'a [u8],
    rest: &'a [u8],
}

/// The first record of `text`.
fn record(text: &[u8]) -> Result<Record<'_>, String> {
    let wrong = "one of its pax records is not LENGTH KEY=VALUE";
    let blank = text.iter().take(20).position(|byte| *byte == b' ').ok_or(wrong)?;
    let length = usize::try_from(decimal(&text[..blank])?).map_err(|_| wrong)?;
    if length > text.len() || length < blank + 3 || text[length - 1] != b'\n' {
        return Err(wrong.into());
    }
    let record = &text[blank + 1..length - 1];
    let equals = record.iter().position(|byte| *byte == b'=').ok_or(wrong)?;
    if equals == 0 || record[..equals].contains(&0) {
        return Err(wrong.into());
    }
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    Ok(Record { key, value, rest: &text[length..] })
}

/// A global header is for all entries that follow, and half of the readers pass over it; so it may
/// hold remarks, as `git archive` makes them, and nothing that would change an entry.
pub(super) fn must_be_a_remark(mut text: &[u8]) -> Result<(), String> {
    while !text.is_empty() {
        let record = record(text)?;
        if record.key != b"comment" {
            return Err(format!(
                "a pax record {} for all entries is understood in two ways, and so not at all",
                shown(record.key)
            ));
        }
        text = record.rest;
    }
    Ok(())
}

/// A number as pax writes it: digits and nothing else.
pub(super) fn decimal(text: &[u8]) -> Result<u64, String> {
    let wrong = || format!("{} in a pax record is no number", shown(text));
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(wrong)
}

/// A time as pax writes it: seconds with a fraction, which may lie before 1970.
fn time(text: &[u8]) -> Result<Timestamp, String> {
    let wrong = || format!("{} in a pax record is no time", shown(text));
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    let seconds = decimal(whole).ok().and_then(|seconds| i64::try_from(seconds).ok());
    let seconds = seconds.ok_or_else(wrong)?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    let nanos = fraction.iter().chain(b"000000000").take(9);
    let nanos = nanos.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Ok(match (negative, nanos) {
        (false, nanos) => Timestamp { seconds, nanos },
        (true, 0) => Timestamp { seconds: -seconds, nanos: 0 },
        (true, nanos) => Timestamp { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos },
    })
}

fn shown(text: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(text))
}
