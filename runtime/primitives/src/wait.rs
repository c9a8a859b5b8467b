//! Waiting for processes to end, and taking their exit status.

use std::fmt::{self, Display, Formatter};
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use trace::Arg;

use crate::args::{Word, fields, word};
use crate::call;
use crate::error::Result;
use crate::gate::{self, Shown, perform, rescue};
use crate::window;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal.
    Killed(Signal),
}

impl Status {
    /// The exit code as shells give it: the process's own, or 128 and the number of the signal.
    pub fn code(self) -> u8 {
        match self {
            Status::Exited(code) => (code & 0xff) as u8,
            Status::Killed(signal) => 128u8.saturating_add(signal as i32 as u8),
        }
    }
}

impl Display for Status {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Status::Exited(code) => write!(f, "exit code {code}"),
            Status::Killed(signal) => write!(f, "killed by {signal}"),
        }
    }
}

/// What `waitid` tells: which process, and how it ended.
#[derive(Clone, Copy, Debug)]
pub struct Waited {
    /// The process that ended.
    pub pid: Pid,
    /// How it ended.
    pub status: Status,
}

impl Shown for Waited {
    fn shown(&self) -> Arg {
        let (how, status) = match self.status {
            Status::Exited(code) => ("exited", Arg::Number(i64::from(code))),
            Status::Killed(signal) => ("killed", word(signal)),
        };
        fields([("si_pid", Arg::Pid(self.pid.as_raw())), (how, status)])
    }
}

/// Waits for the end of the process behind a pidfd, and takes its exit status.
///
/// - man: waitid(2)
/// - since: Linux 5.4 for pidfds
/// - ECHILD: the process is not a child of this one, or its status was taken before
#[track_caller]
pub fn wait_pidfd(pidfd: BorrowedFd<'_>, why: &'static str) -> Result<Waited> {
    let call = call!("waitid" as "wait_pidfd", Word("P_PIDFD"), pidfd, Word("WEXITED"));
    let _ = window::serve_until(pidfd);
    perform(call, why, || wait_for(Id::PIDFd(pidfd)))
}

/// Waits for the end of one child, and takes its exit status.
///
/// - man: waitid(2)
/// - since: Linux 2.6.9
/// - ECHILD: the process is not a child of this one, or its status was taken before
#[track_caller]
pub fn wait(pid: Pid, why: &'static str) -> Result<Waited> {
    let call = call!("waitid" as "wait", Word("P_PID"), pid, Word("WEXITED"));
    serve_until_waitable(|| peek(Id::Pid(pid)));
    perform(call, why, || wait_for(Id::Pid(pid)))
}

/// Waits for the end of any child, whichever comes first, and takes its exit status.
///
/// - man: waitid(2)
/// - since: Linux 2.6.9
/// - ECHILD: this process has no children, or none whose status was not taken
#[track_caller]
pub fn wait_any(why: &'static str) -> Result<Waited> {
    let call = call!("waitid" as "wait_any", Word("P_ALL"), 0, Word("WEXITED"));
    serve_until_waitable(|| peek(Id::All));
    perform(call, why, || wait_for(Id::All))
}

/// Takes the exit status of a process that is being cleaned up: this cannot be refused.
#[track_caller]
pub(crate) fn wait_to_clean_up(pid: Pid) -> Result<Waited> {
    let call = call!("waitid" as "wait", Word("P_PID"), pid, Word("WEXITED"));
    rescue(call, "take its exit status, so that it is gone for good", || wait_for(Id::Pid(pid)))
}

/// Waits until a process has ended, without taking its status: this changes nothing.
pub(crate) fn until_ended(pidfd: BorrowedFd<'_>) {
    let _ = window::serve_until(pidfd);
    let _ = waitid(Id::PIDFd(pidfd), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
}

fn wait_for(id: Id<'_>) -> std::result::Result<Waited, Errno> {
    loop {
        match waitid(copy(&id), WaitPidFlag::WEXITED) {
            Ok(WaitStatus::Exited(pid, code)) => {
                return Ok(Waited { pid, status: Status::Exited(code) });
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                return Ok(Waited { pid, status: Status::Killed(signal) });
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Whether a wait would return at once. Takes no status, so it changes nothing.
fn peek(id: Id<'_>) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    !matches!(waitid(id, flags), Ok(WaitStatus::StillAlive))
}

fn copy<'fd>(id: &Id<'fd>) -> Id<'fd> {
    match id {
        Id::Pid(pid) => Id::Pid(*pid),
        Id::PGid(pid) => Id::PGid(*pid),
        Id::PIDFd(fd) => Id::PIDFd(*fd),
        _ => Id::All,
    }
}

/// While a watched process waits, what its children send must be read, or they would wait as well.
fn serve_until_waitable(ready: impl Fn() -> bool) {
    const MILLIS: u16 = 2;
    while gate::is_watched() && window::is_first() && !ready() {
        window::serve_for(MILLIS);
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::Status;

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(Status::Exited(7).code(), 7);
        assert_eq!(Status::Killed(Signal::SIGKILL).code(), 137);
    }
}
