//! Calls that somebody else answers: a filter can hold a call back until another process, which has
//! the filter's listener, has said what shall come of it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::panic::Location;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use trace::Arg;

use crate::args::{Word, fields};
use crate::call;
use crate::error::Result;
use crate::gate::{Asked, Shown, ask_first, errno_name, perform};
use crate::line::ToParent;
use crate::seccomp::{FilterFlags, Instruction, described, install};
use crate::{signals, window};

/// A system call, as a filter sees it: `struct seccomp_data` without the instruction's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemCall {
    /// The set of calls that the number is of: `AUDIT_ARCH_X86_64` and others.
    pub arch: u32,
    /// The number.
    pub number: u32,
    /// The six registers; what a pointer points to is not here.
    pub args: [u64; 6],
}

/// A call that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Notification {
    /// What an answer must name.
    pub id: u64,
    /// Who waits, as this process numbers it.
    pub pid: Pid,
    /// For what.
    pub call: SystemCall,
}

impl Shown for Notification {
    fn shown(&self) -> Arg {
        let number = Arg::Number(i64::from(self.call.number));
        fields([("pid", Arg::Pid(self.pid.as_raw())), ("nr", number)])
    }
}

/// What shall come of a call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It returns this, and the kernel does nothing.
    Value(i64),
    /// It fails with this, and the kernel does nothing.
    Errno(Errno),
    /// The kernel does it, with the arguments as they are *now*: no answer to a call that was looked
    /// at for safety, because the program can change what a pointer points to after the look.
    Continue,
}

/// Puts in a filter that has a listener, and sends the listener to the parent, at once: from then on
/// every call of this process may have to wait for it.
///
/// A listener that nobody has any more answers every call with ENOSYS; but this process has it too,
/// until its execve, so it must be tied to its parent, or it waits for ever when that is gone.
///
/// The filter must let through what this process says to its parent and to the window: `sendmsg` and
/// `sendto` on the descriptors of [`crate::lifelines`].
///
/// - man: seccomp(2), seccomp_unotify(2)
/// - since: Linux 5.0
/// - EACCES: without CAP_SYS_ADMIN a process must first give up gaining rights: no_new_privs
/// - EBUSY: the process has a filter with a listener already
/// - EINVAL: the program jumps out of itself, or does not end in a return
#[track_caller]
pub fn seccomp_hand_over_listener(
    parent: &ToParent,
    filter: &[Instruction],
    why: &'static str,
    why_send: &'static str,
) -> Result<()> {
    let flags = FilterFlags::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let listening = described("seccomp_hand_over_listener", filter, flags);
    let listening = ask_first(listening, why, Location::caller())?;
    install_and_send(parent, filter, flags, listening, why_send, Location::caller())
}

/// As [`seccomp_hand_over_listener`], with other flags besides the one that it takes.
///
/// - man: seccomp(2), seccomp_unotify(2)
/// - since: Linux 5.0; WAIT_KILLABLE_RECV 5.19
/// - EACCES: without CAP_SYS_ADMIN a process must first give up gaining rights: no_new_privs
/// - EBUSY: the process has a filter with a listener already
/// - EINVAL: the program jumps out of itself, or does not end in a return, or a flag is not known
#[track_caller]
pub fn seccomp_listen(
    parent: &ToParent,
    filter: &[Instruction],
    flags: FilterFlags,
    why: &'static str,
    why_send: &'static str,
) -> Result<()> {
    let flags = flags | FilterFlags::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let listening = ask_first(described("seccomp_listen", filter, flags), why, Location::caller())?;
    install_and_send(parent, filter, flags, listening, why_send, Location::caller())
}

