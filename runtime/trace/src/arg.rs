//! How is one argument, or one result, of a request written down?
//!
//! Every value has a type that says what it *is*: a pid, a descriptor, a map of ids. The type gives
//! it its looks, and it is what the golden form goes by when it hides what differs from run to run.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// One argument or result of a request, by what it means rather than by how it is stored.
///
/// In JSON each is an object with one key, the type: `{"pid": 1944}`, `{"text": "box"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arg {
    /// Free text handed to the kernel, shown in quotes: `"box"`.
    Text(String),
    /// Text that is not UTF-8, byte by byte; what is no printable ASCII is shown as `\xff`.
    Bytes(Vec<u8>),
    /// The beginning of a text that is too long for a record, with the bytes that it has in all.
    Cut {
        /// The beginning.
        text: String,
        /// Bytes in all.
        bytes: usize,
    },
    /// Content that is no text, such as a program's, by the number of its bytes.
    Data(usize),
    /// A path as it was handed to the kernel, shown in quotes.
    Path(String),
    /// A file below `/proc/PID`. Kept apart from [`Arg::Path`] because the pid differs in each run.
    ProcPath {
        /// The pid, in the pid namespace of the caller.
        pid: i32,
        /// The rest of the path, without a leading slash.
        file: String,
    },
    /// A file by way of an open descriptor: `/proc/self/fd/5/null`. Kept apart from [`Arg::Path`]
    /// because which number a descriptor has says nothing.
    FdPath {
        /// The descriptor.
        fd: i32,
        /// The rest of the path, without a leading slash; empty for the descriptor's own file.
        file: String,
    },
    /// A directory or file of a cgroup hierarchy. Kept apart from [`Arg::Path`] because in which cgroup
    /// a program runs differs on each machine.
    CgroupPath {
        /// Where the hierarchy is mounted.
        mount: String,
        /// The cgroup of the program itself, without a leading slash.
        own: String,
        /// The rest of the path, without a leading slash.
        file: String,
    },
    /// A process as a program takes it among its arguments, in quotes: `"1944"`.
    PidText(i32),
    /// A constant or a set of flags under its name in the man page: `CLONE_NEWUTS`, `NULL`.
    Word(String),
    /// A plain number.
    Number(i64),
    /// A process, as its caller numbers it.
    Pid(i32),
    /// An open file descriptor.
    Fd(i32),
    /// An object of the kernel that has no path, by its kind and inode: `uts:[4026531838]`.
    Object {
        /// `uts`, `pipe`, `socket`: what stands in front of the bracket.
        kind: String,
        /// Two objects of one kind are the same one when their inodes are equal.
        inode: u64,
    },
    /// Lines of a uid or gid map: `0 1000 1`.
    IdMap(Vec<[u32; 3]>),
    /// An array of strings, as for the arguments of a program.
    List(Vec<Arg>),
    /// A structure, by the names of its fields: `{flags=…, exit_signal=…}`.
    Fields(Vec<(String, Arg)>),
    /// Something the golden form has hidden, by the name it got instead.
    Hidden(String),
}

/// The longest text, and the longest list, that a record holds: it must fit into one packet.
const LONGEST_TEXT: usize = 4096;
const LONGEST_LIST: usize = 256;

/// The longest text in an error message: about a line.
const LONGEST_IN_MESSAGE: usize = 100;

impl Arg {
    /// Text of the system, which is UTF-8 as a rule and not by law.
    pub fn from_bytes(bytes: &[u8]) -> Arg {
        match std::str::from_utf8(bytes) {
            Ok(text) => Arg::Text(text.to_string()),
            Err(_) => Arg::Bytes(bytes.to_vec()),
        }
    }

    /// A path, by way of a descriptor or not.
    pub fn from_path(path: &str) -> Arg {
        let rest = path.strip_prefix("/proc/self/fd/");
        let (fd, file) = rest.map_or((path, ""), |rest| rest.split_once('/').unwrap_or((rest, "")));
        match fd.parse() {
            Ok(fd) if rest.is_some() => Arg::FdPath { fd, file: file.to_string() },
            _ => Arg::Path(path.to_string()),
        }
    }

