//! Processes: becoming another program, waiting for one, sending signals.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::io::Write;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use trace::{Arg, Outcome};

use crate::args::{Word, fields, word};
use crate::call;
use crate::error::{Error, Result};
use crate::gate::{self, Call, Shown, perform, rescue};
use crate::line::{Line, Message};
use crate::window::{self, Verdict};

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

/// Becomes another program: it takes over this process, its pid, its namespaces and its open files.
///
/// `program` is a path; `arguments` begin with the name under which the program runs; `environment`
/// is all that it gets, as `NAME=value`.
///
/// - man: execve(2)
/// - since: Linux 1.0
/// - ENOENT: the file is not there, or the interpreter that it names in its first line or its ELF
///   header is not
/// - EACCES: the file may not be executed, or lies on a mount with noexec
/// - ENOEXEC: the file is no program of a format that this kernel knows
/// - E2BIG: the arguments and the environment together are too long
#[track_caller]
pub fn execve(
    program: &Path,
    arguments: &[OsString],
    environment: &[OsString],
    why: &'static str,
) -> Result<Infallible> {
    let effect = || -> std::result::Result<Infallible, Errno> {
        let strings = |list: &[OsString]| -> std::result::Result<Vec<CString>, Errno> {
            list.iter().map(|text| c_string(text)).collect()
        };
        let path = c_string(program.as_os_str())?;
        nix::unistd::execve(&path, &strings(arguments)?, &strings(environment)?)
    };
    let call = call!("execve", program, arguments, Word("environ"));
    if !gate::is_watched() {
        return perform(call, why, || effect().map(|never| -> () { match never {} }))
            .map(|()| unreachable!("execve does not return when it succeeds"));
    }
    execve_watched(call(), why, Location::caller(), effect)
}

/// The record of an execve that succeeds can only be written by somebody else. So it is announced to
/// the window first, and the parent tells the window when it sees the line close.
fn execve_watched(
    call: Call,
    why: &'static str,
    caller: &'static Location<'static>,
    effect: impl FnOnce() -> std::result::Result<Infallible, Errno>,
) -> Result<Infallible> {
    let mut record = window::pending(&call, why, caller);
    if let Verdict::Refuse(errno) = window::decide(&record)? {
        record.outcome = Outcome::Refused(gate::errno_name(errno).into());
        window::report(record);
        return Err(gate::refusal(&call, errno, true));
    }
    match line() {
        Some(line) => {
            window::announce(line.number(), record.clone());
            let announced = line.say(&Message::Execve(line.number()));
            std::mem::forget(line);
            announced.map_err(|errno| gate::refusal(&call, errno, false))?;
        }
        // The first process has nobody to say it for it, so it is written down as yet unknown.
        None => window::report(record.clone()),
    }
    let Err(errno) = effect();
    record.outcome = Outcome::Errno(gate::errno_name(errno).into());
    window::report(record);
    Err(gate::refusal(&call, errno, false))
}

/// The descriptor of the line to the parent, for `execve`; -1 in the first process.
static LINE: AtomicI32 = AtomicI32::new(-1);

pub(crate) fn set_line(line: &Line) {
    LINE.store(line.as_fd().as_raw_fd(), Ordering::Relaxed);
}

fn line() -> Option<Line> {
    let fd = LINE.load(Ordering::Relaxed);
    // SAFETY: the child's end of the line stays open until this process ends or becomes another
    // program, and the caller forgets the copy instead of closing it.
    (fd >= 0).then(|| Line::from_fd(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// Finds a program as a shell would: by its path when it has a slash, else in `search`, a list of
/// directories with `:` between them.
///
/// # Errors
/// [`Error::NotFound`] and [`Error::NotExecutable`], which have exit codes of their own.
pub fn find_program(program: &OsStr, search: &OsStr) -> Result<PathBuf> {
    let shown = program.to_string_lossy().into_owned();
    if program.as_bytes().contains(&b'/') {
        let path = PathBuf::from(program);
        return match executable(&path) {
            Ok(true) => Ok(path),
            Ok(false) => Err(not_executable(&shown, &path)),
            Err(_) => Err(Error::NotFound { program: shown, searched: "the file system".into() }),
        };
    }
    let candidates = std::env::split_paths(search).map(|directory| directory.join(program));
    let mut refused = None;
    for path in candidates {
        match executable(&path) {
            Ok(true) => return Ok(path),
            Ok(false) => refused = refused.or(Some(path)),
            Err(_) => {}
        }
    }
    match refused {
        Some(path) => Err(not_executable(&shown, &path)),
        None => Err(Error::NotFound {
            program: shown,
            searched: format!("PATH ({})", search.to_string_lossy()),
        }),
    }
}

fn executable(path: &Path) -> std::io::Result<bool> {
    let metadata = fs::metadata(path)?;
    Ok(metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn not_executable(program: &str, path: &Path) -> Error {
    let why = match path.is_dir() {
        true => "it is a directory".to_string(),
        false => format!("{} has no execute permission (chmod +x gives it)", path.display()),
    };
    Error::NotExecutable { program: program.to_string(), why }
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
    perform(call, why, || {
        let info: *const libc::siginfo_t = std::ptr::null();
        let (fd, number) = (pidfd.as_raw_fd(), signal as i32);
        // SAFETY: a null siginfo asks for the one that kill(2) would make; nothing else is a pointer.
        let done = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, info, 0) };
        Errno::result(done).map(drop)
    })
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
        Errno::result(unsafe { libc::dup2(fd.as_raw_fd(), number) }).map(drop)
    })
}

/// Whether the process has run an execve since it was made. The kernel keeps this as a flag
/// (PF_FORKNOEXEC), also for a process that has ended, until its status is taken.
pub(crate) fn has_execed(pid: i32) -> bool {
    const PF_FORKNOEXEC: u64 = 0x40;
    const FLAGS: usize = 6;
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // The second field is a name and may hold blanks and brackets; the ninth is the flags.
    let flags = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(FLAGS));
    flags.and_then(|text| text.parse::<u64>().ok()).is_some_and(|flags| flags & PF_FORKNOEXEC == 0)
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

/// The pids of this process's children that have not been waited for.
pub fn children() -> Vec<Pid> {
    let pid = nix::unistd::getpid();
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::{Status, find_program};
    use nix::sys::signal::Signal;

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(Status::Exited(7).code(), 7);
        assert_eq!(Status::Killed(Signal::SIGKILL).code(), 137);
    }

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let found = find_program("sh".as_ref(), "/nowhere:/bin:/usr/bin".as_ref()).unwrap();
        assert_eq!(found.to_string_lossy(), "/bin/sh");
        let missing = find_program("no-such-program".as_ref(), "/bin".as_ref()).unwrap_err();
        assert_eq!(missing.exit_code(), 127);
        let refused = find_program("/etc/passwd".as_ref(), "".as_ref()).unwrap_err();
        assert_eq!(refused.exit_code(), 126);
        assert!(refused.to_string().contains("execute permission"), "{refused}");
    }
}
