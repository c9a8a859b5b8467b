//! What is in a tar archive, one entry after the other?
//!
//! The library reads headers and checks their sums; what stands before an entry to tell of its long
//! name is read here, with a bound.

use std::io::{self, Read};

use crate::store::{Error, Result};

/// The longest name, and the most that is read about one.
const LONGEST_NAME: u64 = 4096;
const MOST_ABOUT_ONE: u64 = 64 << 10;
/// The most entries of an archive.
const MOST_ENTRIES: usize = 100_000;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A plain file of so many bytes.
    File(u64),
    /// Another name for an entry: the name of that, seen from the archive's top.
    Link(String),
    /// Something that matters to nobody here.
    Other,
}

/// What was said about the next entry.
#[derive(Default)]
struct Ahead {
    name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

/// Calls `each` with the name, the kind and the content of every entry.
pub(super) fn for_each(
    archive: impl Read,
    mut each: impl FnMut(String, Kind, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let mut archive = tar::Archive::new(archive);
    let mut ahead = Ahead::default();
    let entries = archive.entries().map_err(unreadable)?.raw(true);
    for (count, entry) in entries.enumerate() {
        if count >= MOST_ENTRIES {
            return Err(refused(format!("it has more than {MOST_ENTRIES} entries")));
        }
        let mut entry = entry.map_err(unreadable)?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() {
            ahead.name = Some(text(&mut entry)?);
        } else if kind.is_gnu_longlink() {
            ahead.link = Some(text(&mut entry)?);
        } else if kind.is_pax_local_extensions() {
            extended(&mut entry, &mut ahead)?;
        } else if !kind.is_pax_global_extensions() {
            let about = std::mem::take(&mut ahead);
            let name = match about.name {
                Some(name) => name,
                None => own_text(&entry.header().path_bytes())?,
            };
            if about.size.is_some_and(|size| size != entry.size()) {
                return Err(refused(format!("two sizes are told of {name:?}")));
            }
            let name = cleaned("", &name).ok_or_else(|| out(&name))?;
            let link = match (about.link, entry.header().link_name_bytes()) {
                (Some(link), _) => link,
                (None, Some(link)) => own_text(&link)?,
                (None, None) => String::new(),
            };
            let kind = kind_of(kind, &name, &link, entry.size())?;
            each(name, kind, &mut entry)?;
        }
    }
    Ok(())
}

fn kind_of(kind: tar::EntryType, name: &str, link: &str, size: u64) -> Result<Kind> {
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    if kind.is_file() || kind.is_contiguous() {
        return Ok(Kind::File(size));
    }
    if kind.is_symlink() {
        return cleaned(folder, link).map(Kind::Link).ok_or_else(|| out(link));
    }
    if kind.is_hard_link() {
        return cleaned("", link).map(Kind::Link).ok_or_else(|| out(link));
    }
    match kind.is_dir() {
        true => Ok(Kind::Other),
        false => Err(refused(format!("{name:?} is neither a file nor a directory nor a link"))),
    }
}

/// The name that a path has from the top, if it does not lead out.
pub(super) fn cleaned(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A long name, which ends with a zero byte.
fn text(entry: &mut tar::Entry<'_, impl Read>) -> Result<String> {
    if entry.size() > LONGEST_NAME {
        return Err(refused(format!("it has a name of {} bytes", entry.size())));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(unreadable)?;
    own_text(bytes.strip_suffix(b"\0").unwrap_or(&bytes))
}

/// The records of pax that matter here; what is no record is an error, because others might read on
/// somewhere else.
fn extended(entry: &mut tar::Entry<'_, impl Read>, ahead: &mut Ahead) -> Result<()> {
    if entry.size() > MOST_ABOUT_ONE {
        return Err(refused(format!("{} bytes are told about one entry", entry.size())));
    }
    let records = entry.pax_extensions().map_err(unreadable)?;
    for record in records.into_iter().flatten() {
        let record = record.map_err(unreadable)?;
        let value = || own_text(record.value_bytes());
        match record.key_bytes() {
            b"path" => ahead.name = Some(value()?),
            b"linkpath" => ahead.link = Some(value()?),
            b"size" => {
                let size = value()?.parse().map_err(|_| refused("a size is no number".into()))?;
                ahead.size = Some(size);
            }
            _ => {}
        }
    }
    Ok(())
}

fn own_text(bytes: &[u8]) -> Result<String> {
    if bytes.len() as u64 > LONGEST_NAME {
        return Err(refused(format!("it has a name of {} bytes", bytes.len())));
    }
    let text = String::from_utf8(bytes.to_vec());
    text.map_err(|error| refused(format!("a name is no text: {}", error.utf8_error())))
}

fn out(name: &str) -> Error {
    refused(format!("{name:?} leads out of it"))
}

fn refused(why: String) -> Error {
    Error::Unusable(format!("the archive is refused: {why}"))
}

fn unreadable(why: io::Error) -> Error {
    match why.downcast::<Error>() {
        Ok(error) => error,
        Err(why) => Error::Unusable(format!("the archive cannot be read: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, cleaned, for_each};

    #[test]
    fn a_name_does_not_lead_out() {
        for (folder, path, name) in [
            ("", "a/b", Some("a/b")),
            ("", "./a//b/", Some("a/b")),
            ("a", "../b/c", Some("b/c")),
            ("a/b", "../../c", Some("c")),
            ("a", "../../c", None),
            ("", "..", None),
            ("", "a/../../b", None),
            ("", "/etc/passwd", None),
            ("", "a\0b", None),
            ("", "", Some("")),
        ] {
            assert_eq!(cleaned(folder, path).as_deref(), name, "{path:?} in {folder:?}");
        }
    }

    fn archive(entries: &[(tar::EntryType, &str, &str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (kind, name, link, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            // Written as it is: the library would refuse what leads out.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<(String, Kind)>, String> {
        let mut all = Vec::new();
        for_each(bytes, |name, kind, _| {
            all.push((name, kind));
            Ok(())
        })
        .map(|()| all)
        .map_err(|error| error.to_string())
    }

    #[test]
    fn entries_have_names_and_kinds() {
        use tar::EntryType as T;
        let bytes = archive(&[
            (T::Directory, "a/", "", b""),
            (T::Regular, "./a/file", "", b"123"),
            (T::Symlink, "b/link", "../a/file", b""),
            (T::Link, "b/hard", "a/file", b""),
        ]);
        let expected = [
            ("a".to_string(), Kind::Other),
            ("a/file".to_string(), Kind::File(3)),
            ("b/link".to_string(), Kind::Link("a/file".to_string())),
            ("b/hard".to_string(), Kind::Link("a/file".to_string())),
        ];
        assert_eq!(read(&bytes).unwrap(), expected);
        for cut in [1, 511, 513, 1500] {
            assert!(read(&bytes[..bytes.len().min(cut)]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn what_leads_out_is_refused_by_its_name() {
        use tar::EntryType as T;
        for (kind, name, link) in [
            (T::Regular, "../x", ""),
            (T::Regular, "/etc/x", ""),
            (T::Symlink, "blobs", "../../elsewhere"),
            (T::Symlink, "index.json", "/etc/passwd"),
            (T::Link, "x", "../y"),
            (T::Char, "x", ""),
            (T::Fifo, "x", ""),
        ] {
            let error = read(&archive(&[(kind, name, link, b"")])).unwrap_err();
            let named = if link.is_empty() { name } else { link };
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn nobody_tells_more_about_an_entry_than_there_is() {
        let mut bytes = archive(&[(tar::EntryType::Regular, "a", "", b"")]);
        bytes[156] = b'L';
        bytes[124..135].copy_from_slice(b"77777777777");
        let sum: u32 = bytes[..512]
            .iter()
            .enumerate()
            .map(|(at, byte)| u32::from(if (148..156).contains(&at) { b' ' } else { *byte }))
            .sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let error = read(&bytes).unwrap_err();
        assert!(error.contains("8589934591 bytes"), "{error}");
    }
}