    /// The content of a file: as text where it is text, else by its length.
    pub fn from_content(content: &[u8]) -> Arg {
        match std::str::from_utf8(content) {
            Ok(text) if !text.contains('\0') => Arg::Text(text.to_string()),
            _ => Arg::Data(content.len()),
        }
    }

    /// The value, cut down to what a record holds; what is missing is counted.
    pub fn clipped(self) -> Arg {
        match self {
            Arg::Text(text) => cut(text, LONGEST_TEXT),
            Arg::Bytes(mut bytes) => {
                bytes.truncate(LONGEST_TEXT);
                Arg::Bytes(bytes)
            }
            Arg::List(items) => clip_list(items),
            other => other,
        }
    }

    /// The value in a message, where a whole file would hide what is said about it.
    pub fn brief(self) -> Arg {
        match self {
            Arg::Text(text) if text.len() > LONGEST_IN_MESSAGE => Arg::Data(text.len()),
            other => other,
        }
    }

    /// What a link in `/proc/PID/ns` or `/proc/PID/fd` points to: an object, or else a path.
    pub fn from_proc_link(target: &str) -> Arg {
        let object = target.strip_suffix(']').and_then(|rest| rest.split_once(":["));
        match object.and_then(|(kind, inode)| Some((kind, inode.parse().ok()?))) {
            Some((kind, inode)) => Arg::Object { kind: kind.to_string(), inode },
            None => Arg::Path(target.to_string()),
        }
    }
}

fn cut(text: String, longest: usize) -> Arg {
    if text.len() <= longest {
        return Arg::Text(text);
    }
    let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Arg::Cut { bytes: text.len(), text: text[..end].to_string() }
}

impl Display for Arg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Text(text) | Arg::Path(text) => write!(f, "\"{}\"", escape(text)),
            Arg::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Arg::Cut { text, bytes } => write!(f, "\"{}\"... ({bytes} bytes)", escape(text)),
            Arg::Data(bytes) => write!(f, "<{bytes} bytes>"),
            Arg::ProcPath { pid, file } => write!(f, "\"/proc/{pid}/{file}\""),
            Arg::FdPath { fd, file } => write!(f, "\"{}\"", escape(&fd_path(fd, file))),
            Arg::CgroupPath { mount, own, file } => {
                write!(f, "\"{}\"", escape(&cgroup_path(mount, own, file)))
            }
            Arg::PidText(pid) => write!(f, "\"{pid}\""),
            Arg::Word(word) | Arg::Hidden(word) => f.write_str(word),
            Arg::Number(number) => write!(f, "{number}"),
            Arg::Pid(pid) => write!(f, "pid {pid}"),
            Arg::Fd(fd) => write!(f, "fd {fd}"),
            Arg::Object { kind, inode } => write!(f, "{kind}:[{inode}]"),
            Arg::IdMap(lines) => write!(f, "\"{}\"", map_text(lines)),
            Arg::List(items) => {
                f.write_str("[")?;
                separated(f, items)?;
                f.write_str("]")
            }
            Arg::Fields(fields) => write_fields(f, fields),
        }
    }
}

/// The path of a file by way of a descriptor, which may stand under another name in a golden trace.
pub(crate) fn fd_path(fd: impl Display, file: &str) -> String {
    let slash = if file.is_empty() { "" } else { "/" };
    format!("/proc/self/fd/{fd}{slash}{file}")
}

/// The whole path, in which none of the parts need be there.
pub(crate) fn cgroup_path(mount: &str, own: &str, file: &str) -> String {
    let parts = [mount, own, file].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<&str>>().join("/")
}

