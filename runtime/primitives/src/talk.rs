//! Talking to somebody who sits elsewhere: a socket to knock at, open files that are handed over, and
//! a sleep until the first of several has something to say.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, bind, listen,
    send, sendmsg, socket,
};
use nix::sys::stat::Mode;
use trace::Arg;

use crate::args::{Word, octal};
use crate::call;
use crate::error::Result;
use crate::gate::{Shown, perform};
use crate::jobs::set_shown;
use crate::signals;
use crate::window;

/// Makes a socket of this name that others can connect to, and listens.
///
/// - man: bind(2), listen(2), unix(7)
/// - since: Linux 1.0
/// - EADDRINUSE: there is something of this name already
/// - ENAMETOOLONG: the path of a socket has 107 bytes at most
#[track_caller]
pub fn listen_unix(path: &Path, why: &'static str) -> Result<OwnedFd> {
    perform(call!("bind" as "listen_unix", path), why, || {
        // Whoever is gone again before it was let in must not be waited for.
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
        listen(&fd, Backlog::new(16)?)?;
        Ok(fd)
    })
}

/// Lets in one of those who have connected to a socket.
///
/// - man: accept4(2), unix(7)
/// - since: Linux 2.6.28
/// - EAGAIN: nobody waits there any more
/// - EMFILE: this process has too many open files: see `ulimit -n`
#[track_caller]
pub fn accept_unix(socket: BorrowedFd<'_>, why: &'static str) -> Result<OwnedFd> {
    let null = Word("NULL");
    let call = call!("accept4" as "accept_unix", socket, null, null, Word("SOCK_CLOEXEC"));
    perform(call, why, || {
        let fd = nix::sys::socket::accept4(socket.as_raw_fd(), SockFlag::SOCK_CLOEXEC)?;
        // SAFETY: the kernel has just opened this descriptor for us, nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    })
}

/// Sends several descriptors and some bytes with them, in one message: whoever takes it gets all of
/// them or none.
///
/// - man: sendmsg(2), unix(7), cmsg(3)
/// - since: Linux 2.2
/// - EPIPE: the other end is closed
/// - EINVAL: there are more than 253
#[track_caller]
pub fn send_fds_to(
    socket: BorrowedFd<'_>,
    fds: &[BorrowedFd<'_>],
    bytes: &[u8],
    why: &'static str,
) -> Result<()> {
    let (shown, rights) = (Arg::from_content(bytes), Word("SCM_RIGHTS"));
    perform(call!("sendmsg" as "send_fds_to", socket, shown, rights, fds), why, || {
        let numbers: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let (socket, flags) = (socket.as_raw_fd(), MsgFlags::MSG_NOSIGNAL);
        match sendmsg::<()>(socket, &[IoSlice::new(bytes)], &rights, flags, None)? {
            sent if sent == bytes.len() => Ok(Sent(sent)),
            _ => Err(Errno::EMSGSIZE),
        }
    })
    .map(drop)
}

struct Sent(usize);

impl Shown for Sent {
    fn shown(&self) -> Arg {
        self.0.shown()
    }
}

/// Hands text on to whoever listens at the other end of a socket; false when that one is gone, or so
/// far behind that it would have to be waited for.
pub fn pass_on(socket: BorrowedFd<'_>, text: &[u8]) -> bool {
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    send(socket.as_raw_fd(), text, flags) == Ok(text.len())
}

/// Signals as a file: instead of interrupting, they wait in it to be read. They must be held back
/// first ([`crate::block_signals`]).
///
/// - man: signalfd(2)
/// - since: Linux 2.6.27
/// - EMFILE: this process has too many open files: see `ulimit -n`
#[track_caller]
pub fn signalfd(signals: &[Signal], why: &'static str) -> Result<OwnedFd> {
    let set = SigSet::from_iter(signals.iter().copied());
    let flags = Word("SFD_CLOEXEC|SFD_NONBLOCK");
    perform(call!("signalfd4" as "signalfd", -1, set_shown(signals), 8, flags), why, || {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        SignalFd::with_flags(&set, flags).map(OwnedFd::from)
    })
}

/// Makes a file in which everything that is written comes after what is there.
///
/// - man: open(2)
/// - since: Linux 1.0
/// - EEXIST: there is something of this name already
/// - EACCES: nothing may be made in that directory
#[track_caller]
pub fn create_appending(path: &Path, mode: u32, why: &'static str) -> Result<OwnedFd> {
    let shown = Word("O_WRONLY|O_CREAT|O_EXCL|O_APPEND|O_CLOEXEC");
    perform(call!("open" as "create_appending", path, shown, octal(mode)), why, || {
        let new = OFlag::O_CREAT | OFlag::O_EXCL;
        let flags = OFlag::O_WRONLY | new | OFlag::O_APPEND | OFlag::O_CLOEXEC;
        nix::fcntl::open(path, flags, Mode::from_bits_truncate(mode))
    })
}

/// Sleeps until one or more of these can be read, or are at their end; which. Sleeping changes nothing.
///
/// # Errors
/// The errno of poll(2).
pub fn await_any(fds: &[BorrowedFd<'_>]) -> std::result::Result<Vec<bool>, Errno> {
    loop {
        window::serve_until_one_of(fds)?;
        match look(fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => signals::look(),
            other => return other,
        }
    }
}

/// Whether something can be read, or is at its end. Asking changes nothing.
pub fn has_something(fd: BorrowedFd<'_>) -> bool {
    look(&[fd], PollTimeout::ZERO).is_ok_and(|ready| ready[0])
}

fn look(fds: &[BorrowedFd<'_>], timeout: PollTimeout) -> std::result::Result<Vec<bool>, Errno> {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    poll(&mut polled, timeout)?;
    Ok(polled.iter().map(|fd| fd.any().unwrap_or(false)).collect())
}
