//! How does one talk with a program that was started before one came?
//!
//! With the terminal it already has. Its end for people is handed over at the door, so what is typed
//! goes straight in, and so does the size of our own terminal. What is said comes from the keeper,
//! because text can be read from a terminal only once.

use std::fs::File;
use std::io::{IsTerminal, Read, Seek, SeekFrom, Write, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use primitives::{Error, Result, Signal, Status, block_signals, signalfd, step_giving};

use crate::boxes::{self, Conversation, first_of};
use crate::terminal;

const NOBODY: &str = "left: there is nobody to type";

/// So much of what was said before is shown to whoever sits down.
const SCREENFUL: u64 = 2048;

// ANCHOR: attach
/// Sits down at the terminal of a box until the box ends, or the keys to leave are typed, or there is
/// nobody left to type.
pub(crate) fn attach(place: &Path) -> Result<Status> {
    let talk = Conversation::begin(place)?;
    let resized = step_giving("hear when we are resized", || {
        block_signals(&[Signal::SIGWINCH], "take them when there is time for them")?;
        signalfd(&[Signal::SIGWINCH], "hear of them together with everything else")
    })?;
    say(&before(place, talk.said.saturating_sub(SCREENFUL), talk.said)?);
    let mut raw = None;
    if stdin().is_terminal() {
        raw = step_giving("sit in front of it", || {
            terminal::fit(&talk.terminal)?;
            terminal::sit_in_front()
        })?;
    }
    let parting = converse(&talk, &resized)?;
    drop(raw);
    eprintln!("{parting}");
    Ok(Status::Exited(0))
}
// ANCHOR_END: attach

// ANCHOR: converse
fn converse(talk: &Conversation, resized: &OwnedFd) -> Result<&'static str> {
    let (mut line, mut keyboard) = (file(&talk.line)?, file(&talk.terminal)?);
    let (input, mut keys) = (stdin(), Keys::default());
    loop {
        let ready = first_of(&[talk.line.as_fd(), resized.as_fd(), input.as_fd()])?;
        if ready[0] {
            let Some(text) = read(&mut line) else { return Ok("the box has ended") };
            say(&text);
        }
        if ready[1] {
            let _ = read(&mut file(resized)?);
            terminal::fit(&talk.terminal)?;
        }
        if ready[2] {
            let Some(typed) = read(&mut file(&input)?) else { return Ok(NOBODY) };
            let (typed, leaves) = keys.pass(&typed);
            // Nobody may sit there any more; then the box says so, or ends.
            let _ = keyboard.write_all(&typed);
            if leaves {
                return Ok("left: the box goes on");
            }
        }
    }
}
// ANCHOR_END: converse

/// Looks out for the keys to leave, which are those of Docker: Ctrl-P Ctrl-Q. The first of them is held
/// back until it is clear what it was.
#[derive(Default)]
struct Keys {
    held: bool,
}

impl Keys {
    fn pass(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        const CTRL_P: u8 = 0x10;
        const CTRL_Q: u8 = 0x11;
        let mut passed = Vec::new();
        for key in typed {
            match (self.held, *key) {
                (true, CTRL_Q) => return (passed, true),
                (false, CTRL_P) => self.held = true,
                (true, CTRL_P) => passed.push(CTRL_P),
                (held, key) => {
                    passed.extend(held.then_some(CTRL_P));
                    passed.push(key);
                    self.held = false;
                }
            }
        }
        (passed, false)
    }
}

/// Prints what was said so far.
pub(crate) fn print(place: &Path) -> Result<Status> {
    say(&before(place, 0, u64::MAX)?);
    Ok(Status::Exited(0))
}

// ANCHOR: follow
/// Prints what was said, and what is said from now on, without a byte lost or told twice: the keeper
/// has said up to where the log goes.
pub(crate) fn follow(place: &Path) -> Result<Status> {
    let talk = Conversation::begin(place)?;
    say(&before(place, 0, talk.said)?);
    let mut line = file(&talk.line)?;
    while let Some(text) = read(&mut line) {
        say(&text);
    }
    Ok(Status::Exited(0))
}
// ANCHOR_END: follow

/// A part of the log.
fn before(place: &Path, from: u64, to: u64) -> Result<Vec<u8>> {
    let path = boxes::log(place);
    let read = || {
        let mut log = File::open(&path)?;
        log.seek(SeekFrom::Start(from))?;
        let mut text = Vec::new();
        log.take(to - from).read_to_end(&mut text)?;
        Ok(text)
    };
    read().map_err(|e: std::io::Error| {
        Error::Unusable(format!("{} cannot be read: {e}", path.display()))
    })
}

/// None at the end.
fn read(file: &mut File) -> Option<Vec<u8>> {
    let mut room = vec![0; 4096];
    let length = file.read(&mut room).ok().filter(|length| *length > 0)?;
    room.truncate(length);
    Some(room)
}

/// The same open file, with the methods to read and write it.
fn file(fd: &impl AsFd) -> Result<File> {
    let copied = fd.as_fd().try_clone_to_owned();
    copied.map(File::from).map_err(|e| Error::Unusable(format!("a descriptor, once more: {e}")))
}

/// Whoever is not there to read it does not miss it.
fn say(text: &[u8]) {
    let mut screen = stdout();
    let _ = screen.write_all(text).and_then(|()| screen.flush());
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn only_both_keys_together_leave() {
        let typed = |parts: &[&[u8]]| {
            let mut keys = Keys::default();
            let mut all = Vec::new();
            for part in parts {
                let (passed, leaves) = keys.pass(part);
                all.extend(passed);
                if leaves {
                    return (all, true);
                }
            }
            (all, false)
        };
        assert_eq!(typed(&[b"ls\x10\x11more"]), (b"ls".to_vec(), true));
        assert_eq!(typed(&[b"a\x10", b"\x11"]), (b"a".to_vec(), true));
        assert_eq!(typed(&[b"a\x10", b"b\x11"]), (b"a\x10b\x11".to_vec(), false));
        assert_eq!(typed(&[b"\x10\x10\x11"]), (b"\x10".to_vec(), true));
    }
}