/// Few long items, or many short ones: both must stay within bounds.
fn clip_list(items: Vec<Arg>) -> Arg {
    let all = items.len();
    let mut room = 4 * LONGEST_TEXT;
    let mut kept = Vec::new();
    for item in items.into_iter().take(LONGEST_LIST).map(Arg::clipped) {
        let length = item.to_string().len();
        if length > room {
            break;
        }
        room -= length;
        kept.push(item);
    }
    if kept.len() < all {
        kept.push(Arg::Word(format!("... {} more", all - kept.len())));
    }
    Arg::List(kept)
}

/// Writes `items` with a comma and a space between them.
pub(crate) fn separated(f: &mut Formatter<'_>, items: &[Arg]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{item}")?;
    }
    Ok(())
}

fn write_fields(f: &mut Formatter<'_>, fields: &[(String, Arg)]) -> fmt::Result {
    f.write_str("{")?;
    for (index, (name, value)) in fields.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{name}={value}")?;
    }
    f.write_str("}")
}

fn map_text(lines: &[[u32; 3]]) -> String {
    let lines: Vec<String> = lines.iter().map(|[a, b, n]| format!("{a} {b} {n}")).collect();
    lines.join("\\n")
}

/// `text` on one line: control characters, quotes and backslashes become escapes, as in C.
///
/// A program can put anything into an argument, also the codes that move a terminal's cursor. What
/// is printed must be what was asked for, so nothing of it reaches the terminal as it is.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || is_invisible(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Characters that show nothing and change how others are shown, such as the direction of a line.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::Arg;

    #[test]
    fn a_record_is_never_too_large_for_a_packet() {
        let long = Arg::List(vec![Arg::Text("x".repeat(1 << 20)); 3]).clipped().to_string();
        assert!(long.len() < 20_000 && long.contains("(1048576 bytes)"), "{}", long.len());
        let many = Arg::List(vec![Arg::Text("12345".into()); 40_000]).clipped().to_string();
        assert!(many.ends_with(", ... 39744 more]"), "{}", &many[many.len() - 40..]);
    }

    #[test]
    fn what_is_not_utf_8_is_shown_byte_by_byte() {
        assert_eq!(Arg::from_bytes(b"a\xff\n").to_string(), r#""a\xff\n""#);
        assert_eq!(Arg::Text("a\u{202e}b".into()).to_string(), r#""a\u{202e}b""#);
    }

    #[test]
    fn values_carry_their_tag() {
        assert_eq!(Arg::Pid(12).to_string(), "pid 12");
        assert_eq!(Arg::Fd(3).to_string(), "fd 3");
        assert_eq!(Arg::IdMap(vec![[0, 1000, 1], [1, 5, 2]]).to_string(), r#""0 1000 1\n1 5 2""#);
        let fields = Arg::Fields(vec![("flags".into(), Arg::Word("CLONE_NEWUTS".into()))]);
        assert_eq!(fields.to_string(), "{flags=CLONE_NEWUTS}");
    }

    #[test]
    fn a_terminal_is_never_handed_a_control_character() {
        let hostile = Arg::Text("\u{1b}[2Jbox\"\n".into()).to_string();
        assert_eq!(hostile, r#""\u{1b}[2Jbox\"\n""#);
    }

    #[test]
    fn a_path_by_way_of_a_descriptor_is_one() {
        let null = Arg::FdPath { fd: 5, file: "null".into() };
        assert_eq!(Arg::from_path("/proc/self/fd/5/null"), null);
        assert_eq!(null.to_string(), r#""/proc/self/fd/5/null""#);
        assert_eq!(Arg::from_path("/proc/self/fd/5").to_string(), r#""/proc/self/fd/5""#);
        for other in ["/proc/self/fd", "/proc/self/fd/", "/proc/self/fd/x", "5", "/dev/null"] {
            assert_eq!(Arg::from_path(other), Arg::Path(other.into()));
        }
    }

    #[test]
    fn json_names_the_type() {
        let json = serde_json::to_string(&Arg::ProcPath { pid: 4, file: "uid_map".into() });
        assert_eq!(json.unwrap(), r#"{"proc_path":{"pid":4,"file":"uid_map"}}"#);
    }
}
