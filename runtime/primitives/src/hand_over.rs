//! Handing an open file to another process, over the line between the two.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
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
struct Received(Option<OwnedFd>);

impl Shown for Received {
    fn shown(&self) -> Arg {
        self.0.as_ref().map_or(Arg::Number(0), Shown::shown)
    }
}
