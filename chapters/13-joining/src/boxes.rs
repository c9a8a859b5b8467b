//! How is a box found, and what does one get at its door?
//!
//! A box has a directory with two files: `log`, what was said at its terminal, and `door`, a socket.
//! Whoever knocks gets three things in one message: how much was said before, the end of the terminal
//! that people sit at, and the first process, both as open files. What is said from then on follows
//! as plain text, exactly from that place in the log on.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use primitives::{
    Error, Result, await_any, clean_up, connect_unix, create_appending, listen_unix, mkdir,
    receive_fds, step_giving,
};

pub(crate) fn log(place: &Path) -> PathBuf {
    place.join("log")
}

/// Sleeps until one of these has something to say; which.
pub(crate) fn first_of(all: &[BorrowedFd<'_>]) -> Result<Vec<bool>> {
    await_any(all).map_err(|errno| Error::Unusable(format!("poll: {errno:?}")))
}

fn door(place: &Path) -> PathBuf {
    place.join("door")
}

/// What somebody has who was let in.
pub(crate) struct Conversation {
    /// Where what is said comes out.
    pub(crate) line: OwnedFd,
    /// How much of the log was there before.
    pub(crate) said: u64,
    /// The end that people sit at.
    pub(crate) terminal: OwnedFd,
    /// The first process.
    pub(crate) process: OwnedFd,
}

impl Conversation {
    // ANCHOR: begin
    /// Knocks at the door of a box.
    pub(crate) fn begin(place: &Path) -> Result<Conversation> {
        step_giving("knock at its door", || {
            let line = connect_unix(&door(place), "ask whoever keeps the box to let us in")?;
            let why = "have its terminal and its first process as if we had opened them";
            let (text, fds) = receive_fds(line.as_fd(), why)?;
            let said = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
            match (said, <[OwnedFd; 2]>::try_from(fds)) {
                (Some(said), Ok([terminal, process])) => {
                    Ok(Conversation { line, said, terminal, process })
                }
                _ => Err(Error::Unusable("the box ended before it had let us in".to_string())),
            }
        })
    }
    // ANCHOR_END: begin
}

/// The directory of a box, while somebody keeps it. Without a program that has run it goes again, and
/// the door goes in any case.
pub(crate) struct Place {
    path: PathBuf,
    made: Vec<PathBuf>,
    /// Whether what was said is kept.
    pub(crate) keeps_log: bool,
}

impl Place {
    /// Makes the directory, which nobody else may look into: whoever has the terminal is the one at the
    /// keyboard.
    pub(crate) fn make(path: &Path) -> Result<Place> {
        mkdir(path, 0o700, "have a place that nobody else can come to")?;
        Ok(Place { path: path.to_path_buf(), made: Vec::new(), keeps_log: false })
    }

    pub(crate) fn make_log(&mut self) -> Result<File> {
        let path = log(&self.path);
        let file = create_appending(&path, 0o600, "keep what is said, for those who come later")?;
        self.made.push(path);
        Ok(File::from(file))
    }

    pub(crate) fn lay_door(&mut self) -> Result<OwnedFd> {
        let path = door(&self.path);
        let door = listen_unix(&path, "hear those who come later")?;
        self.made.push(path);
        Ok(door)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let kept = |path: &&PathBuf| !(self.keeps_log && **path == log(&self.path));
        for path in self.made.iter().rev().filter(kept) {
            let _ = clean_up::unlink(path, "leave nothing that leads nowhere");
        }
        if !self.keeps_log {
            let _ = clean_up::rmdir(self.path.as_path(), "leave the directory as we found it");
        }
    }
}
