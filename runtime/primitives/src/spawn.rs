//! How does one process make another, and hear what became of it?
//!
//! [`spawn`] is one `clone3`; the child runs a closure of ours and ends, or becomes another program.
//! Whatever happens in the child stays there: an error is told to the parent, a panic is caught and
//! told as well, and in no case does the child return into its parent's code.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::linux::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use nix::errno::Errno;
use nix::unistd::Pid;
use trace::Arg;

use crate::args::{fields, flags};
use crate::call;
use crate::error::{Error, Failure, OWN_FAILURE, Result};
use crate::exec;
use crate::gate::{is_watched, perform, perform_for};
use crate::line::{Line, Message, ToParent};
use crate::namespaces::Namespaces;
use crate::process;
use crate::wait::{self, Status};
use crate::window;

/// `clone3` wants these two as they are; the constants of the same name in libc are 0.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CLONE_PIDFD: u64 = libc::CLONE_PIDFD as u64;

/// What a new process starts with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Birth<'a> {
    /// The namespaces that are made for it; the others it shares with its parent.
    pub namespaces: Namespaces,
    /// The directory of the cgroup v2 that it starts in; none: that of its parent.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// Makes a child process by `clone3`, which runs `body` and ends with the exit code it returns.
///
/// - man: clone3(2), clone(2)
/// - since: Linux 5.3; pidfds since 5.2, `CLONE_INTO_CGROUP` since 5.7
/// - EPERM: a namespace other than a user namespace needs root, or a new user namespace with it; and a
///   user namespace needs that one's own user and group are mapped where one is
/// - ENOSPC: user or pid namespaces are nested too deeply (more than 32 levels), or there are too many
///   of this kind: see /proc/sys/user
/// - EINVAL: these flags exclude each other
/// - EAGAIN: the limit of processes is reached: see `ulimit -u` and pids.max
/// - EBUSY: the cgroup has controllers for its children enabled, so it cannot hold a process itself
#[track_caller]
pub fn spawn(
    role: &'static str,
    birth: Birth<'_>,
    why: &'static str,
    body: impl FnOnce(&ToParent) -> Result<u8>,
) -> Result<Child> {
    let mut wanted = flags(&birth.namespaces);
    if let Arg::Word(names) = &mut wanted {
        let own =
            if birth.cgroup.is_some() { "CLONE_PIDFD|CLONE_INTO_CGROUP" } else { "CLONE_PIDFD" };
        *names = if names == "0" { own.to_string() } else { format!("{names}|{own}") };
    }
    let arguments = match birth.cgroup {
        None => fields([("flags", wanted), ("exit_signal", Arg::Word("SIGCHLD".into()))]),
        Some(cgroup) => fields([
            ("flags", wanted),
            ("exit_signal", Arg::Word("SIGCHLD".into())),
            ("cgroup", crate::ToArg::to_arg(&cgroup)),
        ]),
    };
    let caller = Location::caller();
    make(role, body, |child| {
        perform_for(caller, call!("clone3" as "spawn", arguments), why, || {
            let flags = birth.namespaces.bits();
            let (pid, pidfd) = clone3(flags, libc::SIGCHLD as u64, birth.cgroup)?;
            child.is_here(pid, pidfd)
        })
    })
}

/// Makes a child process by `fork`, the way of old, which runs `body` as [`spawn`] has it.
///
/// - man: fork(2)
/// - since: Linux 1.0; the C library makes it out of clone(2)
/// - EAGAIN: the limit of processes is reached: see `ulimit -u` and pids.max
#[track_caller]
pub fn fork(
    role: &'static str,
    why: &'static str,
    body: impl FnOnce(&ToParent) -> Result<u8>,
) -> Result<Child> {
    let caller = Location::caller();
    make(role, body, |child| {
        perform_for(caller, call!("fork"), why, || {
            // SAFETY: `make` has seen that there is one thread, so the child finds every lock free.
            let pid = Errno::result(unsafe { libc::fork() })?;
            child.is_here(pid, None)
        })
    })
}

/// The one clone3, with these flags and a pidfd; the child's pid and pidfd here, 0 in the child. The
/// caller knows that this process has one thread.
pub(crate) fn clone3(
    flags: u64,
    exit_signal: u64,
    cgroup: Option<BorrowedFd<'_>>,
) -> std::result::Result<(i32, Option<OwnedFd>), Errno> {
    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is a plain structure of numbers, for which all zeros means "nothing asked".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | CLONE_PIDFD;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = exit_signal;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    let size = size_of::<libc::clone_args>();
    // SAFETY: `args` and `pidfd` live until the call returns; without CLONE_VM the child has its own
    // copy of this stack, and with one thread in the parent it finds every lock free.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size) };
    let pid = i32::try_from(Errno::result(pid)?).expect("pids fit into an i32");
    if pid == 0 {
        return Ok((0, None));
    }
    // SAFETY: the kernel has just opened this descriptor for us, nobody else has it.
    Ok((pid, Some(unsafe { OwnedFd::from_raw_fd(pidfd) })))
}

