//! How is a tar unpacked that somebody else has made?
//!
//! With suspicion: each entry is a name, and a name can lead anywhere. One that is absolute, that has
//! `..` in it, that goes through a symbolic link, or that links to what is not in the tar, is refused
//! by name before anything is made of it. What remains is made by way of its open directory, which the
//! kernel has found beneath the root (`openat2`), so that nobody can slip a link in meanwhile.
//!
//! The `tar` crate reads headers here; it never writes a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use primitives::{
    Error, Result, Timestamp, create, link, mkdir, mkfifo, mknod_block, mknod_character, open_path,
    openat2_in_root, symlink, unlink,
};
use tar::{Archive, Entry, EntryType};

use crate::metadata::{Owners, Wanted, settle};
use crate::unusable;

const WHY: &str = "have in the root what is in the tar";

/// Unpacks a tar, plain or compressed with gzip, into `directory`, and says what that itself is like in
/// the tar, if it is there.
pub(crate) fn unpack(file: &Path, directory: &Path) -> Result<Option<Wanted>> {
    let cannot = |e: &dyn std::fmt::Display| unusable(file.display(), e);
    let mut archive = Archive::new(open(file)?);
    let mut unpacking = Unpacking::begin(directory)?;
    for entry in archive.entries().map_err(|e| cannot(&e))? {
        unpacking.entry(&mut entry.map_err(|e| cannot(&e))?)?;
    }
    unpacking.finish()
}

