//! How does a layer look when it is sent?
//!
//! As a tar (OCI image specification, "Image Layer Filesystem Changeset"). What the format of 1988
//! has no room for, stands in records of POSIX.1-2001 before the entry: nanoseconds, long names, and
//! extended attributes as `SCHILY.xattr.NAME`.

mod reading;

use std::os::unix::ffi::{OsStrExt, OsStringExt};

use primitives::{Error, Result, Timestamp};
use tar::{Builder, EntryType, Header};

use crate::layer::{About, Entry, Kind};
pub(crate) use reading::read;

const XATTR: &str = "SCHILY.xattr.";

/// The tar of a layer: the same entries are the same bytes.
pub(crate) fn write(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for entry in entries {
        append(&mut builder, entry).map_err(|error| {
            Error::Unusable(format!("{} does not fit into a tar: {error}", entry.path.display()))
        })?;
    }
    builder.into_inner().map_err(|error| Error::Unusable(format!("no tar can be made: {error}")))
}

// ANCHOR: append
fn append(builder: &mut Builder<Vec<u8>>, entry: &Entry) -> std::io::Result<()> {
    let mut name = entry.name_in_tar().into_os_string().into_vec();
    if entry.kind == Kind::Directory {
        name.push(b'/');
    }
    let mut header = Header::new_ustar();
    let mut records: Vec<(String, Vec<u8>)> = Vec::new();
    let (content, link) = describe(&entry.kind, &mut header)?;
    put("path", &name, &mut header.as_old_mut().name, &mut records);
    put("linkpath", link, &mut header.as_old_mut().linkname, &mut records);
    about(&entry.about, &mut header, &mut records);
    header.set_size(content.len() as u64);
    header.set_cksum();
    if !records.is_empty() {
        let records = records.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        builder.append_pax_extensions(records)?;
    }
    builder.append(&header, content)
}
// ANCHOR_END: append

/// Sets the type, and returns the content and what a link points to.
fn describe<'a>(kind: &'a Kind, header: &mut Header) -> std::io::Result<(&'a [u8], &'a [u8])> {
    let mut content: &[u8] = &[];
    let mut link: &[u8] = &[];
    let mut device = (0, 0);
    header.set_entry_type(match kind {
        Kind::Directory => EntryType::Directory,
        Kind::File(bytes) => {
            content = bytes;
            EntryType::Regular
        }
        Kind::Symlink(target) => {
            link = target.as_os_str().as_bytes();
            EntryType::Symlink
        }
        Kind::HardLink(target) => {
            link = target.as_os_str().as_bytes();
            EntryType::Link
        }
        Kind::Fifo => EntryType::Fifo,
        Kind::Character(major, minor) => {
            device = (*major, *minor);
            EntryType::Char
        }
        Kind::Block(major, minor) => {
            device = (*major, *minor);
            EntryType::Block
        }
        Kind::Whiteout | Kind::Opaque => EntryType::Regular,
    });
    let number = |number: u64| u32::try_from(number).map_err(std::io::Error::other);
    header.set_device_major(number(device.0)?)?;
    header.set_device_minor(number(device.1)?)?;
    Ok((content, link))
}

/// Puts a name into its field of 100 bytes, or into a record where that is too small.
fn put(key: &str, name: &[u8], field: &mut [u8; 100], records: &mut Vec<(String, Vec<u8>)>) {
    let short = &name[..name.len().min(field.len())];
    field[..short.len()].copy_from_slice(short);
    if name.len() > field.len() {
        records.push((key.to_string(), name.to_vec()));
    }
}

fn about(about: &About, header: &mut Header, records: &mut Vec<(String, Vec<u8>)>) {
    header.set_mode(about.mode);
    header.set_uid(u64::from(about.uid));
    header.set_gid(u64::from(about.gid));
    header.set_mtime(u64::try_from(about.mtime.seconds).unwrap_or(0));
    if about.mtime.nanos != 0 || about.mtime.seconds < 0 {
        records.push(("mtime".to_string(), written(about.mtime).into_bytes()));
    }
    for (name, value) in &about.xattrs {
        records.push((format!("{XATTR}{name}"), value.clone()));
    }
}

/// A time as a decimal number. The kernel counts nanoseconds forward from the second, also before
/// 1970: a half second before it is -1 and 500,000,000.
fn written(time: Timestamp) -> String {
    match (time.seconds, time.nanos) {
        (seconds @ ..0, nanos @ 1..) => {
            let whole = match seconds + 1 {
                0 => "-0".to_string(),
                whole => whole.to_string(),
            };
            format!("{whole}.{:09}", 1_000_000_000 - nanos)
        }
        (seconds, nanos) => format!("{seconds}.{nanos:09}"),
    }
}

#[cfg(test)]
mod tests {
    use super::reading::read_time;
    use super::{read, write, written};
    use crate::layer::{About, Entry, Kind};
    use primitives::Timestamp;

    #[test]
    fn times_before_and_after_1970() {
        for (seconds, nanos, text) in [
            (0, 0, "0.000000000"),
            (1_700_000_000, 1, "1700000000.000000001"),
            (-1, 500_000_000, "-0.500000000"),
            (-2, 250_000_000, "-1.750000000"),
            (-3, 0, "-3.000000000"),
        ] {
            let time = Timestamp { seconds, nanos };
            assert_eq!(written(time), text);
            assert_eq!(read_time(text), Some(time), "{text}");
        }
        assert_eq!(read_time("7"), Some(Timestamp { seconds: 7, nanos: 0 }));
        assert_eq!(read_time("7.5"), Some(Timestamp { seconds: 7, nanos: 500_000_000 }));
    }

    fn entry(path: &str, kind: Kind) -> Entry {
        Entry { path: path.into(), kind, about: About::default() }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let long = "long/".repeat(50) + "name";
        let mut about = About { mode: 0o4755, uid: 3_000_000, gid: 7, ..About::default() };
        about.mtime = Timestamp { seconds: -5, nanos: 123_456_789 };
        about.xattrs = vec![("user.binary".into(), vec![0, 10, 61, 255])];
        let entries = [
            entry("d", Kind::Directory),
            entry("d", Kind::Opaque),
            Entry { about, ..entry("d/file", Kind::File(b"content".to_vec())) },
            entry("d/gone", Kind::Whiteout),
            entry("d/again", Kind::HardLink("d/file".into())),
            entry("d/link", Kind::Symlink(long.clone().into())),
            entry(&long, Kind::Fifo),
            entry("null", Kind::Character(1, 3)),
            entry("disk", Kind::Block(259, 7)),
        ];
        let bytes = write(&entries).unwrap();
        assert_eq!(bytes, write(&entries).unwrap());
        let again = read(&bytes).unwrap();
        assert_eq!(format!("{again:?}"), format!("{entries:?}"));
    }

    #[test]
    fn a_whiteout_of_nothing_is_refused() {
        for name in ["", ".", ".."] {
            let whiteout = entry(&format!("d/.wh.{name}"), Kind::File(Vec::new()));
            let error = read(&write(&[whiteout]).unwrap()).unwrap_err().to_string();
            assert!(error.contains("deletes no file"), "{error}");
        }
        assert!(read(b"not a tar").is_err());
    }
}
