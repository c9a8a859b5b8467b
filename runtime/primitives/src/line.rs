//! What do a process and its child have to say to each other?
//!
//! Little, and in order: the child says that it has come to a meeting point and waits; the parent
//! lets it go on; the child announces its `execve`, or says why it failed. The end of the line means
//! that the child runs another program now, or that it is dead: who believes in success must look.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::socket::{
    CmsgIterator, ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, send, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::call;
use crate::descriptors::out_of_the_way;
use crate::error::{Error, Failure, Result};
use crate::gate::{perform, rescue};
use crate::process::prctl_set_pdeathsig;
use crate::signals;
use crate::window::{self, WindowArgs};

/// One message on the line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// From the parent: go on.
    Go,
    /// From the child: I am at this meeting point.
    At(String),
    /// From the child: I have announced my execve to the window, under this number.
    Execve(u64),
    /// From the child: here is a descriptor.
    Fd,
    /// From the child: another process of this number has taken my place; its pidfd comes with it.
    Successor(i32),
    /// From who knocks at a door: I watch, and this is what I asked for; the wire comes with it.
    Watched(WindowArgs),
    /// From the child: I have failed, and this is why.
    Failed(Failure),
}

/// A message, and the descriptor that came with it.
type WithFd = (Message, Option<OwnedFd>);

fn received(items: CmsgIterator<'_>) -> Option<OwnedFd> {
    for item in items {
        if let ControlMessageOwned::ScmRights(fds) = item {
            // SAFETY: the kernel has just opened this descriptor for us, nobody else has it; there is
            // room for one.
            return fds.first().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) });
        }
    }
    None
}

/// One end of the line. Close-on-exec, so that no other program ever has it.
#[derive(Debug)]
pub(crate) struct Line(OwnedFd);

/// The ends that this process has. A child inherits them all, and with a copy of an end in a third
/// process nobody would ever see a line close.
static ENDS: Mutex<Vec<i32>> = Mutex::new(Vec::new());

fn ends() -> MutexGuard<'static, Vec<i32>> {
    ENDS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Line {
    fn drop(&mut self) {
        ends().retain(|fd| *fd != self.0.as_raw_fd());
    }
}

/// Room for a message: an execve with its arguments may be long.
const LARGEST: usize = 128 * 1024;

impl Line {
    /// Both ends of a new line.
    pub(crate) fn pair() -> Result<(Line, Line)> {
        let unusable =
            |errno| Error::Unusable(format!("no line between two processes: socketpair: {errno}"));
        let (one, other) = window::packet_pair().map_err(unusable)?;
        let high = |fd| out_of_the_way(fd).map_err(unusable);
        Ok((Line::new(high(one)?), Line::new(high(other)?)))
    }

    fn new(fd: OwnedFd) -> Line {
        ends().push(fd.as_raw_fd());
        Line(fd)
    }

    /// Closes all ends but this one, in a process that was just born: they are its parent's.
    pub(crate) fn close_the_others(&self) {
        for fd in ends().drain(..).filter(|fd| *fd != self.0.as_raw_fd()) {
            // SAFETY: the descriptor is a copy of one that a `Line` of the parent owns; the code that
            // holds that `Line` is the parent's, and this process never returns there.
            unsafe { libc::close(fd) };
        }
        ends().push(self.0.as_raw_fd());
    }

    /// Sends a message; how many bytes it had.
    pub(crate) fn say(&self, message: &Message) -> std::result::Result<usize, Errno> {
        let bytes = serde_json::to_vec(message).expect("messages hold only text and numbers");
        send(self.0.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL)
    }

    /// The next message, with its bytes; `None` when the other end is closed.
    pub(crate) fn hear(&self) -> std::result::Result<Option<(Message, usize)>, Errno> {
        let packet = window::receive(self.0.as_fd(), LARGEST)?;
        if packet.is_empty() {
            return Ok(None);
        }
        let message = serde_json::from_slice(&packet).map_err(|_| Errno::EBADMSG)?;
        Ok(Some((message, packet.len())))
    }

    /// Sends a descriptor; how many bytes went with it.
    pub(crate) fn hand_over(&self, fd: BorrowedFd<'_>) -> std::result::Result<usize, Errno> {
        self.say_with(&Message::Fd, fd)
    }

