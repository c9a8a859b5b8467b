//! Terminals: making one inside a container, its size, and what the kernel does to the text.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, sendmsg, socket,
};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{OptionalActions, OutputModes, Winsize};
use trace::Arg;

use crate::args::{ToArg, Word, fields};
use crate::call;
use crate::error::Result;
use crate::gate::{Shown, perform};
use crate::process::from_rustix;

/// The file system of pseudo-terminals: `DEVPTS_SUPER_MAGIC` in `linux/magic.h`.
const DEVPTS: rustix::fs::FsWord = 0x1cd1;

/// Whether an open file lies in a file system of pseudo-terminals. Asking changes nothing.
pub fn is_in_devpts(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(fd).is_ok_and(|system| system.f_type == DEVPTS)
}

/// Opens the door to new pseudo-terminals, `ptmx`, in an open directory, for reading and writing: each
/// opening makes a terminal, and this is its master. A symbolic link of that name is not followed.
///
/// - man: openat(2), ptmx(4), pts(4)
/// - since: Linux 2.6.29 for a door in each devpts
/// - ENOENT: there is no such door: is this a devpts?
/// - EACCES: the door's permission bits are 000, as they are without the mount option ptmxmode=0666
/// - ENOSPC: there are too many: see /proc/sys/kernel/pty
#[track_caller]
pub fn open_ptmx(directory: BorrowedFd<'_>, why: &'static str) -> Result<OwnedFd> {
    let shown = Word("O_RDWR|O_NOCTTY|O_NOFOLLOW|O_CLOEXEC");
    perform(call!("openat" as "open_ptmx", directory, "ptmx", shown), why, || {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(directory, "ptmx", flags, Mode::empty()).map_err(from_rustix)
    })
}

/// Unlocks the other end of a pseudo-terminal, which nobody can open before.
///
/// - man: ioctl_tty(2), unlockpt(3)
/// - since: Linux 2.2
/// - ENOTTY: this is no master of a pseudo-terminal
#[track_caller]
pub fn unlock_peer(master: BorrowedFd<'_>, why: &'static str) -> Result<()> {
    let call =
        call!("ioctl" as "unlock_peer", master, Word("TIOCSPTLCK"), Arg::List(vec![0.to_arg()]));
    perform(call, why, || {
        let unlock: libc::c_int = 0;
        let fd = master.as_raw_fd();
        // SAFETY: the request reads one int, which lives until the call returns.
        Errno::result(unsafe { libc::ioctl(fd, libc::TIOCSPTLCK, &raw const unlock) }).map(drop)
    })
}

/// Opens the other end of a pseudo-terminal: by its master and by no path, so it cannot be another.
///
/// - man: TIOCGPTPEER(2const), ioctl_tty(2)
/// - since: Linux 4.13
/// - EIO: it is locked still
/// - ENOTTY: this is no master of a pseudo-terminal
#[track_caller]
pub fn open_peer(master: BorrowedFd<'_>, why: &'static str) -> Result<OwnedFd> {
    let shown = Word("O_RDWR|O_NOCTTY|O_CLOEXEC");
    perform(call!("ioctl" as "open_peer", master, Word("TIOCGPTPEER"), shown), why, || {
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        // SAFETY: the request takes flags as a number and returns a new descriptor.
        let peer = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) };
        // SAFETY: the kernel has just opened this descriptor for us, nobody else has it.
        Errno::result(peer).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
    })
}

/// How many characters a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

impl ToArg for WindowSize {
    fn to_arg(&self) -> Arg {
        let side = |number: u16| Arg::Number(i64::from(number));
        fields([("ws_row", side(self.rows)), ("ws_col", side(self.columns))])
    }
}

/// The size of a terminal; none when this is no terminal. Asking changes nothing.
pub fn window_size(terminal: BorrowedFd<'_>) -> Option<WindowSize> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    Some(WindowSize { rows: size.ws_row, columns: size.ws_col })
}

/// Says how many characters a terminal has; the programs in front of it get SIGWINCH.
///
/// - man: TIOCSWINSZ(2const), ioctl_tty(2)
/// - since: Linux 1.0
/// - ENOTTY: this is no terminal
#[track_caller]
pub fn set_window_size(
    terminal: BorrowedFd<'_>,
    size: WindowSize,
    why: &'static str,
) -> Result<()> {
    let call = call!("ioctl" as "set_window_size", terminal, Word("TIOCSWINSZ"), size);
    perform(call, why, || {
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(terminal, size).map_err(from_rustix)
    })
}

/// Has a terminal leave line feeds alone (`ONLCR` off): whoever shows the text puts the carriage
/// returns in, and twice is once too often.
///
/// - man: termios(3), TCSETS(2const)
/// - since: Linux 1.0
/// - ENOTTY: this is no terminal
#[track_caller]
pub fn clear_onlcr(terminal: BorrowedFd<'_>, why: &'static str) -> Result<()> {
    let call = call!("ioctl" as "clear_onlcr", terminal, Word("TCSETS2"), Word("-ONLCR"));
    perform(call, why, || {
        let mut modes = rustix::termios::tcgetattr(terminal).map_err(from_rustix)?;
        modes.output_modes -= OutputModes::ONLCR;
        rustix::termios::tcsetattr(terminal, OptionalActions::Now, &modes).map_err(from_rustix)
    })
}

/// Connects to whoever listens at a socket in the file system.
///
/// - man: connect(2), unix(7)
/// - since: Linux 1.0
/// - ENOENT: there is no such socket
/// - ECONNREFUSED: nobody listens at it
/// - ENAMETOOLONG: the path of a socket has 107 bytes at most
#[track_caller]
pub fn connect_unix(path: &Path, why: &'static str) -> Result<OwnedFd> {
    perform(call!("connect" as "connect_unix", path), why, || {
        let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
        Ok(fd)
    })
}

/// Sends a descriptor and some bytes with it through a socket, to a process that is not of ours.
///
/// - man: sendmsg(2), unix(7)
/// - since: Linux 2.2
/// - EPIPE: the other end is closed
#[track_caller]
pub fn send_fd_to(
    socket: BorrowedFd<'_>,
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    why: &'static str,
) -> Result<()> {
    let shown = Arg::from_content(bytes);
    perform(call!("sendmsg" as "send_fd_to", socket, shown, Word("SCM_RIGHTS"), fd), why, || {
        let rights = [fd.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&rights)];
        let (socket, flags) = (socket.as_raw_fd(), MsgFlags::MSG_NOSIGNAL);
        let sent = sendmsg::<()>(socket, &[IoSlice::new(bytes)], &rights, flags, None)?;
        // Whoever gets half of the bytes waits for the rest.
        if sent == bytes.len() { Ok(Sent(sent)) } else { Err(Errno::EMSGSIZE) }
    })
    .map(drop)
}

struct Sent(usize);

impl Shown for Sent {
    fn shown(&self) -> Arg {
        self.0.shown()
    }
}
