//! How does the kernel say what is mounted where?
//!
//! One line a mount, in `/proc/PID/mountinfo` (proc_pid_mountinfo(5)):
//!
//! `36 35 98:0 /mnt1 /mnt/parent\040dir rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
//!
//! Blanks part the fields, so a blank in a name is written `\040`. Some fields are there or not; a
//! lone `-` says that there are no more of them. Names may hold any bytes, and anybody who may mount
//! chooses them, so nothing here believes that it reads text.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use primitives::{Error, Pid, Result};

// ANCHOR: mount
/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) id: u32,
    /// The mount that it lies on; not in the list, or itself, where that is out of sight.
    pub(crate) parent: u32,
    /// Which part of the file system is mounted: `/` is all of it.
    pub(crate) root: PathBuf,
    /// Where it is mounted, as seen from the root of the process.
    pub(crate) place: PathBuf,
    /// Those of this mount: `rw`, `nosuid`.
    pub(crate) options: Vec<OsString>,
    pub(crate) ties: Vec<Tie>,
    pub(crate) kind: OsString,
    pub(crate) source: OsString,
    /// Those of the file system, which all its mounts have.
    pub(crate) super_options: OsString,
}

/// How a mount is tied to others: an optional field. Groups of peers are known by numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tie {
    Shared(u32),
    Master(u32),
    PropagateFrom(u32),
    Unbindable,
    /// Of a kernel that is newer than this program.
    Unknown(OsString),
}
// ANCHOR_END: mount

impl Mount {
    pub(crate) fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|option| option == name)
    }
}

/// The mounts that a process sees, or that this one does.
///
/// # Errors
/// When there is no such process, it may not be looked at, or the kernel writes what is no mountinfo.
pub(crate) fn mounts_of(pid: Option<Pid>) -> Result<Vec<Mount>> {
    let folder = pid.map_or("self".to_string(), |pid| pid.to_string());
    let path = format!("/proc/{folder}/mountinfo");
    let bytes =
        fs::read(&path).map_err(|e| Error::Unusable(format!("{path} cannot be read: {e}")))?;
    parse_all(&bytes).map_err(|what| Error::Unusable(format!("{path} makes no sense: {what}")))
}

/// Whether this process sees a mount at the place.
pub(crate) fn is_mounted(place: &Path) -> Result<bool> {
    Ok(mounts_of(None)?.iter().any(|mount| mount.place == place))
}

fn parse_all(bytes: &[u8]) -> std::result::Result<Vec<Mount>, String> {
    // A line feed in a name is escaped, so one that is here ends a line.
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.enumerate().map(|(at, line)| parse(line).ok_or(format!("line {}", at + 1))).collect()
}

// ANCHOR: parse
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let _device = fields.next()?;
    let root = PathBuf::from(unescape(fields.next()?));
    let place = PathBuf::from(unescape(fields.next()?));
    // Split first: a comma that belongs to a value is escaped, as a blank is.
    let options = fields.next()?.split(|byte| *byte == b',').map(unescape).collect();
    let mut ties = Vec::new();
    loop {
        match fields.next()? {
            b"-" => break,
            field => ties.push(tie(field)),
        }
    }
    let kind = unescape(fields.next()?);
    let source = unescape(fields.next()?);
    // The last field: some file systems leave a blank in it unescaped.
    let rest: Vec<&[u8]> = fields.collect();
    let super_options = unescape(&rest.join(&b' '));
    Some(Mount { id, parent, root, place, options, ties, kind, source, super_options })
}
// ANCHOR_END: parse

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Fields that are not known are kept and mean nothing: that is what the man page asks of readers.
fn tie(field: &[u8]) -> Tie {
    let known = || {
        let text = std::str::from_utf8(field).ok()?;
        if text == "unbindable" {
            return Some(Tie::Unbindable);
        }
        let (name, group) = text.split_once(':')?;
        let group = group.parse().ok()?;
        match name {
            "shared" => Some(Tie::Shared(group)),
            "master" => Some(Tie::Master(group)),
            "propagate_from" => Some(Tie::PropagateFrom(group)),
            _ => None,
        }
    };
    known().unwrap_or_else(|| Tie::Unknown(unescape(field)))
}