/// What is needed on the child's side of the split: it is there on both sides, and one uses it.
struct Newborn<F> {
    role: &'static str,
    line: Option<Line>,
    body: Option<F>,
    pidfd: Option<OwnedFd>,
}

impl<F: FnOnce(&ToParent) -> Result<u8>> Newborn<F> {
    /// Both processes come here. The child goes on with its body and never returns; its half of the
    /// call is not written down, or there would be two records of one request, in any order.
    fn is_here(&mut self, pid: i32, pidfd: Option<OwnedFd>) -> std::result::Result<Pid, Errno> {
        if pid == 0 {
            let line = self.line.take().expect("the child takes its line once");
            let body = self.body.take().expect("the child takes its body once");
            live(self.role, line, body);
        }
        self.pidfd = pidfd;
        Ok(Pid::from_raw(pid))
    }
}

fn make<F: FnOnce(&ToParent) -> Result<u8>>(
    role: &'static str,
    body: F,
    split: impl FnOnce(&mut Newborn<F>) -> Result<Pid>,
) -> Result<Child> {
    refuse_threads()?;
    // What is still in the buffer would be printed by both.
    let _ = std::io::stdout().flush();
    let (ours, theirs) = Line::pair()?;
    let mut newborn = Newborn { role, line: Some(theirs), body: Some(body), pidfd: None };
    let pid = split(&mut newborn)?;
    let child = Child {
        pid,
        pidfd: newborn.pidfd.take(),
        line: Some(ours),
        role,
        execve: None,
        ended: None,
    };
    drop(newborn);
    if is_watched() {
        // Only now is its birth written down, so that nothing of it can come before.
        child.start()?;
    }
    Ok(child)
}

/// A process with several threads cannot be split safely: a lock that another thread holds at that
/// moment, such as that of the allocator, stays locked in the child for ever.
fn refuse_threads() -> Result<()> {
    let tasks = fs::metadata("/proc/self/task").map(|dir| dir.st_nlink().saturating_sub(2));
    match tasks {
        Ok(threads @ 2..) => Err(Error::Unusable(format!(
            "this process has {threads} threads; only one with a single thread can be split in two"
        ))),
        // Without /proc there is nothing to count; programs that come here start no threads.
        _ => Ok(()),
    }
}

/// The child's life, from its first instruction to its exit.
fn live<F: FnOnce(&ToParent) -> Result<u8>>(role: &'static str, line: Line, body: F) -> ! {
    line.close_the_others();
    let parent = ToParent(line);
    exec::set_line(&parent.0);
    live_on(role, &parent, body)
}

/// As a process that has its line to the parent already.
pub(crate) fn live_on<F: FnOnce(&ToParent) -> Result<u8>>(
    role: &'static str,
    parent: &ToParent,
    body: F,
) -> ! {
    window::become_child(role);
    let result = catch_unwind(AssertUnwindSafe(|| {
        if is_watched() {
            parent.wait_for_go()?;
        }
        body(parent)
    }));
    let failure = match result {
        Ok(Ok(code)) => process::leave(code),
        Ok(Err(error)) => Failure::from(&error),
        // The panic's own message is on standard error already.
        Err(_) => Failure { message: format!("{role} panicked"), code: OWN_FAILURE },
    };
    let _ = parent.0.say(&Message::Failed(failure.clone()));
    process::leave(failure.code)
}

/// A child process, and the line to it. Dropping it ends the process: nothing may stay behind.
#[derive(Debug)]
pub struct Child {
    pub(crate) pid: Pid,
    pub(crate) pidfd: Option<OwnedFd>,
    pub(crate) line: Option<Line>,
    pub(crate) role: &'static str,
    /// Under which number the child has announced its execve to the window.
    pub(crate) execve: Option<u64>,
    pub(crate) ended: Option<Status>,
}

impl Child {
    /// Its number in this process's pid namespace.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// A descriptor that stays the child's even if its number is given to another process.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Waits until the child says that it has come to this meeting point.
    ///
    /// - man: recv(2), unix(7)
    /// - since: Linux 2.6.4 for packets that keep their bounds
    /// - EBADMSG: what came is no message of ours
    #[track_caller]
    pub fn meet(&mut self, point: &str, why: &'static str) -> Result<()> {
        let Some(fd) = self.line.as_ref().map(|line| Arg::Fd(line.as_fd().as_raw_fd())) else {
            return Err(self.lost("its line is closed already".to_string()));
        };
        let call = call!("recvfrom" as "meet", fd, point);
        let mut heard = None;
        perform(call, why, || {
            let (message, length) = self.listen()?;
            heard = message;
            Ok(length)
        })?;
        match self.conclude(heard)? {
            Some(Message::At(reached)) if reached == point => Ok(()),
            Some(Message::At(reached)) => {
                Err(self.lost(format!("it waits at {reached:?} and not at {point:?}")))
            }
            _ => {
                let how = self.reap("learn how it ended")?.to_string();
                Err(self.lost(how))
            }
        }
    }

