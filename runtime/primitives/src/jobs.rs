//! Jobs: process groups, the terminal they share, and the signals that a process waits for.

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::Pid;
use trace::Arg;

use crate::args::{ToArg, Word, fields, word};
use crate::call;
use crate::error::Result;
use crate::files::errno_of;
use crate::gate::{Shown, perform};

/// Puts a process into a process group: one that is there, or a new one with the number of the
/// process itself. `Pid::from_raw(0)` is this process, or its own number.
///
/// - man: setpgid(2), credentials(7)
/// - since: Linux 1.0
/// - EACCES: the process runs another program already
/// - EPERM: the process leads a session, or is in another one, or there is no such group in it
/// - ESRCH: it is neither this process nor a child of it
#[track_caller]
pub fn setpgid(pid: Pid, group: Pid, why: &'static str) -> Result<()> {
    perform(call!("setpgid", pid, group), why, || nix::unistd::setpgid(pid, group))
}

/// Sends a signal to every process of a process group.
///
/// - man: kill(2), signal(7)
/// - since: Linux 1.0
/// - ESRCH: there is no such group: all of its processes have ended
/// - EPERM: all of its processes belong to other users
#[track_caller]
pub fn kill_group(group: Pid, signal: Signal, why: &'static str) -> Result<()> {
    let all = Pid::from_raw(-group.as_raw());
    perform(call!("kill" as "kill_group", all, signal), why, || nix::sys::signal::kill(all, signal))
}

/// Sends a signal to every process that this one may send it to, except itself and process 1: in a
/// pid namespace, to all that are in it.
///
/// - man: kill(2), pid_namespaces(7)
/// - since: Linux 1.0
/// - ESRCH: there is nobody else
#[track_caller]
pub fn kill_all(signal: Signal, why: &'static str) -> Result<()> {
    let all = Pid::from_raw(-1);
    perform(call!("kill" as "kill_all", all, signal), why, || nix::sys::signal::kill(all, signal))
}

/// Holds signals back: they wait until they are taken one by one, or let through again.
///
/// - man: sigprocmask(2), signal(7)
/// - since: Linux 2.2
#[track_caller]
pub fn block_signals(signals: &[Signal], why: &'static str) -> Result<()> {
    let set = SigSet::from_iter(signals.iter().copied());
    let call = call!("sigprocmask" as "block_signals", Word("SIG_BLOCK"), set_shown(signals));
    perform(call, why, || nix::sys::signal::sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None))
}

/// Lets signals through that were held back. A program that we become inherits what is held back, and
/// most programs do not expect that.
///
/// - man: sigprocmask(2), signal(7)
/// - since: Linux 2.2
#[track_caller]
pub fn unblock_signals(signals: &[Signal], why: &'static str) -> Result<()> {
    let set = SigSet::from_iter(signals.iter().copied());
    let call = call!("sigprocmask" as "unblock_signals", Word("SIG_UNBLOCK"), set_shown(signals));
    perform(call, why, || nix::sys::signal::sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&set), None))
}