fn install_and_send(
    parent: &ToParent,
    filter: &[Instruction],
    flags: FilterFlags,
    mut listening: Asked,
    why_send: &'static str,
    caller: &'static Location<'static>,
) -> Result<()> {
    // The listener's number is not known before it is there, and then there is no time for questions.
    let sending = call!("sendmsg" as "send_fd", parent.0.as_fd(), Word("SCM_RIGHTS"));
    let mut sending = ask_first(sending, why_send, caller)?;
    let listener = match listening.make(|| install(filter, flags)) {
        Ok(listener) => listener,
        Err(errno) => return Err(listening.failed(errno)),
    };
    // SAFETY: the kernel has just opened this descriptor for us, nobody else has it.
    let listener = unsafe { OwnedFd::from_raw_fd(listener) };
    let sent = sending.make(|| parent.0.hand_over(listener.as_fd()));
    // To close it is a call that may have to wait as well; execve closes it.
    let number = listener.into_raw_fd();
    listening.succeeded(Arg::Fd(number));
    match sent {
        Ok(length) => {
            sending.succeeded(length.shown());
            Ok(())
        }
        Err(errno) => Err(sending.failed(errno)),
    }
}

/// Waits until a call waits for an answer (true), or the process behind `pidfd` has ended (false).
/// Waiting changes nothing.
///
/// # Errors
/// The errno of poll(2).
pub fn await_notification(
    listener: BorrowedFd<'_>,
    pidfd: BorrowedFd<'_>,
) -> std::result::Result<bool, Errno> {
    loop {
        window::serve_until_one_of(&[listener, pidfd])?;
        let mut fds = [listener, pidfd].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => signals::look(),
            Err(errno) => return Err(errno),
            Ok(_) if fds[0].revents().is_some_and(|now| now.contains(PollFlags::POLLIN)) => {
                return Ok(true);
            }
            Ok(_) if fds.iter().any(|fd| fd.any() == Some(true)) => return Ok(false),
            Ok(_) => {}
        }
    }
}

/// Takes the next call that waits for an answer, and waits for one where there is none.
///
/// - man: seccomp_unotify(2)
/// - since: Linux 5.0
/// - ENOENT: the process that waited was killed or interrupted meanwhile
#[track_caller]
pub fn seccomp_notif_recv(listener: BorrowedFd<'_>, why: &'static str) -> Result<Notification> {
    let call = call!("ioctl" as "seccomp_notif_recv", listener, Word("SECCOMP_IOCTL_NOTIF_RECV"));
    perform(call, why, || receive(listener))
}

/// Room for what the kernel of today tells, and for what that of tomorrow may tell besides.
const ROOM: usize = 32;

fn receive(listener: BorrowedFd<'_>) -> std::result::Result<Notification, Errno> {
    let mut room = [0_u64; ROOM];
    let place: *mut libc::seccomp_notif = room.as_mut_ptr().cast();
    let (fd, request) = (listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV);
    // SAFETY: the room is zeroed, as the call wants it, aligned, and larger than what it writes.
    Errno::result(unsafe { libc::ioctl(fd, request, place) })?;
    // SAFETY: the structure is plain numbers, which the call has filled in.
    let told = unsafe { place.read() };
    let pid = Pid::from_raw(i32::try_from(told.pid).unwrap_or_default());
    let number = told.data.nr as u32;
    let call = SystemCall { arch: told.data.arch, number, args: told.data.args };
    Ok(Notification { id: told.id, pid, call })
}

/// Whether a call still waits. Asked after something of the process was read: if it does, what was
/// read is of that process, and not of another one that got its number. Asking changes nothing.
pub fn seccomp_notif_id_valid(listener: BorrowedFd<'_>, id: u64) -> bool {
    let (fd, request) = (listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID);
    // SAFETY: the request reads one number, which lives until it returns.
    let answer = unsafe { libc::ioctl(fd, request, &raw const id) };
    answer == 0
}

/// Answers a call that waits.
///
/// - man: seccomp_unotify(2)
/// - since: Linux 5.0; to let the kernel do it 5.5
/// - ENOENT: the process that waited was killed or interrupted meanwhile
/// - EINPROGRESS: it was answered already
#[track_caller]
pub fn seccomp_notif_send(
    listener: BorrowedFd<'_>,
    id: u64,
    reply: Reply,
    why: &'static str,
) -> Result<()> {
    let request = Word("SECCOMP_IOCTL_NOTIF_SEND");
    let call = call!("ioctl" as "seccomp_notif_send", listener, request, reply_shown(reply));
    perform(call, why, || send(listener, id, reply))
}

