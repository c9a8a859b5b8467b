//! Waiting for processes to end, and taking their exit status.

use std::fmt::{self, Display, Formatter};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use trace::Arg;

use crate::args::{Word, fields, word};
use crate::call;
use crate::error::Result;
use crate::gate::{self, Shown, perform, rescue};
use crate::signals;
use crate::window;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this exit code.
    Exited(i32),
    /// By the signal of this number; a real-time signal (32 to 64) has no name in `Signal`.
    Killed(i32),
    /// It has not ended: the signal of this number has stopped it, and SIGCONT lets it go on.
    Stopped(i32),
}

impl Status {
    /// The exit code as shells give it: the process's own, or 128 and the number of the signal.
    pub fn code(self) -> u8 {
        let code = match self {
            Status::Exited(code) => code & 0xff,
            Status::Killed(signal) | Status::Stopped(signal) => 128 + signal,
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }
}

impl Display for Status {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Status::Exited(code) => write!(f, "exit code {code}"),
            Status::Killed(signal) => write!(f, "killed by {}", signal_name(*signal)),
            Status::Stopped(signal) => write!(f, "stopped by {}", signal_name(*signal)),
        }
    }
}

/// A signal's name as strace has it: `SIGTERM`, and `SIGRT_8` for the real-time signal 40.
fn signal_name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_string(),
        Err(_) => format!("SIGRT_{}", number - 32),
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
            Status::Killed(signal) => ("killed", word(signal_name(signal))),
            Status::Stopped(signal) => ("stopped", word(signal_name(signal))),
        };
        fields([("si_pid", Arg::Pid(self.pid.as_raw())), (how, status)])
    }
}

