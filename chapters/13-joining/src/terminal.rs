//! How does a program in a container come to a terminal, and its other end to us?
//!
//! A terminal has two ends, and both are made in there: by the container's own door, so that its
//! programs find the one end under a name they know. The other end needs no name. It is an open file,
//! and an open file can be handed to another process, out here.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use primitives::{
    Child, Error, RawMode, Result, ToParent, clear_onlcr, connect_unix, dup2, is_in_devpts,
    open_path, open_peer, open_ptmx, openat2_in_root, raw_mode, send_fd_to,
    set_controlling_terminal, set_window_size, step, step_giving, unlock_peer, window_size,
};

// ANCHOR: open
/// Makes a terminal in here and hands the end for people to the parent; returned is the end for
/// programs.
pub(crate) fn open(parent: &ToParent) -> Result<OwnedFd> {
    step_giving("open a terminal", || {
        let root = open_path(Path::new("/"), "have a limit for the path to the door")?;
        let why = "find the container's own terminals, whatever links it has on the way";
        let directory = openat2_in_root(root.as_fd(), Path::new("dev/pts"), why)?;
        if !is_in_devpts(directory.as_fd()) {
            return Err(Error::Unusable("/dev/pts of the container is no devpts".to_string()));
        }
        let master = open_ptmx(directory.as_fd(), "make a terminal: this is the end for people")?;
        unlock_peer(master.as_fd(), "let its other end be opened")?;
        let peer = open_peer(master.as_fd(), "have the end for programs, by no path at all")?;
        parent.send_fd(master.as_fd(), "have somebody sit at it")?;
        Ok(peer)
    })
}
// ANCHOR_END: open

// ANCHOR: sit_down
/// Becomes a process in front of the terminal. It must lead a session that has none.
pub(crate) fn sit_down(peer: &OwnedFd) -> Result<()> {
    step("sit down at it", || {
        dup2(peer.as_fd(), 0, "read what is typed")?;
        dup2(peer.as_fd(), 1, "write to the screen")?;
        dup2(peer.as_fd(), 2, "write errors there as well")?;
        set_controlling_terminal(peer.as_fd(), "get the signals of its keys, such as Ctrl-C")
    })
}
// ANCHOR_END: sit_down

/// Takes the end for people.
pub(crate) fn take(child: &mut Child) -> Result<OwnedFd> {
    step_giving("take its terminal", || child.receive_fd("have the end that people sit at"))
}

// ANCHOR: hand_over
/// Gives the end for people to somebody who waits for it at a socket, as engines do.
pub(crate) fn hand_over(master: OwnedFd, socket: &Path) -> Result<()> {
    step_giving("hand the terminal over", || {
        let socket = connect_unix(socket, "find whoever wants it")?;
        // Receivers take the bytes for the terminal's name; this is what runc calls it.
        let why = "let somebody else sit at it, and keep nothing of it";
        send_fd_to(socket.as_fd(), master.as_fd(), b"/dev/ptmx", why)
    })
}
// ANCHOR_END: hand_over

/// Before the program runs, or the first that it says comes out otherwise than the rest.
pub(crate) fn get_ready(master: &OwnedFd) -> Result<()> {
    step("get it ready", || {
        clear_onlcr(master.as_fd(), "add no carriage returns: our own terminal adds them")?;
        fit(master)
    })
}

/// Gives it the size of the terminal in front of us, if there is one.
pub(crate) fn fit(master: &OwnedFd) -> Result<()> {
    match window_size(std::io::stdin().as_fd()) {
        Some(size) => {
            set_window_size(master.as_fd(), size, "be as large as the one in front of us")
        }
        None => Ok(()),
    }
}

/// From now on what is typed goes in as it is, until the result is dropped.
pub(crate) fn sit_in_front() -> Result<Option<RawMode>> {
    raw_mode("let the keys mean what they mean in there")
}
