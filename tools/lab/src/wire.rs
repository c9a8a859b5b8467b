//! How do a command inside the lab and a terminal outside it share one line?
//!
//! The line is one stream of bytes each way (a serial port, a virtio port). What travels on it is
//! cut into frames, so that output, error output and the exit code keep apart and keep their order.
//! The command itself does not travel: it is a note that the guest finds in the host's file tree.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The guest's first bytes. What comes before them is the kernel clearing its throat.
pub(crate) const READY: &[u8] = b"\0lab ready\n";

/// The most input in one frame. A terminal line holds 4095 bytes and drops what comes then, so one
/// frame travels at a time, and the next waits for [`Frame::Taken`].
pub(crate) const INPUT_AT_ONCE: usize = 2048;

/// A frame longer than this is noise on the line, not a frame.
const LONGEST: usize = 1 << 20;

/// One message on the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// host → guest: bytes for the command's standard input
    Input(Vec<u8>),
    /// host → guest: the end of the standard input
    InputEnd,
    /// guest → host: the last `Input` has been passed on
    Taken,
    /// guest → host: bytes of the standard output
    Output(Vec<u8>),
    /// guest → host: bytes of the standard error
    ErrorOutput(Vec<u8>),
    /// guest → host: the command has ended with this exit code
    Exit(u8),
    /// guest → host: the command could not be started, and why
    Refusal(u8, String),
}

impl Frame {
    /// Kind (one byte), length (four, little end first), payload.
    pub(crate) fn write(&self, line: &mut impl Write) -> io::Result<()> {
        let (kind, payload) = match self {
            Self::Input(bytes) => (b'i', bytes.clone()),
            Self::InputEnd => (b'e', Vec::new()),
            Self::Taken => (b't', Vec::new()),
            Self::Output(bytes) => (b'1', bytes.clone()),
            Self::ErrorOutput(bytes) => (b'2', bytes.clone()),
            Self::Exit(code) => (b'x', vec![*code]),
            Self::Refusal(code, why) => (b'r', [&[*code], why.as_bytes()].concat()),
        };
        let mut bytes = vec![kind];
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(payload);
        line.write_all(&bytes)?;
        line.flush()
    }

    /// The next frame; an error of kind `UnexpectedEof` if the other side is gone.
    pub(crate) fn read(line: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 5];
        line.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST {
            return Err(noise(kind));
        }
        let mut payload = vec![0; length];
        line.read_exact(&mut payload)?;
        match (kind, payload.as_slice()) {
            (b'i', _) => Ok(Self::Input(payload)),
            (b'e', []) => Ok(Self::InputEnd),
            (b't', []) => Ok(Self::Taken),
            (b'1', _) => Ok(Self::Output(payload)),
            (b'2', _) => Ok(Self::ErrorOutput(payload)),
            (b'x', [code]) => Ok(Self::Exit(*code)),
            (b'r', [code, why @ ..]) => {
                Ok(Self::Refusal(*code, String::from_utf8_lossy(why).into_owned()))
            }
            _ => Err(noise(kind)),
        }
    }
}

fn noise(kind: u8) -> io::Error {
    let text = format!("the line carries something that is not a frame (it starts with {kind})");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Reads up to and including [`READY`] and hands back what came before it.
pub(crate) fn await_ready(line: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(READY) {
        line.read_exact(&mut byte)?;
        seen.push(byte[0]);
    }
    seen.truncate(seen.len() - READY.len());
    Ok(seen)
}

/// What to run inside, and as whom: the note that the host leaves for the guest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// the program and its arguments
    pub(crate) command: Vec<OsString>,
    /// the whole environment
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// the working directory
    pub(crate) directory: PathBuf,
    /// the uid (and gid) to run as
    pub(crate) user: u32,
    /// how the command's standard streams look from inside
    pub(crate) streams: Streams,
}

/// What the command has for standard input, output and error.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Streams {
    /// three pipes
    Pipes,
    /// one terminal of this size
    Terminal {
        /// lines
        rows: u16,
        /// characters in a line
        columns: u16,
    },
}

