//! Which mounts are there, and with which options?

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use primitives::{Error, MsFlags, Result, read_small};

/// A mount, as much of it as is needed to change its options.
#[derive(Debug, PartialEq)]
pub(crate) struct Mounted {
    pub(crate) at: PathBuf,
    pub(crate) options: MsFlags,
}

/// The mounts at and below a path; the last one at a path is the one on top.
pub(crate) fn below(path: &Path) -> Result<Vec<Mounted>> {
    let file = "/proc/self/mountinfo";
    let text = read_small(file.as_ref())
        .map_err(|e| Error::Unusable(format!("{file} cannot be read: {e}")))?;
    Ok(text.lines().filter_map(mounted).filter(|mount| mount.at.starts_with(path)).collect())
}

const OPTIONS: [(&str, MsFlags); 7] = [
    ("ro", MsFlags::MS_RDONLY),
    ("nosuid", MsFlags::MS_NOSUID),
    ("nodev", MsFlags::MS_NODEV),
    ("noexec", MsFlags::MS_NOEXEC),
    ("noatime", MsFlags::MS_NOATIME),
    ("nodiratime", MsFlags::MS_NODIRATIME),
    ("relatime", MsFlags::MS_RELATIME),
];

/// A line: the fifth field is where it is mounted, the sixth are its options.
fn mounted(line: &str) -> Option<Mounted> {
    let mut fields = line.split(' ').skip(4);
    let at = unescaped(fields.next()?);
    let names: Vec<&str> = fields.next()?.split(',').collect();
    let has = |(name, _): &(&str, MsFlags)| names.contains(name);
    let options = OPTIONS.into_iter().filter(has).map(|(_, flag)| flag).collect();
    Some(Mounted { at, options })
}

/// A path in which blanks and the like stand as three octal digits: `\040`.
fn unescaped(field: &str) -> PathBuf {
    let (mut bytes, mut rest) = (Vec::new(), field.as_bytes());
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|_| *first == b'\\');
        match escaped.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => (bytes.push(byte), rest = &tail[3..]).1,
            None => (bytes.push(*first), rest = tail).1,
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use primitives::MsFlags;

    use super::mounted;

    #[test]
    fn a_line_is_read() {
        let line = "36 35 98:0 /mnt1 /a\\040b\\134 ro,noatime master:1 - ext3 /dev/root rw";
        let mount = mounted(line).unwrap();
        assert_eq!(mount.at, Path::new("/a b\\"));
        assert_eq!(mount.options, MsFlags::MS_RDONLY | MsFlags::MS_NOATIME);
        assert_eq!(mounted("36 35"), None);
    }
}