    pub(crate) fn lost(&self, how: String) -> Error {
        Error::Lost { role: self.role.to_string(), how }
    }

    /// Lets the child go on from where it waits: a write to the line.
    ///
    /// - man: send(2), unix(7)
    /// - since: Linux 2.6.4 for packets that keep their bounds
    /// - EPIPE: the child has ended, or runs another program already
    #[track_caller]
    pub fn release(&mut self, why: &'static str) -> Result<()> {
        let Some(line) = self.line.as_ref() else {
            return Ok(());
        };
        let call = call!("sendto" as "release", line.as_fd(), "Go");
        let result = perform(call, why, || line.say(&Message::Go));
        self.blame(result.map(drop))
    }

    /// Does our part of something while the child does its own. Where both fail, the child's failure
    /// is the cause, and is what is told.
    ///
    /// # Errors
    /// Those of `ours`, or [`Error::Child`] with the child's own words.
    pub fn beside<T>(&mut self, ours: impl FnOnce(Pid) -> Result<T>) -> Result<T> {
        let result = ours(self.pid);
        self.blame(result)
    }

    /// If the child has said why it failed, that is the error; who finds its files gone is not.
    fn blame<T>(&mut self, result: Result<T>) -> Result<T> {
        let said = |line: &Line| line.has_something();
        if result.is_err() && self.line.as_ref().is_some_and(said) {
            self.watch_it_go()?;
        }
        result
    }

    /// Lets a newborn start; part of watching, and not of what is watched.
    pub(crate) fn start(&self) -> Result<()> {
        let gone = |_| Error::Lost { role: self.role.into(), how: "its line is closed".into() };
        self.line.as_ref().map_or(Ok(()), |line| line.say(&Message::Go).map(drop).map_err(gone))
    }

    /// Waits until the child runs another program, or is dead.
    ///
    /// # Errors
    /// [`Error::Child`] with the child's own words when it could not do its part.
    pub fn watch_it_go(&mut self) -> Result<()> {
        while self.hear()?.is_some() {}
        Ok(())
    }

    /// Waits until the child has ended, and leaves its exit status to be taken.
    ///
    /// # Errors
    /// [`Error::Child`] with the child's own words when it could not do its part.
    pub fn watch_it_end(&mut self) -> Result<()> {
        self.watch_it_go()?;
        if let Some(pidfd) = self.pidfd() {
            // The line is closed a moment before the process has ended.
            wait::until_ended(pidfd);
        }
        Ok(())
    }

    /// The next message; `None` when the line is closed. A failure is an error, after the child's
    /// status was taken.
    fn hear(&mut self) -> Result<Option<Message>> {
        if self.line.is_none() {
            return Ok(None);
        }
        let heard = self.listen().map_or(None, |(message, _)| message);
        self.conclude(heard)
    }

    /// Reads from the line until there is something that concerns the parent; `None` and no bytes at
    /// its end.
    fn listen(&mut self) -> std::result::Result<(Option<Message>, usize), Errno> {
        loop {
            let Some(line) = self.line.as_ref() else {
                return Ok((None, 0));
            };
            let _ = window::serve_until(line.as_fd());
            match line.hear()? {
                Some((Message::Execve(number), _)) => self.execve = Some(number),
                Some((message, length)) => return Ok((Some(message), length)),
                None => return Ok((None, 0)),
            }
        }
    }

    /// What follows from a message, or from the end of the line.
    pub(crate) fn conclude(&mut self, heard: Option<Message>) -> Result<Option<Message>> {
        match heard {
            Some(Message::Failed(failure)) => {
                self.execve = None;
                self.line = None;
                self.reap("learn how the one that failed has ended")?;
                Err(Error::Child(failure))
            }
            Some(message) => Ok(Some(message)),
            None => {
                self.line = None;
                self.execve.take().into_iter().for_each(window::conclude);
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Birth, spawn};

    #[test]
    fn a_process_with_threads_is_not_split() {
        // The test harness runs each test on a thread beside its main one.
        let error = spawn("child", Birth::default(), "see it refused", |_| Ok(0)).unwrap_err();
        assert!(error.to_string().contains("threads"), "{error}");
    }
}
