//! How does a terminal that was made in the container come to whoever sits in front of it?
//!
//! Over the line, to the process that makes the container; and from there to the socket that an engine
//! named, or to the terminal that this command itself was started from.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use bundle::{Process, Terminal as Wanted};
use primitives::{Child, Result, ToParent, send_fd_to, step_giving};

use crate::root::Root;
pub(crate) use crate::terminal::attend;
use crate::terminal::{self, Terminal};

/// Opens a terminal in the container, if it shall have one, and gives its master side to the parent.
pub(crate) fn open(
    root: &Root,
    process: &Process,
    parent: &ToParent,
    as_console: bool,
) -> Result<Option<Terminal>> {
    let Wanted::New { rows, columns } = process.terminal else {
        return Ok(None);
    };
    step_giving("open a terminal", || {
        let terminal = terminal::open(root.as_fd(), rows, columns)?;
        if as_console {
            let place = root.make_file(Path::new("/dev/console"))?;
            terminal.be_console(place.as_fd())?;
        }
        parent.send_fd(terminal.master.as_fd(), "have somebody sit in front of it")?;
        Ok(Some(terminal))
    })
}

/// Takes the master side, and hands it over where somebody else waits for it.
pub(crate) fn take(
    child: &mut Child,
    process: &Process,
    socket: Option<&Path>,
) -> Result<Option<OwnedFd>> {
    if process.terminal == Wanted::None {
        return Ok(None);
    }
    let master = step_giving("take its terminal", || {
        child.receive_fd("have the side of it that people sit at")
    })?;
    let Some(socket) = socket else {
        step_giving("stand behind our own", || terminal::stand_behind_ours(master.as_fd()))?;
        return Ok(Some(master));
    };
    // Receivers take the bytes for the terminal's name; this is what runc calls it.
    step_giving("hand its terminal over", || send(master.as_fd(), socket, b"/dev/ptmx"))?;
    Ok(None)
}

/// Sends a descriptor to whoever listens at a socket.
pub(crate) fn send(fd: BorrowedFd<'_>, socket: &Path, words: &[u8]) -> Result<()> {
    let socket = terminal::connect(socket)?;
    send_fd_to(socket.as_fd(), fd, words, "give it to whoever asked for it")
}