fn open(file: &Path) -> Result<Box<dyn Read>> {
    let opened = File::open(file).map_err(|e| unusable(file.display(), e))?;
    let mut reader = BufReader::new(opened);
    let head = reader.fill_buf().map_err(|e| unusable(file.display(), e))?;
    let packed = |with: &str| {
        let why = format!("it is compressed with {with}, and only gzip is read here");
        Err(unusable(file.display(), why))
    };
    match head {
        [0x1f, 0x8b, ..] => Ok(Box::new(MultiGzDecoder::new(reader))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => packed("zstd"),
        [0xfd, b'7', b'z', ..] => packed("xz"),
        [b'B', b'Z', b'h', ..] => packed("bzip2"),
        _ => Ok(Box::new(reader)),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Made {
    Directory,
    Link,
    Other,
}

struct Unpacking {
    root: OwnedFd,
    /// What the root itself is like, as `tar -C DIR .` has it.
    itself: Option<Wanted>,
    owners: Owners,
    /// Everything in the root: it was empty, so what is not here was never made.
    made: BTreeMap<PathBuf, Made>,
    /// Directories get their times last, because each child changes them.
    directories: Vec<(PathBuf, Wanted)>,
    /// The directory of the last entry, open: the next one is often in it too.
    current: Option<(PathBuf, OwnedFd)>,
}

impl Unpacking {
    fn begin(directory: &Path) -> Result<Unpacking> {
        Ok(Unpacking {
            root: open_path(directory, "have a directory that no name in the tar leads out of")?,
            itself: None,
            owners: Owners::known(),
            made: BTreeMap::new(),
            directories: Vec::new(),
            current: None,
        })
    }

    fn entry(&mut self, entry: &mut Entry<'_, Box<dyn Read>>) -> Result<()> {
        let name = entry.path_bytes().into_owned();
        let name = Path::new(std::ffi::OsStr::from_bytes(&name)).to_path_buf();
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let path = inside(&name).map_err(|why| refused(&name, why))?;
        let wanted = wanted(entry).map_err(|why| refused(&name, &why))?;
        if path.as_os_str().is_empty() {
            self.itself = Some(wanted);
            return Ok(());
        }
        self.make(entry, &name, &path, &wanted).map_err(|error| match error {
            // Many files have the same last name; the request has no other.
            Error::Request(_) => unusable(format!("{} of the tar", name.display()), error),
            other => other,
        })
    }

    fn make(
        &mut self,
        entry: &mut Entry<'_, Box<dyn Read>>,
        name: &Path,
        path: &Path,
        wanted: &Wanted,
    ) -> Result<()> {
        let kind = entry.header().entry_type();
        let parent = path.parent().unwrap_or(Path::new("")).to_path_buf();
        self.make_parents(&parent).map_err(|why| why.unwrap_or_refuse(name))?;
        if kind.is_dir() && self.made.get(path) == Some(&Made::Directory) {
            self.directories.push((path.to_path_buf(), wanted.clone()));
            return Ok(());
        }
        let place = self.place(path)?;
        match self.made.get(path) {
            None => {}
            Some(Made::Directory) => {
                return Err(refused(name, "there is a directory of this name"));
            }
            Some(_) => unlink(&place, "let the later of two entries of one name count")?,
        }
        let made = match kind {
            EntryType::Directory => mkdir(&place, 0o700, WHY).map(|()| Made::Directory)?,
            EntryType::Symlink => {
                let target = link_name(entry, name)?;
                symlink(&target, &place, WHY).map(|()| Made::Link)?
            }
            EntryType::Link => {
                let to = self.linked(entry, name)?;
                let old = self.place_besides(&to)?;
                link(&old.1, &place, "let two names be the same file, as in the tar")?;
                self.made.insert(path.to_path_buf(), self.made[&to]);
                return Ok(());
            }
            _ => make_file(entry, name, &place, wanted.mode & 0o777).map(|()| Made::Other)?,
        };
        self.made.insert(path.to_path_buf(), made);
        match made {
            Made::Directory => {
                self.directories.push((path.to_path_buf(), wanted.clone()));
                Ok(())
            }
            _ => settle(&place, wanted, &self.owners),
        }
    }

    /// Makes the directories above an entry, where the tar did not; what is there must be one.
    fn make_parents(&mut self, parent: &Path) -> std::result::Result<(), Why> {
        let mut path = PathBuf::new();
        for part in parent.components() {
            path.push(part);
            match self.made.get(&path) {
                Some(Made::Directory) => {}
                Some(Made::Link) => {
                    return Err(Why::Refuse(format!(
                        "it goes through the symbolic link {:?}",
                        path.display().to_string()
                    )));
                }
                Some(Made::Other) => {
                    return Err(Why::Refuse(format!("{} is no directory", path.display())));
                }
                None => {
                    let place = self.place(&path)?;
                    crate::make_directory(
                        &place,
                        0o755,
                        "have a directory that the tar only uses",
                    )?;
                    self.made.insert(path.clone(), Made::Directory);
                }
            }
        }
        Ok(())
    }

    /// A path for requests, by way of the open directory that holds it.
    fn place(&mut self, path: &Path) -> Result<PathBuf> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if self.current.as_ref().is_none_or(|(open, _)| open != parent) {
            self.current = None;
            self.current = Some((parent.to_path_buf(), self.open(parent)?));
        }
        let (_, fd) = self.current.as_ref().expect("it was opened just now");
        Ok(by_way_of(fd).join(path.file_name().unwrap_or_default()))
    }

    /// The same for a second path at the same time; the directory is open as long as it is kept.
    fn place_besides(&self, path: &Path) -> Result<(OwnedFd, PathBuf)> {
        let fd = self.open(path.parent().unwrap_or(Path::new("")))?;
        let place = by_way_of(&fd).join(path.file_name().unwrap_or_default());
        Ok((fd, place))
    }

    fn open(&self, directory: &Path) -> Result<OwnedFd> {
        let path = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        openat2_in_root(self.root.as_fd(), path, "find the directory of an entry beneath the root")
    }

    /// The entry that a hard link means: it must have come before.
    fn linked(&self, entry: &Entry<'_, Box<dyn Read>>, name: &Path) -> Result<PathBuf> {
        let target = link_name(entry, name)?;
        let refuse = |why: &str| refused(name, &format!("it links to {}: {why}", target.display()));
        let path = inside(&target).map_err(refuse)?;
        match self.made.get(&path) {
            None => Err(refuse("that is no earlier entry of the tar")),
            Some(Made::Directory) => Err(refuse("a directory has one name only")),
            Some(_) => Ok(path),
        }
    }

    /// Gives directories their permissions and times, the inner ones first.
    fn finish(mut self) -> Result<Option<Wanted>> {
        let mut directories = std::mem::take(&mut self.directories);
        directories.sort_by_key(|(path, _)| std::cmp::Reverse(path.components().count()));
        for (path, wanted) in directories {
            let place = self.place(&path)?;
            settle(&place, &wanted, &self.owners)?;
        }
        Ok(self.itself)
    }
}

/// Why an entry was not made: because of what it is, or because the kernel would not.
enum Why {
    Refuse(String),
    Failed(Error),
}

impl From<Error> for Why {
    fn from(error: Error) -> Why {
        Why::Failed(error)
    }
}

impl Why {
    fn unwrap_or_refuse(self, name: &Path) -> Error {
        match self {
            Why::Refuse(why) => refused(name, &why),
            Why::Failed(error) => error,
        }
    }
}

fn by_way_of(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn refused(name: &Path, why: &str) -> Error {
    // As Rust writes strings: a name in a tar can hold codes that move a cursor.
    Error::Unusable(format!("the entry {:?} of the tar is refused: {why}", name.as_os_str()))
}

/// The path of an entry below the root, without `.` and a slash at its end.
fn inside(name: &Path) -> std::result::Result<PathBuf, &'static str> {
    let mut path = PathBuf::new();
    for part in name.components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err("it has .. in it"),
            _ => return Err("it is an absolute path"),
        }
    }
    Ok(path)
}