/// A field as it was before the kernel wrote `\040` for a blank: a backslash and three octal digits
/// are one byte. A backslash that begins no such four is one.
// ANCHOR: unescape
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, others)) = rest.split_first() {
        match octal(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    OsString::from_vec(bytes)
}

fn octal(bytes: &[u8]) -> Option<u8> {
    let [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] = bytes else {
        return None;
    };
    Some((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'))
}
// ANCHOR_END: unescape

/// A name as it may be shown on a terminal: on one line, with nothing in it that a terminal obeys.
pub(crate) fn shown(name: &(impl AsRef<std::ffi::OsStr> + ?Sized)) -> String {
    let quoted = trace::Arg::from_bytes(name.as_ref().as_bytes()).to_string();
    quoted[1..quoted.len() - 1].to_string()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    use super::{Tie, parse, parse_all, shown, unescape};

    #[test]
    fn the_line_of_the_man_page() {
        let line =
            b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let mount = parse(line).unwrap();
        assert_eq!((mount.id, mount.parent), (36, 35));
        assert_eq!((mount.root, mount.place), (PathBuf::from("/mnt1"), PathBuf::from("/mnt2")));
        assert_eq!(mount.options, ["rw", "noatime"]);
        assert_eq!(mount.ties, [Tie::Master(1)]);
        assert_eq!((mount.kind, mount.source), ("ext3".into(), "/dev/root".into()));
        assert_eq!(mount.super_options, "rw,errors=continue");
    }

    #[test]
    fn names_may_hold_everything_that_parts_fields_and_lines() {
        let line = b"1 2 0:3 / /a\\040-\\040b\\012c\\011d\\134040 rw - tmpfs a\\040b rw\n";
        let mount = &parse_all(line).unwrap()[0];
        assert_eq!(mount.place, PathBuf::from("/a - b\nc\td\\040"));
        assert_eq!(mount.source, "a b");
        assert_eq!(shown(&mount.place), r"/a - b\nc\td\\040");
    }

    #[test]
    fn a_name_need_not_be_text_and_moves_no_cursor() {
        let mount = parse(b"1 2 0:3 / /\xff\x1b[2J rw - tmpfs \xe2\x80\xae rw").unwrap();
        assert_eq!(mount.place, PathBuf::from(OsString::from_vec(b"/\xff\x1b[2J".to_vec())));
        assert_eq!(shown(&mount.place), r"/\xff\x1b[2J");
        assert_eq!(shown(&mount.source), r"\u{202e}");
    }

    #[test]
    fn optional_fields_may_be_none_many_or_unheard_of() {
        let ties = |fields: &str| {
            parse(format!("1 2 0:3 / / rw {fields}- tmpfs x rw").as_bytes()).unwrap().ties
        };
        assert_eq!(ties(""), []);
        assert_eq!(
            ties("shared:7 master:2 propagate_from:1 "),
            [Tie::Shared(7), Tie::Master(2), Tie::PropagateFrom(1)]
        );
        assert_eq!(
            ties("unbindable shared:x future "),
            [Tie::Unbindable, Tie::Unknown("shared:x".into()), Tie::Unknown("future".into())]
        );
    }

    #[test]
    fn a_dash_in_a_name_does_not_end_the_optional_fields() {
        // A directory can be called "-": its field begins with a slash, so it is not alone.
        let mount = parse(b"1 2 0:3 /- /- rw shared:1 - tmpfs - rw").unwrap();
        assert_eq!((mount.source, mount.ties), ("-".into(), vec![Tie::Shared(1)]));
    }

    #[test]
    fn what_is_no_escape_stays_as_it_is() {
        for text in [r"\", r"\04", r"\089", r"\400", r"\x41", "a\\"] {
            assert_eq!(unescape(text.as_bytes()), text);
        }
        assert_eq!(unescape(br"\101\\101"), r"A\A");
    }

    #[test]
    fn a_line_that_ends_too_early_is_an_error_and_no_panic() {
        let whole = "36 35 98:0 / /m rw shared:1 - ext3 /dev/root";
        for end in 0..whole.len() - "/dev/root".len() {
            assert_eq!(parse(&whole.as_bytes()[..end]), None, "{end}");
        }
        assert_eq!(parse_all(b"36 35\n").unwrap_err(), "line 1");
    }

    #[test]
    fn our_own_kernel_is_understood() {
        let mounts = super::mounts_of(None).unwrap();
        assert!(mounts.iter().any(|mount| mount.place == std::path::Path::new("/proc")));
    }
}
