//! Processes: signals to others, and what a process settles for itself and its children.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io::Write;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal};
use nix::unistd::Pid;
use trace::Arg;

use crate::args::Word;
use crate::call;
use crate::error::Result;
use crate::files::read_small;
use crate::gate::perform;

/// Sends a signal to a process by its number.
///
/// - man: kill(2), signal(7)
/// - since: Linux 1.0
/// - ESRCH: there is no such process: perhaps its status was taken and the number is free again
/// - EPERM: the process belongs to another user, or is outside this user namespace
#[track_caller]
pub fn kill(pid: Pid, signal: Signal, why: &'static str) -> Result<()> {
    perform(call!("kill", pid, signal), why, || nix::sys::signal::kill(pid, signal))
}

/// Opens a descriptor that stands for a process, and for no other one that gets its number later.
///
/// - man: pidfd_open(2)
/// - since: Linux 5.3
/// - ESRCH: there is no such process
#[track_caller]
pub fn pidfd_open(pid: Pid, why: &'static str) -> Result<OwnedFd> {
    perform(call!("pidfd_open", pid, Word("0")), why, || {
        let raw = rustix::process::Pid::from_raw(pid.as_raw()).ok_or(Errno::EINVAL)?;
        rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty()).map_err(from_rustix)
    })
}

/// Sends a signal to the process behind a pidfd.
///
/// - man: pidfd_send_signal(2)
/// - since: Linux 5.1
/// - ESRCH: the process has ended and its status was taken
/// - EPERM: the process belongs to another user, or is outside this user namespace
#[track_caller]
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: Signal, why: &'static str) -> Result<()> {
    let call = call!("pidfd_send_signal", pidfd, signal, Word("NULL"), Word("0"));
    perform(call, why, || send_signal(pidfd, signal as i32))
}

/// As [`pidfd_send_signal`], for a signal that may have no name: the real-time signals, 34 to 64.
#[track_caller]
pub fn pidfd_send_signal_number(
    pidfd: BorrowedFd<'_>,
    signal: i32,
    why: &'static str,
) -> Result<()> {
    if let Ok(signal) = Signal::try_from(signal) {
        return pidfd_send_signal(pidfd, signal, why);
    }
    let shown = Arg::Word(format!("SIGRT_{}", signal - 32));
    let call = call!("pidfd_send_signal", pidfd, shown, Word("NULL"), Word("0"));
    perform(call, why, || send_signal(pidfd, signal))
}

fn send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> std::result::Result<(), Errno> {
    let info: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: a null siginfo asks for the one that kill(2) would make; nothing else is a pointer.
    let done =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info, 0) };
    Errno::result(done).map(drop)
}

/// Asks for a signal when the parent ends, so that this process does not outlive it.
///
/// It is forgotten when the process changes its ids or runs a setuid program.
///
/// - man: PR_SET_PDEATHSIG(2const), prctl(2)
/// - since: Linux 2.1.57
#[track_caller]
pub fn prctl_set_pdeathsig(signal: Signal, why: &'static str) -> Result<()> {
    let call = call!("prctl" as "prctl_set_pdeathsig", Word("PR_SET_PDEATHSIG"), signal);
    perform(call, why, || nix::sys::prctl::set_pdeathsig(signal))
}

/// Takes back what was asked for with [`prctl_set_pdeathsig`]: this process may outlive its parent.
///
/// - man: PR_SET_PDEATHSIG(2const), prctl(2)
/// - since: Linux 2.1.57
#[track_caller]
pub fn prctl_clear_pdeathsig(why: &'static str) -> Result<()> {
    let call = call!("prctl" as "prctl_clear_pdeathsig", Word("PR_SET_PDEATHSIG"), Word("0"));
    perform(call, why, || nix::sys::prctl::set_pdeathsig(None))
}

/// Becomes the foster parent of orphans: children whose parent ends before them are given to the
/// nearest ancestor that asked for them, instead of to pid 1.
///
/// - man: PR_SET_CHILD_SUBREAPER(2const), prctl(2)
/// - since: Linux 3.4
#[track_caller]
pub fn prctl_set_child_subreaper(why: &'static str) -> Result<()> {
    let call = call!("prctl" as "prctl_set_child_subreaper", Word("PR_SET_CHILD_SUBREAPER"), 1);
    perform(call, why, || nix::sys::prctl::set_child_subreaper(true))
}

/// Gives up, for ever and for all children, gaining rights by `execve`: setuid bits and file
/// capabilities do nothing from now on.
///
/// - man: PR_SET_NO_NEW_PRIVS(2const), prctl(2)
/// - since: Linux 3.5
#[track_caller]
pub fn prctl_set_no_new_privs(why: &'static str) -> Result<()> {
    let call = call!("prctl" as "prctl_set_no_new_privs", Word("PR_SET_NO_NEW_PRIVS"), 1);
    perform(call, why, nix::sys::prctl::set_no_new_privs)
}

