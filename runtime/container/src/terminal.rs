//! How does a container come to a terminal of its own?
//!
//! By the door in the container's own devpts, and so that no file of the image can stand in for it:
//! the directory must be a devpts, the door must be the door, and its other end is had from the kernel
//! and by no path (CVE-2025-52565). The master goes to whoever sits in front of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use primitives::{
    Child, Error, RawMode, Recursive, Result, Status, WindowSize, clear_onlcr, connect_unix, dup2,
    is_in_devpts, move_mount_onto, open_peer, open_ptmx, open_tree_of, openat2_in_root, raw_mode,
    relay, set_controlling_terminal, set_window_size, stat_of, step, step_giving, unlock_peer,
    window_size,
};

/// A pseudo-terminal.
#[derive(Debug)]
pub struct Terminal {
    /// The end of whoever stands for the person at the keyboard.
    pub master: OwnedFd,
    /// The end that the container's programs have as their terminal.
    pub peer: OwnedFd,
}

/// The number of the door to pseudo-terminals in every devpts: `fs/devpts/inode.c`.
const PTMX_INODE: u64 = 2;
/// Its device numbers: `TTYAUX_MAJOR` 5 and 2, in the form that stat(2) gives.
const PTMX_DEVICE: u64 = 5 << 8 | 2;

/// Makes a terminal in the devpts of a container, whose root is `root` (an `O_PATH` descriptor). The
/// caller names the step.
///
/// A size that has a 0 is left to whoever sits in front of the terminal.
///
/// # Errors
/// When there is no devpts at `dev/pts`; and those of the requests.
pub fn open(root: BorrowedFd<'_>, rows: u16, columns: u16) -> Result<Terminal> {
    let why = "find the container's own pseudo-terminals";
    let directory = openat2_in_root(root, Path::new("dev/pts"), why)?;
    if !is_in_devpts(directory.as_fd()) {
        return Err(Error::Unusable(
            "process.terminal needs a devpts at /dev/pts: mount one in the configuration".into(),
        ));
    }
    let master = open_ptmx(directory.as_fd(), "make a terminal of the container's own")?;
    check(master.as_fd())?;
    unlock_peer(master.as_fd(), "let its other end be opened")?;
    let peer = open_peer(master.as_fd(), "have the end that is for the container's programs")?;
    if rows != 0 && columns != 0 {
        let size = WindowSize { rows, columns };
        set_window_size(master.as_fd(), size, "give it the size that was asked for")?;
    }
    Ok(Terminal { master, peer })
}

/// Something may be mounted over the door.
fn check(master: BorrowedFd<'_>) -> Result<()> {
    let door = stat_of(master);
    let is_door = door.is_ok_and(|it| it.st_ino == PTMX_INODE && it.st_rdev == PTMX_DEVICE);
    match is_door && is_in_devpts(master) {
        true => Ok(()),
        false => Err(Error::Unusable(
            "/dev/pts/ptmx of the container is not the door to pseudo-terminals: something is \
             mounted over it"
                .into(),
        )),
    }
}

impl Terminal {
    /// Shows the terminal as `/dev/console`: mounts it onto `place`, a file that the caller has made
    /// and opened there.
    ///
    /// # Errors
    /// Those of the requests.
    pub fn be_console(&self, place: BorrowedFd<'_>) -> Result<()> {
        step("mount the console", || {
            let mount = open_tree_of(
                self.peer.as_fd(),
                Recursive::No,
                "show the terminal at another place too",
            )?;
            move_mount_onto(mount.as_fd(), place, "let programs find their terminal as the console")
        })
    }

    /// Becomes a process in front of this terminal: it is standard input, output and error, and Ctrl-C
    /// reaches this process and what it makes. It must lead a session that has no terminal.
    ///
    /// # Errors
    /// Those of the requests.
    pub fn sit_down(&self) -> Result<()> {
        step("sit down at the terminal", || {
            let peer = self.peer.as_fd();
            dup2(peer, 0, "read what is typed")?;
            dup2(peer, 1, "write to the screen")?;
            dup2(peer, 2, "write errors there as well")?;
            set_controlling_terminal(peer, "get the signals of its keys, such as Ctrl-C")
        })
    }
}

/// Connects to a `--console-socket`; by the parent, while the host's paths can be seen.
///
/// # Errors
/// Those of connect(2).
pub fn connect(socket: &Path) -> Result<OwnedFd> {
    step_giving("connect to the console socket", || {
        connect_unix(socket, "give the container's terminal to whoever asked for it")
    })
}

/// Stays with a process until it ends: hands all signals on, and stands between its terminal, if it has
/// one, and our own.
///
/// # Errors
/// When the process has failed, with its words; and those of the requests. Our own terminal is put
/// back as it was in any case.
pub fn attend(child: &mut Child, master: Option<OwnedFd>) -> Result<Status> {
    child.watch_it_go()?;
    let raw = master.as_ref().map(|_| sit_in_front()).transpose()?;
    step_giving("stay until it ends", || {
        if let Some(pidfd) = child.pidfd() {
            let master = master.as_ref().map(AsFd::as_fd);
            relay(child.pid(), pidfd, master, "let it be as if it had been started directly")?;
        }
        drop(raw);
        child.attend("pass its exit code on")
    })
}

/// Makes a terminal ready for standing behind our own. To be called before the program runs, or the
/// first that it says comes out otherwise than the rest.
///
/// # Errors
/// Those of the requests.
pub fn stand_behind_ours(master: BorrowedFd<'_>) -> Result<()> {
    clear_onlcr(master, "add no carriage returns: our own terminal adds them")?;
    match window_size(std::io::stdin().as_fd()) {
        Some(size) => set_window_size(master, size, "have it as large as the terminal in front"),
        None => Ok(()),
    }
}

/// What is typed goes to the container as it is.
fn sit_in_front() -> Result<Option<RawMode>> {
    step_giving("sit in front of its terminal", || {
        raw_mode("let the keys mean what they mean in there")
    })
}