/// Waits until one of these signals is there, and takes it. They must be held back, or their default
/// action comes first.
///
/// - man: sigwaitinfo(2), signal(7)
/// - since: Linux 2.2
#[track_caller]
pub fn wait_for_signal(signals: &[Signal], why: &'static str) -> Result<Signal> {
    let set = SigSet::from_iter(signals.iter().copied());
    perform(call!("sigwaitinfo" as "wait_for_signal", set_shown(signals)), why, || {
        loop {
            let null = std::ptr::null_mut();
            // SAFETY: the set is initialised and outlives the call, which is not asked for more.
            match Errno::result(unsafe { libc::sigwaitinfo(set.as_ref(), null) }) {
                Ok(number) => return Signal::try_from(number),
                // A signal that nobody waits for, or being stopped and continued.
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    })
}

impl Shown for Signal {
    fn shown(&self) -> Arg {
        self.to_arg()
    }
}

/// A set of signals as strace has it, in the order of their numbers: `[TERM CHLD]`.
pub(crate) fn set_shown(signals: &[Signal]) -> Arg {
    let mut signals = signals.to_vec();
    signals.sort_by_key(|signal| *signal as i32);
    let names: Vec<&str> = signals.iter().map(|signal| &signal.as_str()["SIG".len()..]).collect();
    word(format!("[{}]", names.join(" ")))
}

/// Makes a process group the foreground of the terminal: it gets what is typed, and the signals of
/// Ctrl-C and Ctrl-Z. Any other group that reads is stopped.
///
/// - man: tcsetpgrp(3), ioctl_tty(2)
/// - since: Linux 1.0
/// - ENOTTY: this is no terminal, or not the one of this session
/// - EPERM: the group is in another session
#[track_caller]
pub fn tcsetpgrp(terminal: BorrowedFd<'_>, group: Pid, why: &'static str) -> Result<()> {
    perform(call!("tcsetpgrp", terminal, group), why, || nix::unistd::tcsetpgrp(terminal, group))
}

/// Makes a terminal the controlling terminal of this session, which must have none and be led by this
/// process: Ctrl-C reaches it from now on.
///
/// - man: ioctl_tty(2)
/// - since: Linux 1.0
/// - EPERM: this process leads no session (setsid first), has a terminal already, or the terminal
///   belongs to another session
/// - ENOTTY: this is no terminal
#[track_caller]
pub fn set_controlling_terminal(terminal: BorrowedFd<'_>, why: &'static str) -> Result<()> {
    let request = Word("TIOCSCTTY");
    let call = call!("ioctl" as "set_controlling_terminal", terminal, request, 0);
    perform(call, why, || {
        // SAFETY: the request takes a number alone: 0, not to take the terminal away from others.
        Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) }).map(drop)
    })
}

/// Both ends of a pseudo-terminal.
#[derive(Debug)]
pub struct Pty {
    /// The end of whoever stands for the person at the keyboard.
    pub master: OwnedFd,
    /// The end that programs have as their terminal.
    pub slave: OwnedFd,
}

impl Shown for Pty {
    fn shown(&self) -> Arg {
        fields([("master", self.master.to_arg()), ("slave", self.slave.to_arg())])
    }
}

/// Makes a pseudo-terminal: two ends, of which one looks to programs like a terminal. It is nobody's
/// controlling terminal yet.
///
/// - man: openpty(3), pty(7), TIOCGPTPEER(2const)
/// - since: Linux 2.2; the second end without its path since 4.13
/// - ENOENT: there is no /dev/ptmx: is devpts mounted?
/// - ENOSPC: there are too many: see /proc/sys/kernel/pty
#[track_caller]
pub fn openpty(why: &'static str) -> Result<Pty> {
    perform(call!("openpty"), why, || {
        let master = OwnedFd::from(
            File::options().read(true).write(true).open("/dev/ptmx").map_err(errno_of)?,
        );
        let unlock: libc::c_int = 0;
        let fd = master.as_raw_fd();
        // SAFETY: the request reads one int, which lives until the call returns.
        Errno::result(unsafe { libc::ioctl(fd, libc::TIOCSPTLCK, &raw const unlock) })?;
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        // SAFETY: the request takes flags as a number and returns a new descriptor.
        let slave = Errno::result(unsafe { libc::ioctl(fd, libc::TIOCGPTPEER, flags) })?;
        // SAFETY: the kernel has just opened this descriptor for us, nobody else has it.
        Ok(Pty { master, slave: unsafe { OwnedFd::from_raw_fd(slave) } })
    })
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::set_shown;

    #[test]
    fn a_set_of_signals_is_shown_as_strace_shows_it() {
        let set = [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM];
        assert_eq!(set_shown(&set).to_string(), "[INT TERM CHLD]");
    }
}