/// Starts a new session, of which this process is the leader, without a terminal.
///
/// - man: setsid(2)
/// - since: Linux 1.0
/// - EPERM: this process leads a process group already
#[track_caller]
pub fn setsid(why: &'static str) -> Result<Pid> {
    perform(call!("setsid"), why, nix::unistd::setsid)
}

/// Marks every descriptor from `first` on to be closed by `execve`, so that none leaks into the next
/// program.
///
/// - man: close_range(2)
/// - since: Linux 5.9; the flag since 5.11
/// - EINVAL: this kernel does not know the flag
#[track_caller]
pub fn close_range_on_exec(first: u32, why: &'static str) -> Result<()> {
    let flag = Word("CLOSE_RANGE_CLOEXEC");
    perform(call!("close_range" as "close_range_on_exec", first, Word("~0U"), flag), why, || {
        let flag = libc::CLOSE_RANGE_CLOEXEC as i32;
        // SAFETY: the call takes numbers alone, and marking a descriptor takes it from nobody.
        Errno::result(unsafe { libc::close_range(first, u32::MAX, flag) }).map(drop)
    })
}

/// Makes descriptor `number` another name of `fd`, closing what it was before. Programs inherit it.
///
/// - man: dup2(2)
/// - since: Linux 1.0
/// - EBADF: `fd` is not open
#[track_caller]
pub fn dup2(fd: BorrowedFd<'_>, number: i32, why: &'static str) -> Result<()> {
    perform(call!("dup2", fd, Arg::Fd(number)), why, || {
        // SAFETY: whoever has `number` shall have `fd` instead; the standard streams are not owned.
        Errno::result(unsafe { libc::dup2(fd.as_raw_fd(), number) })
    })
    .map(drop)
}

/// Lets SIGPIPE end this process again, and every program that it becomes.
///
/// Rust's start-up code ignores it, which programs that we run would inherit: `yes | head` would go
/// on for ever.
pub(crate) fn die_of_closed_pipes() {
    // SAFETY: the default action is no handler, so nothing of ours runs in a signal's context.
    let _ = unsafe { nix::sys::signal::signal(Signal::SIGPIPE, SigHandler::SigDfl) };
}

/// Has the allocator ask for memory in larger pieces, and give back none but large ones: most programs
/// here end before anybody would miss it, and each of the requests costs as much as one that matters.
pub(crate) fn keep_memory() {
    #[cfg(target_env = "gnu")]
    for (parameter, bytes) in [(libc::M_TOP_PAD, 256 << 10), (libc::M_TRIM_THRESHOLD, 4 << 20)] {
        // SAFETY: it changes two numbers of the allocator, which no other thread uses yet.
        unsafe { libc::mallopt(parameter, bytes) };
    }
}

/// Ends this process at once, as if somebody had killed it.
pub(crate) fn die_here() -> ! {
    let _ = nix::sys::signal::kill(nix::unistd::getpid(), Signal::SIGKILL);
    // Pid 1 of a namespace cannot be killed from inside it, not even by itself.
    leave(128 + 9)
}

/// Ends this process without running what its parent has registered for its own end.
pub(crate) fn leave(code: u8) -> ! {
    let _ = std::io::stdout().flush();
    // SAFETY: _exit takes a number and does not return.
    unsafe { libc::_exit(i32::from(code)) }
}

pub(crate) fn c_string(text: &OsStr) -> std::result::Result<CString, Errno> {
    // The kernel's strings end at the first zero byte, so one inside would silently cut the rest.
    CString::new(text.as_bytes()).map_err(|_| Errno::EINVAL)
}

pub(crate) fn from_rustix(errno: rustix::io::Errno) -> Errno {
    Errno::from_raw(errno.raw_os_error())
}

/// A field of `/proc/PID/stat`, counted from the state, which is 0. The name before it may hold
/// blanks and brackets.
pub(crate) fn stat_field<T: FromStr>(pid: i32, field: usize) -> Option<T> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(field)?.parse().ok()
}

/// When a process was made, in clock ticks since the machine was, and whether it has ended; none when
/// there is no such process. Number and time together belong to one process alone.
pub fn started_and_ended(pid: Pid) -> Option<(u64, bool)> {
    let stat = read_small(Path::new(&format!("/proc/{pid}/stat"))).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    const STARTED: usize = 18;
    let started = fields.nth(STARTED)?.parse().ok()?;
    Some((started, matches!(state, "Z" | "X" | "x")))
}

/// All that a process has made, and what those have made, from the top down.
pub(crate) fn descendants(pid: Pid) -> Vec<Pid> {
    let mut found = children_of(pid);
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        found.extend(children_of(pid));
        next += 1;
    }
    found
}

/// The pids of this process's children that have not been waited for.
pub fn children() -> Vec<Pid> {
    children_of(nix::unistd::getpid())
}

fn children_of(pid: Pid) -> Vec<Pid> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
}
