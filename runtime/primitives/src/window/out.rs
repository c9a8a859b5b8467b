//! Where does the trace go, and what if nobody can take it any more?
//!
//! A closed pipe or a full disk must not end the program that is being watched. But a log with a hole
//! that nobody was told of would be a lie: after the first failure nothing more is written, and the
//! end of the program says so.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Why the trace is incomplete, if it is.
static BROKEN: Mutex<Option<String>> = Mutex::new(None);

/// What is wrong with the trace, if anything.
pub(crate) fn why_incomplete() -> Option<String> {
    BROKEN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A file that a trace goes to.
#[derive(Debug)]
pub(crate) struct TraceOut(pub(crate) File);

impl Write for TraceOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut broken = BROKEN.lock().unwrap_or_else(PoisonError::into_inner);
        if broken.is_some() {
            return Err(io::Error::from(ErrorKind::BrokenPipe));
        }
        let result = if nobody_reads(self.0.as_fd()) {
            Err(io::Error::from(ErrorKind::BrokenPipe))
        } else {
            self.0.write_all(bytes).map(|()| bytes.len())
        };
        if let Err(error) = &result {
            *broken = Some(error.to_string());
        }
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a pipe has lost its reader. Writing to it would end this process by SIGPIPE, which is right
/// for its output, and wrong for its trace and its messages: it has work to finish.
fn nobody_reads(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::empty())];
    let error = |flags: PollFlags| flags.contains(PollFlags::POLLERR);
    poll(&mut fds, PollTimeout::ZERO).is_ok() && fds[0].revents().is_some_and(error)
}

/// Prints a line on standard error, if there is anybody to read it.
pub(crate) fn say(line: &str) {
    if !nobody_reads(io::stderr().as_fd()) {
        eprintln!("{line}");
    }
}