impl Shown for Option<Waited> {
    fn shown(&self) -> Arg {
        self.as_ref().map_or(Arg::Number(0), Shown::shown)
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
    perform(call, why, || {
        let _ = window::serve_until(pidfd);
        wait_for(Of::Pidfd(pidfd))
    })
}

/// Waits for the end of one child, and takes its exit status.
///
/// - man: waitid(2)
/// - since: Linux 2.6.9
/// - ECHILD: the process is not a child of this one, or its status was taken before
#[track_caller]
pub fn wait(pid: Pid, why: &'static str) -> Result<Waited> {
    let call = call!("waitid" as "wait", Word("P_PID"), pid, Word("WEXITED"));
    perform(call, why, || {
        serve_until_waitable(|| peek(Of::Pid(pid)));
        wait_for(Of::Pid(pid))
    })
}

/// Waits for the end of any child, whichever comes first, and takes its exit status.
///
/// - man: waitid(2)
/// - since: Linux 2.6.9
/// - ECHILD: this process has no children, or none whose status was not taken
#[track_caller]
pub fn wait_any(why: &'static str) -> Result<Waited> {
    let call = call!("waitid" as "wait_any", Word("P_ALL"), 0, Word("WEXITED"));
    perform(call, why, || {
        serve_until_waitable(|| peek(Of::Any));
        wait_for(Of::Any)
    })
}

/// Takes the exit status of a child that has ended already; none when all that are left still run.
///
/// - man: waitid(2)
/// - since: Linux 2.6.9
/// - ECHILD: this process has no children, or none whose status was not taken
#[track_caller]
pub fn wait_any_ended(why: &'static str) -> Result<Option<Waited>> {
    let flags = Word("WNOHANG|WEXITED");
    let call = call!("waitid" as "wait_any_ended", Word("P_ALL"), 0, flags);
    perform(call, why, || waitid(Of::Any, libc::WEXITED | libc::WNOHANG))
}

/// Takes the exit status of a child that has ended already, or tells, once, of one that a signal has
/// stopped; none when there is neither.
///
/// - man: waitid(2)
/// - since: Linux 2.6.9
/// - ECHILD: this process has no children, or none whose status was not taken
#[track_caller]
pub fn wait_any_changed(why: &'static str) -> Result<Option<Waited>> {
    let flags = Word("WNOHANG|WSTOPPED|WEXITED");
    let call = call!("waitid" as "wait_any_changed", Word("P_ALL"), 0, flags);
    let wanted = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG;
    perform(call, why, || waitid(Of::Any, wanted))
}

/// Takes the exit status of a process that is being cleaned up: this cannot be refused.
#[track_caller]
pub(crate) fn wait_to_clean_up(pid: Pid) -> Result<Waited> {
    let call = call!("waitid" as "wait", Word("P_PID"), pid, Word("WEXITED"));
    rescue(call, "take its exit status, so that it is gone for good", || wait_for(Of::Pid(pid)))
}

/// Waits until a process has ended, without taking its status: this changes nothing.
pub(crate) fn until_ended(pidfd: BorrowedFd<'_>) {
    let _ = window::serve_until(pidfd);
    let _ = waitid(Of::Pidfd(pidfd), libc::WEXITED | libc::WNOWAIT);
}

/// Whom to wait for.
#[derive(Clone, Copy)]
enum Of<'fd> {
    Any,
    Pid(Pid),
    Pidfd(BorrowedFd<'fd>),
}

fn wait_for(whom: Of<'_>) -> std::result::Result<Waited, Errno> {
    match whom {
        Of::Pidfd(pidfd) => signals::sleep_until_readable(pidfd),
        Of::Pid(pid) => sleep_until_ended(pid),
        Of::Any => {}
    }
    loop {
        match waitid(whom, libc::WEXITED) {
            Ok(Some(waited)) => return Ok(waited),
            Ok(None) => {}
            Err(Errno::EINTR) => signals::look(),
            Err(errno) => return Err(errno),
        }
    }
}

/// As by its pidfd, for a process that has none here.
fn sleep_until_ended(pid: Pid) {
    let pid = rustix::process::Pid::from_raw(pid.as_raw());
    let open = |pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok();
    if let Some(pidfd) = pid.and_then(open) {
        signals::sleep_until_readable(pidfd.as_fd());
    }
}

/// Whether a wait would return at once. Takes no status, so it changes nothing.
fn peek(whom: Of<'_>) -> bool {
    !matches!(waitid(whom, libc::WEXITED | libc::WNOWAIT | libc::WNOHANG), Ok(None))
}

/// The bare call; nothing when it was told not to wait and there was nobody. nix cannot say that a
/// real-time signal has ended a process, and fails when the status is taken already.
fn waitid(whom: Of<'_>, flags: libc::c_int) -> std::result::Result<Option<Waited>, Errno> {
    let (kind, id) = match whom {
        Of::Any => (libc::P_ALL, 0),
        Of::Pid(pid) => (libc::P_PID, pid.as_raw()),
        Of::Pidfd(fd) => (libc::P_PIDFD, fd.as_raw_fd()),
    };
    // SAFETY: siginfo_t is a plain structure of numbers, for which all zeros means "nobody".
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` has room for what the call writes, and lives until it returns.
    Errno::result(unsafe { libc::waitid(kind, id as libc::id_t, &raw mut info, flags) })?;
    // SAFETY: the call has filled in the fields of a SIGCHLD, or left all at zero.
    let pid = unsafe { info.si_pid() };
    // SAFETY: as for the pid.
    let status = unsafe { info.si_status() };
    let status = match info.si_code {
        libc::CLD_EXITED => Status::Exited(status),
        libc::CLD_STOPPED => Status::Stopped(status),
        _ => Status::Killed(status),
    };
    Ok((pid != 0).then(|| Waited { pid: Pid::from_raw(pid), status }))
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
    use super::Status;

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(Status::Exited(7).code(), 7);
        assert_eq!(Status::Killed(9).code(), 137);
        assert_eq!(Status::Killed(40).code(), 168);
        assert_eq!(Status::Killed(40).to_string(), "killed by SIGRT_8");
    }
}