impl Order {
    /// A record a line, as it were: one letter, the value, a NUL, which no value can contain.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut note = Vec::new();
        let mut record = |letter: u8, value: &OsStr| {
            note.push(letter);
            note.extend(value.as_bytes());
            note.push(0);
        };
        record(b'd', self.directory.as_os_str());
        record(b'u', OsStr::new(&self.user.to_string()));
        if let Streams::Terminal { rows, columns } = self.streams {
            record(b't', OsStr::new(&format!("{rows} {columns}")));
        }
        for (name, value) in &self.environment {
            record(b'n', name);
            record(b'v', value);
        }
        for argument in &self.command {
            record(b'a', argument);
        }
        note
    }

    /// The opposite of [`Order::encode`].
    pub(crate) fn decode(note: &[u8]) -> Result<Self> {
        let mut order = Self {
            command: Vec::new(),
            environment: Vec::new(),
            directory: PathBuf::from("/"),
            user: 0,
            streams: Streams::Pipes,
        };
        for record in note.split(|byte| *byte == 0).filter(|record| !record.is_empty()) {
            let value = OsString::from_vec(record[1..].to_vec());
            match record[0] {
                b'd' => order.directory = PathBuf::from(value),
                b'u' => order.user = number(&value)?,
                b't' => order.streams = terminal(&value)?,
                b'n' => order.environment.push((value, OsString::new())),
                b'v' => match order.environment.last_mut() {
                    Some((_, empty)) => *empty = value,
                    None => bail!("the order has a value before its first name"),
                },
                b'a' => order.command.push(value),
                letter => bail!("the order has a record of an unknown kind: {}", letter as char),
            }
        }
        Ok(order)
    }

    /// Where the program is if its name is a path: seen from the working directory, as in a shell.
    pub(crate) fn program_path(&self) -> Option<PathBuf> {
        let program = Path::new(self.command.first()?);
        let is_path = program.as_os_str().as_bytes().contains(&b'/');
        is_path.then(|| self.directory.join(program))
    }
}

fn number(value: &OsStr) -> Result<u32> {
    let text = value.to_string_lossy();
    text.parse().with_context(|| format!("the order has {text:?} where a number belongs"))
}

fn terminal(value: &OsStr) -> Result<Streams> {
    let text = value.to_string_lossy();
    let (rows, columns) = text.split_once(' ').context("the order has half a terminal size")?;
    Ok(Streams::Terminal { rows: rows.parse()?, columns: columns.parse()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_line() {
        let frames = [
            Frame::Input(vec![0, 255, b'\n']),
            Frame::InputEnd,
            Frame::Taken,
            Frame::Output(b"out".to_vec()),
            Frame::ErrorOutput(Vec::new()),
            Frame::Exit(137),
            Frame::Refusal(127, "no such program".to_owned()),
        ];
        let mut line = Vec::new();
        for frame in &frames {
            frame.write(&mut line).unwrap();
        }
        let mut line = line.as_slice();
        for frame in &frames {
            assert_eq!(Frame::read(&mut line).unwrap(), *frame);
        }
        assert_eq!(Frame::read(&mut line).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn noise_is_no_frame() {
        let error = Frame::read(&mut b"Kernel panic".as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_comes_before_ready_is_handed_back() {
        let mut line = [b"Checking ptrace...OK\n".as_slice(), READY, b"x"].concat();
        let mut rest = line.as_mut_slice() as &[u8];
        assert_eq!(await_ready(&mut rest).unwrap(), b"Checking ptrace...OK\n");
        assert_eq!(rest, b"x");
    }

    #[test]
    fn an_order_survives_the_note() {
        let order = Order {
            command: ["sh", "-c", "", "a\nb"].map(OsString::from).to_vec(),
            environment: vec![("A".into(), "1=2".into()), ("EMPTY".into(), "".into())],
            directory: "/work dir".into(),
            user: 1000,
            streams: Streams::Terminal { rows: 24, columns: 80 },
        };
        assert_eq!(Order::decode(&order.encode()).unwrap(), order);
    }

    #[test]
    fn a_program_is_a_path_only_with_a_slash() {
        let mut order = Order::decode(b"d/work\0als\0").unwrap();
        assert_eq!(order.program_path(), None);
        order.command[0] = "./ls".into();
        assert_eq!(order.program_path(), Some("/work/./ls".into()));
    }
}