    /// Sends a message and a descriptor with it; how many bytes went.
    pub(crate) fn say_with(
        &self,
        message: &Message,
        fd: BorrowedFd<'_>,
    ) -> std::result::Result<usize, Errno> {
        let mut bytes = serde_json::to_vec(message).expect("messages hold only text and numbers");
        if let Message::Successor(_) = message {
            // Of one length for all numbers, or two runs of the same program would differ.
            const LONGEST: usize = "{\"Successor\":2147483647}".len();
            bytes.resize(LONGEST, b' ');
        }
        let rights = [fd.as_raw_fd()];
        sendmsg::<()>(
            self.0.as_raw_fd(),
            &[IoSlice::new(&bytes)],
            &[ControlMessage::ScmRights(&rights)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
    }

    /// As [`Line::hear`], with the descriptor that came with the message.
    pub(crate) fn hear_with_fd(&self) -> std::result::Result<Option<WithFd>, Errno> {
        let mut buffer = vec![0; LARGEST];
        let mut control = cmsg_space!(RawFd);
        let (length, fd) = loop {
            signals::sleep_until_readable(self.0.as_fd());
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            match recvmsg::<()>(self.0.as_raw_fd(), &mut slices, Some(&mut control), flags) {
                Err(Errno::EINTR) => signals::look(),
                Err(Errno::ECONNRESET) => {}
                Err(errno) => return Err(errno),
                Ok(packet) => break (packet.bytes, received(packet.cmsgs()?)),
            }
        };
        if length == 0 {
            return Ok(None);
        }
        let message = serde_json::from_slice(&buffer[..length]).map_err(|_| Errno::EBADMSG)?;
        Ok(Some((message, fd)))
    }

    /// Whether a message, or the end, is here already.
    pub(crate) fn has_something(&self) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Whether the other end is closed.
    pub(crate) fn is_closed(&self) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::empty())];
        let hung_up = |flags: PollFlags| flags.contains(PollFlags::POLLHUP);
        poll(&mut fds, PollTimeout::ZERO).is_ok() && fds[0].revents().is_some_and(hung_up)
    }

    /// A number that no other line has: that of the kernel's socket.
    pub(crate) fn number(&self) -> u64 {
        nix::sys::stat::fstat(&self.0).map_or(0, |stat| stat.st_ino)
    }

    /// The line behind a descriptor.
    pub(crate) fn from_fd(fd: OwnedFd) -> Line {
        Line(fd)
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How a process and its parent part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// The parent has said that all is done.
    LetGo,
    /// The parent has ended without a word.
    ParentGone,
}

/// The child's end: its way to its parent.
#[derive(Debug)]
pub struct ToParent(pub(crate) Line);

impl ToParent {
    /// Asks for a signal when the parent ends, so that this process does not outlive it.
    ///
    /// The parent may have ended before that was asked: then the line is closed, and this process has
    /// no reason to go on.
    ///
    /// # Errors
    /// As [`prctl_set_pdeathsig`]; [`Error::Lost`] when the parent is gone already.
    #[track_caller]
    pub fn tie(&self, signal: Signal, why: &'static str) -> Result<()> {
        prctl_set_pdeathsig(signal, why)?;
        match self.0.is_closed() {
            false => Ok(()),
            true => Err(Error::Lost { role: "parent".into(), how: "its line is closed".into() }),
        }
    }

    /// Waits until the parent lets this process go on: a read from the line that returns when the
    /// parent has written to it.
    ///
    /// - man: recv(2), unix(7)
    /// - since: Linux 2.6.4 for packets that keep their bounds
    /// - EBADMSG: what came is no message of ours
    #[track_caller]
    pub fn wait(&self, why: &'static str) -> Result<()> {
        let call = call!("recvfrom" as "wait", self.0.as_fd(), "Go");
        let mut heard = None;
        perform(call, why, || {
            heard = self.0.hear()?;
            Ok(heard.as_ref().map_or(0, |(_, length)| *length))
        })?;
        match heard {
            Some((Message::Go, _)) => Ok(()),
            _ => Err(Error::Lost { role: "parent".into(), how: "its line is closed".into() }),
        }
    }

    /// Waits until the parent lets this process go, or is gone. For a process that is there to put
    /// things in order then, so it cannot be refused and does not end with whoever watches.
    ///
    /// - man: recv(2), unix(7)
    /// - since: Linux 2.6.4 for packets that keep their bounds
    #[track_caller]
    pub fn outlive(&self, why: &'static str) -> Result<Parting> {
        let call = call!("recvfrom" as "outlive", self.0.as_fd(), "Go");
        let mut heard = None;
        rescue(call, why, || {
            heard = self.0.hear()?;
            Ok(heard.as_ref().map_or(0, |(_, length)| *length))
        })?;
        Ok(heard.map_or(Parting::ParentGone, |_| Parting::LetGo))
    }

    /// Says why this process could not do its part, to somebody who is not its parent: its parent hears
    /// of it anyway.
    pub fn give_up(&self, error: &Error) {
        // Who has gone meanwhile does not want to know.
        let _ = self.0.say(&Message::Failed(Failure::from(error)));
    }

    /// Says that this process has come to a meeting point.
    ///
    /// - man: send(2), unix(7)
    /// - since: Linux 2.6.4 for packets that keep their bounds
    /// - EPIPE: the parent has ended
    #[track_caller]
    pub fn arrive(&self, point: &'static str, why: &'static str) -> Result<()> {
        let at = Message::At(point.to_string());
        let call = call!("sendto" as "arrive", self.0.as_fd(), point);
        perform(call, why, || self.0.say(&at)).map(drop)
    }

    pub(crate) fn wait_for_go(&self) -> Result<()> {
        match self.0.hear() {
            Ok(Some((Message::Go, _))) => Ok(()),
            _ => Err(Error::Lost { role: "parent".into(), how: "its line is closed".into() }),
        }
    }
}
