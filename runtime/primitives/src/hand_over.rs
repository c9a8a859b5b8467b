//! Handing an open file to another process, over the line between the two, or from one that
//! is not ours.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use trace::Arg;

use crate::args::Word;
use crate::call;
use crate::error::Result;
use crate::gate::{Shown, perform};
use crate::line::{Message, ToParent};
use crate::spawn::Child;
use crate::window;

impl ToParent {
    /// Sends a descriptor to the parent, which gets one of its own for the same open file.
    ///
    /// - man: sendmsg(2), unix(7)
    /// - since: Linux 2.2
    /// - EPIPE: the parent has ended
    #[track_caller]
    pub fn send_fd(&self, fd: BorrowedFd<'_>, why: &'static str) -> Result<()> {
        let call = call!("sendmsg" as "send_fd", self.0.as_fd(), Word("SCM_RIGHTS"));
        perform(call, why, || self.0.hand_over(fd)).map(drop)
    }
}

impl Child {
    /// Waits for a descriptor that the child sends.
    ///
    /// - man: recvmsg(2), unix(7)
    /// - since: Linux 2.2
    /// - EMFILE: this process has too many open files: see `ulimit -n`
    /// - EBADMSG: what came is no message of ours
    #[track_caller]
    pub fn receive_fd(&mut self, why: &'static str) -> Result<OwnedFd> {
        let Some(fd) = self.line.as_ref().map(|line| Arg::Fd(line.as_fd().as_raw_fd())) else {
            return Err(self.lost("its line is closed already".to_string()));
        };
        let mut heard = None;
        let received = perform(call!("recvmsg" as "receive_fd", fd), why, || {
            let line = self.line.as_ref().ok_or(Errno::EBADF)?;
            let _ = window::serve_until(line.as_fd());
            let (message, fd) = line.hear_with_fd()?.map_or((None, None), |(m, fd)| (Some(m), fd));
            heard = message;
            Ok(Received(fd))
        })?;
        match (self.conclude(heard)?, received.0) {
            (Some(Message::Fd), Some(fd)) => Ok(fd),
            _ => {
                let how = self.reap("learn how it ended")?.to_string();
                Err(self.lost(how))
            }
        }
    }
}

/// A descriptor that came over the line, or none when something else came.
pub(crate) struct Received(pub(crate) Option<OwnedFd>);

impl Shown for Received {
    fn shown(&self) -> Arg {
        self.0.as_ref().map_or(Arg::Number(0), Shown::shown)
    }
}

/// Receives a message with descriptors over a unix socket, from whoever is at its other end: a runtime
/// that hands over a terminal, or a filter's listener.
///
/// - man: recvmsg(2), unix(7)
/// - since: Linux 2.2
/// - EMFILE: this process has too many open files: see `ulimit -n`
#[track_caller]
pub fn receive_fds(socket: BorrowedFd<'_>, why: &'static str) -> Result<(Vec<u8>, Vec<OwnedFd>)> {
    let call = call!("recvmsg" as "receive_fds", socket);
    perform(call, why, || hear_all(socket).map(Handed)).map(|handed| handed.0)
}

/// As much as one message can be, and as many descriptors.
const MESSAGE: usize = 1 << 16;
const DESCRIPTORS: usize = 32;

fn hear_all(socket: BorrowedFd<'_>) -> nix::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut text = vec![0; MESSAGE];
    let mut control = nix::cmsg_space!([std::os::fd::RawFd; DESCRIPTORS]);
    let mut slices = [IoSliceMut::new(&mut text)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let packet = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
    let length = packet.bytes;
    let mut files = Vec::new();
    for item in packet.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = item {
            // SAFETY: the kernel has just made these descriptors for this process, and told them
            // only here, so nobody else owns them.
            files.extend(numbers.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    text.truncate(length);
    Ok((text, files))
}

/// What came, shown as the number of its bytes.
struct Handed((Vec<u8>, Vec<OwnedFd>));

impl Shown for Handed {
    fn shown(&self) -> Arg {
        Arg::Number(self.0.0.len() as i64)
    }
}