fn reply_shown(reply: Reply) -> Arg {
    let word = |text: String| Arg::Word(text);
    let zero = || Arg::Number(0);
    let (value, error, flags) = match reply {
        Reply::Value(value) => (Arg::Number(value), zero(), zero()),
        Reply::Errno(errno) => (zero(), word(format!("-{}", errno_name(errno))), zero()),
        Reply::Continue => (zero(), zero(), word("SECCOMP_USER_NOTIF_FLAG_CONTINUE".into())),
    };
    fields([("val", value), ("error", error), ("flags", flags)])
}

fn send(listener: BorrowedFd<'_>, id: u64, reply: Reply) -> std::result::Result<(), Errno> {
    let (val, error, flags) = match reply {
        Reply::Value(value) => (value, 0, 0),
        Reply::Errno(errno) => (0, -(errno as i32), 0),
        Reply::Continue => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
    };
    let answer = libc::seccomp_notif_resp { id, val, error, flags };
    let (fd, request) = (listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND);
    // SAFETY: the request reads one structure, which lives until it returns.
    Errno::result(unsafe { libc::ioctl(fd, request, &raw const answer) }).map(drop)
}

/// Gives a descriptor of this process to the one whose call waits; its number over there.
///
/// - man: seccomp_unotify(2)
/// - since: Linux 5.9
/// - ENOENT: the process that waited was killed or interrupted meanwhile
/// - EMFILE: it has too many open files
#[track_caller]
pub fn seccomp_notif_addfd(
    listener: BorrowedFd<'_>,
    id: u64,
    fd: BorrowedFd<'_>,
    why: &'static str,
) -> Result<i32> {
    let request = Word("SECCOMP_IOCTL_NOTIF_ADDFD");
    let what = fields([
        ("srcfd", Arg::Fd(fd.as_raw_fd())),
        ("newfd_flags", Arg::Word("O_CLOEXEC".into())),
    ]);
    perform(call!("ioctl" as "seccomp_notif_addfd", listener, request, what), why, || {
        let given = libc::seccomp_notif_addfd {
            id,
            flags: 0,
            srcfd: fd.as_raw_fd() as u32,
            newfd: 0,
            newfd_flags: libc::O_CLOEXEC as u32,
        };
        let (fd, request) = (listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD);
        // SAFETY: the request reads one structure, which lives until it returns.
        Errno::result(unsafe { libc::ioctl(fd, request, &raw const given) })
    })
}

/// Lets every call pass that waits for an answer, until the process behind `pidfd` has ended, and
/// shows each to `look`. It changes nothing for the program but its speed.
///
/// - man: seccomp_unotify(2)
/// - since: Linux 5.5
/// - EBADF: this is no listener
#[track_caller]
pub fn seccomp_notif_let_pass(
    listener: BorrowedFd<'_>,
    pidfd: BorrowedFd<'_>,
    mut look: impl FnMut(&Notification),
    why: &'static str,
) -> Result<()> {
    let request = Word("SECCOMP_IOCTL_NOTIF_RECV");
    let call = call!("ioctl" as "seccomp_notif_let_pass", listener, request);
    perform(call, why, || {
        while await_notification(listener, pidfd)? {
            let passed = receive(listener).and_then(|notification| {
                look(&notification);
                send(listener, notification.id, Reply::Continue)
            });
            match passed {
                // It does not wait any more: it was killed, or a signal came.
                Ok(()) | Err(Errno::ENOENT | Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::{Reply, reply_shown};

    #[test]
    fn an_answer_is_shown_as_strace_shows_it() {
        let shown = |reply| reply_shown(reply).to_string();
        assert_eq!(shown(Reply::Value(7)), "{val=7, error=0, flags=0}");
        assert_eq!(shown(Reply::Errno(Errno::EPERM)), "{val=0, error=-EPERM, flags=0}");
        assert!(shown(Reply::Continue).contains("FLAG_CONTINUE"));
    }
}
