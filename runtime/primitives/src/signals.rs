//! What do signals do to a process that waits for a program it has started?
//!
//! They are meant for the program. SIGTERM and SIGHUP are handed on. A terminal's SIGINT and SIGQUIT
//! reach the program by themselves, so the one who waits stays, unless the program does not listen:
//! pid 1 of a pid namespace is not ended by a signal it has no handler for, and Ctrl-C must end
//! something.

use std::fs;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, raise, sigaction, sigprocmask,
};
use nix::unistd::Pid;

/// The program that is waited for; 0 when there is none.
static PROGRAM: AtomicI32 = AtomicI32::new(0);
/// The last signal from the terminal that was not looked at yet; 0 when there is none.
static FROM_TERMINAL: AtomicI32 = AtomicI32::new(0);

const HANDED_ON: [Signal; 2] = [Signal::SIGTERM, Signal::SIGHUP];
const OF_A_TERMINAL: [Signal; 2] = [Signal::SIGINT, Signal::SIGQUIT];

/// While this lives, signals to this process are for the program it waits for.
#[derive(Debug)]
pub(crate) struct ForTheProgram {
    before: Vec<(Signal, SigAction)>,
}

/// Puts every signal back to what it does by default, and holds none back: who has started this process
/// may have ignored or blocked some, which a program in a container has no part in. The C library's own
/// function leaves out two that it needs itself, and that glibc's posix_spawn(3) leaves ignored.
pub fn default_signals() {
    // struct kernel_sigaction: SIG_DFL is 0, and there are no flags and no mask.
    let default = [0_u64; 4];
    for number in 1..=64 {
        let old: *const u64 = std::ptr::null();
        // SAFETY: the kernel reads `default`, as large as its structure, and writes nothing. Nobody
        // counts on a handler any more, because this process is about to become another program.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, number, default.as_ptr(), old, 8) };
    }
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// From now on signals are for the process `pid`.
pub(crate) fn are_for(pid: Pid) -> ForTheProgram {
    PROGRAM.store(pid.as_raw(), Ordering::Relaxed);
    FROM_TERMINAL.store(0, Ordering::Relaxed);
    let hand_on = HANDED_ON.map(|signal| (signal, SigHandler::Handler(hand_on)));
    let take_note = OF_A_TERMINAL.map(|signal| (signal, SigHandler::Handler(take_note)));
    let mut before = Vec::new();
    for (signal, handler) in hand_on.into_iter().chain(take_note) {
        // Without SA_RESTART, so that whoever waits wakes up and looks.
        let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
        // SAFETY: both handlers do what signal-safety(7) allows: an atomic access, and kill(2).
        if let Ok(old) = unsafe { sigaction(signal, &action) } {
            before.push((signal, old));
        }
    }
    ForTheProgram { before }
}

impl Drop for ForTheProgram {
    fn drop(&mut self) {
        for (signal, action) in &self.before {
            // SAFETY: this is what was there before, which was fit to be a handler then.
            let _ = unsafe { sigaction(*signal, action) };
        }
        PROGRAM.store(0, Ordering::Relaxed);
    }
}

extern "C" fn hand_on(signal: libc::c_int) {
    let pid = PROGRAM.load(Ordering::Relaxed);
    if pid > 0 {
        // SAFETY: kill(2) takes two numbers and may be called in a handler.
        unsafe { libc::kill(pid, signal) };
    }
}

extern "C" fn take_note(signal: libc::c_int) {
    FROM_TERMINAL.store(signal, Ordering::Relaxed);
}

/// Sleeps until one of `fds` is ready, or a signal wakes it.
///
/// A signal that comes between looking and falling asleep would wake nobody. So signals are held back
/// while we look, and the kernel lets them through in the same moment in which we fall asleep.
pub(crate) fn sleep_on(fds: &mut [PollFd<'_>]) -> Result<(), Errno> {
    if PROGRAM.load(Ordering::Relaxed) == 0 {
        return poll(fds, PollTimeout::NONE).map(drop);
    }
    let ours: SigSet = HANDED_ON.into_iter().chain(OF_A_TERMINAL).collect();
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&ours), Some(&mut before))?;
    look();
    let slept = ppoll(fds, None, Some(before)).map(drop);
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    slept
}

/// Sleeps until `fd` can be read, and looks at the signals that come meanwhile.
pub(crate) fn sleep_until_readable(fd: BorrowedFd<'_>) {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    while sleep_on(&mut fds) == Err(Errno::EINTR) {
        look();
    }
}

/// Called by who waits and was woken by a signal: ends this process by it, as if nothing had been
/// arranged, when the program is not going to do anything about it.
pub(crate) fn look() {
    let number = FROM_TERMINAL.swap(0, Ordering::Relaxed);
    let pid = PROGRAM.load(Ordering::Relaxed);
    let Ok(signal) = Signal::try_from(number) else { return };
    if pid > 0 && !listens(pid, number) {
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: the default action is no handler.
        let _ = unsafe { sigaction(signal, &default) };
        let _ = raise(signal);
    }
}

/// Whether a process has a handler for a signal, or holds it back to take it when it suits, by the
/// masks in `/proc/PID/status`.
fn listens(pid: i32, signal: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let has = |mask: &str| {
        let hex = status.lines().find_map(|line| line.strip_prefix(mask));
        let mask = hex.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
    };
    has("SigCgt:") || has("SigBlk:")
}
