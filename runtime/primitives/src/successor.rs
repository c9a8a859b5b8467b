//! How does a process put another one in its place?
//!
//! A process cannot move itself into another pid namespace, nor set the clocks of a time namespace that
//! it is in: both are for processes that it makes. So one that has to join namespaces makes a second
//! one, whose parent is not itself but its own parent, and ends. The second one keeps the line.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::Location;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use trace::Arg;

use crate::args::{Word, fields, flags};
use crate::call;
use crate::clean_up;
use crate::error::Result;
use crate::gate::{is_watched, perform, perform_for, rescue};
use crate::hand_over::Received;
use crate::line::{Line, Message, ToParent};
use crate::namespaces::Namespaces;
use crate::signals;
use crate::spawn::{Child, clone3, live_on};
use crate::wait;
use crate::window;

impl ToParent {
    /// Makes a sibling by `clone3`, which takes this process's place before their common parent, and
    /// runs `body`. This process has nothing more to do than to end.
    ///
    /// - man: clone3(2), clone(2)
    /// - since: Linux 5.3
    /// - EPERM: a namespace other than a user namespace needs root
    /// - EINVAL: pid 1 of a pid namespace cannot make siblings
    /// - EAGAIN: the limit of processes is reached: see `ulimit -u` and pids.max
    #[track_caller]
    pub fn succeed(
        &self,
        role: &'static str,
        namespaces: Namespaces,
        why: &'static str,
        body: impl FnOnce(&ToParent) -> Result<u8>,
    ) -> Result<()> {
        let caller = Location::caller();
        let mut wanted = flags(&namespaces);
        if let Arg::Word(names) = &mut wanted {
            let own = "CLONE_PIDFD|CLONE_PARENT";
            *names = if names == "0" { own.to_string() } else { format!("{names}|{own}") };
        }
        let arguments = fields([("flags", wanted), ("exit_signal", Arg::Word("0".into()))]);
        let mut pidfd = None;
        let mut body = Some(body);
        let pid = perform_for(caller, call!("clone3" as "succeed", arguments), why, || {
            // `spawn`, which made this process, has seen that there is one thread. A sibling's end is
            // told as that of this process would be, so the signal is not for us to say.
            let flags = namespaces.bits() | libc::CLONE_PARENT as u64;
            let (pid, fd) = clone3(flags, 0, None)?;
            if pid == 0 {
                let body = body.take().expect("the sibling takes its body once");
                live_on(role, self, |parent| {
                    // What it says must not come before it was presented; the watched have waited.
                    if !is_watched() {
                        parent.wait_for_go()?;
                    }
                    body(parent)
                });
            }
            pidfd = fd;
            Ok(Pid::from_raw(pid))
        })?;
        let Some(pidfd) = pidfd else { return Ok(()) };
        self.present(pid, pidfd.as_fd(), "have our parent take it for its child from now on")
    }

    /// Presents a sibling to the parent, which gets a descriptor of it. It is there already, and somebody
    /// must take its status, or the pid namespace that it is in could never end: so this cannot be
    /// refused.
    ///
    /// - man: sendmsg(2), unix(7)
    /// - since: Linux 2.2
    /// - EPIPE: the parent has ended
    #[track_caller]
    pub fn present(&self, sibling: Pid, pidfd: BorrowedFd<'_>, why: &'static str) -> Result<()> {
        let message = Message::Successor(sibling.as_raw());
        let call = call!("sendmsg" as "present", self.0.as_fd(), sibling);
        rescue(call, why, || self.0.say_with(&message, pidfd)).map(drop)
    }
}

impl Child {
    /// Waits until the child has put another process in its place, which this value stands for from
    /// then on, and takes the exit status of the first one.
    ///
    /// - man: recvmsg(2), unix(7)
    /// - since: Linux 2.2
    /// - EMFILE: this process has too many open files: see `ulimit -n`
    #[track_caller]
    pub fn succeeded(&mut self, role: &'static str, why: &'static str) -> Result<()> {
        let Some(fd) = self.line.as_ref().map(|line| Arg::Fd(line.as_fd().as_raw_fd())) else {
            return Err(self.lost("its line is closed already".to_string()));
        };
        let mut heard = None;
        let found = perform(call!("recvmsg" as "succeeded", fd, Word("Successor")), why, || {
            let line = self.line.as_ref().ok_or(Errno::EBADF)?;
            if !self.speaks_before_it_ends(line)? {
                return Ok(Received(None));
            }
            let (message, fd) = line.hear_with_fd()?.map_or((None, None), |(m, fd)| (Some(m), fd));
            heard = message;
            Ok(Received(fd))
        });
        let found = found.inspect_err(|_| self.end_whoever_was_not_met())?;
        let (pid, pidfd) = match (self.conclude(heard)?, found.0) {
            (Some(Message::Successor(pid)), Some(pidfd)) => (pid, pidfd),
            (other, _) => {
                if let Some(Message::Successor(pid)) = other {
                    end(Pid::from_raw(pid));
                }
                let how = self.reap("learn how it ended")?.to_string();
                return Err(self.lost(how));
            }
        };
        let first = std::mem::replace(&mut self.pid, Pid::from_raw(pid));
        self.pidfd = Some(pidfd);
        self.role = role;
        self.start()?;
        wait::wait(first, "see the first one off")?;
        Ok(())
    }

    /// A sibling that we have not heard of is our child none the less. With nobody to take its status, its
    /// pid namespace could not end, and whoever waits for that would wait for ever.
    fn end_whoever_was_not_met(&self) {
        let Some(line) = self.line.as_ref() else { return };
        if !matches!(self.speaks_before_it_ends(line), Ok(true)) {
            return;
        }
        if let Ok(Some((Message::Successor(pid), _))) = line.hear_with_fd() {
            end(Pid::from_raw(pid));
        }
    }

    /// Waits for a word from the child, or for its end without one. Its successor has the same end of the
    /// line, so that the line alone would not tell.
    fn speaks_before_it_ends(&self, line: &Line) -> std::result::Result<bool, Errno> {
        let Some(pidfd) = self.pidfd() else { return Ok(true) };
        window::serve_until_one_of(&[line.as_fd(), pidfd])?;
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = [readable(line.as_fd()), readable(pidfd)];
        while signals::sleep_on(&mut fds) == Err(Errno::EINTR) {
            signals::look();
        }
        Ok(line.has_something())
    }
}

fn end(sibling: Pid) {
    let _ = clean_up::kill(sibling, Signal::SIGKILL, "leave no process behind");
    let _ = wait::wait_to_clean_up(sibling);
}