fn link_name(entry: &Entry<'_, Box<dyn Read>>, name: &Path) -> Result<PathBuf> {
    let target = entry.link_name_bytes().filter(|target| !target.is_empty());
    let target = target.ok_or_else(|| refused(name, "it is a link to nothing"))?;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(&target)))
}

/// Makes what is neither a directory nor a link.
fn make_file(
    entry: &mut Entry<'_, Box<dyn Read>>,
    name: &Path,
    place: &Path,
    mode: u32,
) -> Result<()> {
    let kind = entry.header().entry_type();
    match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let content = content(entry).map_err(|why| refused(name, &why))?;
            create(place, &content, mode, WHY)
        }
        EntryType::Fifo => mkfifo(place, mode, WHY),
        EntryType::Char => mknod_character(place, mode, device(entry, name)?, WHY),
        EntryType::Block => mknod_block(place, mode, device(entry, name)?, WHY),
        other => {
            let letter = char::from(other.as_byte()).escape_default().to_string();
            Err(refused(name, &format!("entries of the type {letter:?} are not known here")))
        }
    }
}

fn content(entry: &mut Entry<'_, Box<dyn Read>>) -> std::result::Result<Vec<u8>, String> {
    let size = entry.size();
    // The size is the tar's word, so no more room is made for it than was really read.
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(|e| e.to_string())?;
    match content.len() as u64 == size || entry.header().entry_type() == EntryType::GNUSparse {
        true => Ok(content),
        false => Err(format!("the tar ends after {} of its {size} bytes", content.len())),
    }
}

fn device(entry: &Entry<'_, Box<dyn Read>>, name: &Path) -> Result<(u64, u64)> {
    let number = |number: std::io::Result<Option<u32>>| {
        number
            .ok()
            .flatten()
            .map(u64::from)
            .ok_or_else(|| refused(name, "it has no device numbers"))
    };
    Ok((number(entry.header().device_major())?, number(entry.header().device_minor())?))
}

/// Permissions, owner, time and attributes, as the headers have them.
fn wanted(entry: &mut Entry<'_, Box<dyn Read>>) -> std::result::Result<Wanted, String> {
    let header = entry.header();
    let id = |number: std::io::Result<u64>| -> std::result::Result<u32, String> {
        u32::try_from(number.map_err(|e| e.to_string())?).map_err(|_| "an id is too large".into())
    };
    let mut wanted = Wanted {
        mode: header.mode().map_err(|e| e.to_string())? & 0o7777,
        owner: (id(header.uid())?, id(header.gid())?),
        time: Timestamp {
            seconds: i64::try_from(header.mtime().map_err(|e| e.to_string())?)
                .map_err(|_| "its time is too far away")?,
            nanos: 0,
        },
        attributes: Vec::new(),
    };
    let extensions = entry.pax_extensions().map_err(|e| e.to_string())?;
    for extension in extensions.into_iter().flatten() {
        let extension = extension.map_err(|e| e.to_string())?;
        let key = extension.key().map_err(|e| e.to_string())?;
        if key.starts_with("GNU.sparse.") {
            return Err("files with holes in the pax form are not known here".into());
        }
        if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
            let value = extension.value_bytes().to_vec();
            wanted.attributes.push((name.to_string(), value));
        }
        if key == "mtime" {
            wanted.time = time(extension.value().map_err(|e| e.to_string())?)?;
        }
    }
    Ok(wanted)
}

/// A time as pax writes it: seconds with a fraction, which may lie before 1970.
fn time(text: &str) -> std::result::Result<Timestamp, String> {
    let wrong = || format!("{text:?} is no time");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().map_err(|_| wrong())?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanos: u32 = digits.parse().map_err(|_| wrong())?;
    match whole.starts_with('-') && nanos > 0 {
        true => Ok(Timestamp { seconds: seconds - 1, nanos: 1_000_000_000 - nanos }),
        false => Ok(Timestamp { seconds, nanos }),
    }
}
