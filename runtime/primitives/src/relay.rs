//! Standing between a program and whoever started it: what is typed goes in, what is said comes out,
//! and signals are handed on, until the program ends.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, read, write};
use rustix::termios::{LocalModes, OptionalActions, OutputModes, Termios};
use trace::Arg;

use crate::args::{ToArg, Word};
use crate::call;
use crate::error::Result;
use crate::gate::{is_watched, perform, rescue};
use crate::process::from_rustix;
use crate::tty::{set_window_size, window_size};

/// A terminal that hands on what is typed, key by key, and that is put back as it was when this is
/// dropped.
#[derive(Debug)]
pub struct RawMode {
    before: Termios,
}

/// Has the terminal on standard input hand on what is typed, key by key: no echo, no line to be
/// finished, no signal from Ctrl-C. None when standard input is no terminal.
///
/// - man: termios(3), TCSETS(2const)
/// - since: Linux 1.0
/// - EIO: this process is in the background of the terminal, and nobody leads its group
#[track_caller]
pub fn raw_mode(why: &'static str) -> Result<Option<RawMode>> {
    let input = std::io::stdin();
    let Ok(before) = rustix::termios::tcgetattr(&input) else {
        return Ok(None);
    };
    let call = call!("ioctl" as "raw_mode", input.as_fd(), Word("TCSETS2"), Word("-ICANON"));
    perform(call, why, || {
        let mut raw = before.clone();
        raw.make_raw();
        // Its own output still gets carriage returns, as the program's terminal adds none.
        raw.output_modes |= before.output_modes & OutputModes::OPOST;
        rustix::termios::tcsetattr(&input, OptionalActions::Now, &raw).map_err(from_rustix)
    })?;
    Ok(Some(RawMode { before }))
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let input = std::io::stdin();
        // What the reader would notice: lines are finished with Enter again.
        let lines = self.before.local_modes.contains(LocalModes::ICANON);
        let modes = Word(if lines { "+ICANON" } else { "-ICANON" });
        let call = call!("ioctl" as "raw_mode", input.as_fd(), Word("TCSETS2"), modes);
        let _ = rescue(call, "leave the terminal as it was", || {
            rustix::termios::tcsetattr(&input, OptionalActions::Now, &self.before)
                .map_err(from_rustix)
        });
    }
}

/// Stands between standard input and output and a program, until it ends; its exit status is left to be
/// taken. With the master of the program's terminal, what is typed and what is said is passed on, and
/// the size of our terminal. Without, the program has our streams, and only signals are handed on: all
/// that come to this process.
///
/// - man: poll(2), signalfd(2)
/// - since: Linux 5.3 for pidfds
/// - EMFILE: this process has too many open files: see `ulimit -n`
#[track_caller]
pub fn relay(
    pid: Pid,
    pidfd: BorrowedFd<'_>,
    master: Option<BorrowedFd<'_>>,
    why: &'static str,
) -> Result<()> {
    let shown = master.map_or(Arg::Word("NULL".to_string()), |master| master.to_arg());
    perform(call!("poll" as "relay", pidfd, shown), why, || {
        let signals = Signals::hold()?;
        let mut between = Between { pid, pidfd, signals: &signals, sides: None };
        if let Some(master) = master {
            fcntl(master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
            between.sides = Some(Sides::new(master));
        }
        while between.turn()? {}
        if let Some(sides) = &mut between.sides {
            sides.drain();
        }
        Ok(())
    })
}

/// While this lives, signals to this process wait for [`relay`].
#[derive(Debug)]
pub struct HeldSignals {
    _held: Option<Signals>,
}

/// From now on signals wait until somebody can hand them on: one that comes before the program runs
/// would end this process, and the program would never hear of it. Not while somebody watches, who must
/// be able to break off.
pub fn hold_signals() -> HeldSignals {
    HeldSignals { _held: if is_watched() { None } else { Signals::hold().ok() } }
}

/// The signals of this process, which wait to be read; let through again when this is dropped.
#[derive(Debug)]
struct Signals {
    source: SignalFd,
    before: SigSet,
}

impl Signals {
    /// All but those that a fault of our own raises, which could not wait, and that of children.
    fn hold() -> std::result::Result<Signals, Errno> {
        let mut held = SigSet::all();
        for signal in [
            Signal::SIGSEGV,
            Signal::SIGBUS,
            Signal::SIGFPE,
            Signal::SIGILL,
            Signal::SIGTRAP,
            Signal::SIGABRT,
            Signal::SIGSYS,
            Signal::SIGCHLD,
            Signal::SIGURG,
        ] {
            held.remove(signal);
        }
        let source = SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let mut before = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&held), Some(&mut before))?;
        Ok(Signals { source, before })
    }

    /// The next one, by its number; none when no more wait.
    fn next(&self) -> Option<i32> {
        const OF_OURS: i32 = Signal::SIGPIPE as i32;
        let own = std::process::id();
        loop {
            let told = self.source.read_signal().ok().flatten()?;
            let number = i32::try_from(told.ssi_signo).unwrap_or_default();
            // The kernel tells us that nobody reads what we write; that is no news for the program.
            if number != OF_OURS || told.ssi_pid != own {
                return Some(number);
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None);
    }
}

struct Between<'a> {
    pid: Pid,
    pidfd: BorrowedFd<'a>,
    signals: &'a Signals,
    sides: Option<Sides<'a>>,
}

impl Between<'_> {
    /// Waits for something and does it; false when the program has ended.
    fn turn(&mut self) -> std::result::Result<bool, Errno> {
        let (input, output) = (std::io::stdin(), std::io::stdout());
        let (input, output) = (input.as_fd(), output.as_fd());
        let fixed = [self.pidfd, self.signals.source.as_fd()];
        let mut fds: Vec<PollFd<'_>> =
            fixed.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).into_iter().collect();
        let mut timeout = PollTimeout::NONE;
        if let Some(sides) = &self.sides {
            sides.wait_for(input, output, &mut fds);
            if !sides.said.open {
                timeout = PollTimeout::from(REOPEN_MILLIS);
            }
        }
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) => return Ok(true),
            other => other?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        let names: Vec<i32> = fds.iter().map(|fd| fd.as_fd().as_raw_fd()).collect();
        let is_ready =
            |fd: BorrowedFd<'_>| names.iter().zip(&ready).any(|(n, r)| *n == fd.as_raw_fd() && *r);
        if is_ready(self.signals.source.as_fd()) {
            self.hand_on();
        }
        if let Some(sides) = &mut self.sides {
            sides.move_on(input, output, is_ready);
        }
        Ok(!is_ready(self.pidfd))
    }

    fn hand_on(&self) {
        while let Some(number) = self.signals.next() {
            match (&self.sides, number == Signal::SIGWINCH as i32) {
                (Some(sides), true) => sides.resize(),
                (None, true) => {}
                // It may have ended a moment ago.
                // SAFETY: kill takes two numbers.
                (_, false) => drop(Errno::result(unsafe { libc::kill(self.pid.as_raw(), number) })),
            }
        }
    }
}

/// How often a terminal is looked at that no program has open at the moment.
const REOPEN_MILLIS: u16 = 50;

/// Text on its way in one direction.
struct Way {
    /// What was read and is not written yet.
    text: Vec<u8>,
    /// Whether there may come more.
    open: bool,
}

impl Way {
    fn new() -> Way {
        Way { text: Vec::new(), open: true }
    }

    fn wants_more(&self) -> bool {
        self.open && self.text.is_empty()
    }

    fn read(&mut self, from: BorrowedFd<'_>) -> bool {
        let mut room = [0; 4096];
        match read(from, &mut room) {
            Ok(length) if length > 0 => {
                self.text.extend_from_slice(&room[..length]);
                return true;
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            _ => self.open = false,
        }
        false
    }

    fn write(&mut self, to: BorrowedFd<'_>) {
        match write(to, &self.text) {
            Ok(length) => drop(self.text.drain(..length)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // Nobody is there any more who would want it.
            Err(_) => self.text.clear(),
        }
    }
}

struct Sides<'a> {
    master: BorrowedFd<'a>,
    typed: Way,
    said: Way,
}

impl<'a> Sides<'a> {
    fn new(master: BorrowedFd<'a>) -> Sides<'a> {
        Sides { master, typed: Way::new(), said: Way::new() }
    }

    fn wait_for<'f>(
        &'f self,
        input: BorrowedFd<'f>,
        output: BorrowedFd<'f>,
        fds: &mut Vec<PollFd<'f>>,
    ) {
        let mut of_master = PollFlags::empty();
        of_master.set(PollFlags::POLLIN, self.said.wants_more());
        of_master.set(PollFlags::POLLOUT, !self.typed.text.is_empty());
        // Nobody has the other end open: the kernel would say so at once, again and again.
        if self.said.open && !of_master.is_empty() {
            fds.push(PollFd::new(self.master, of_master));
        }
        if self.typed.wants_more() {
            fds.push(PollFd::new(input, PollFlags::POLLIN));
        }
        if !self.said.text.is_empty() {
            fds.push(PollFd::new(output, PollFlags::POLLOUT));
        }
    }

    fn move_on(
        &mut self,
        input: BorrowedFd<'_>,
        output: BorrowedFd<'_>,
        is_ready: impl Fn(BorrowedFd<'_>) -> bool,
    ) {
        if !self.typed.text.is_empty() && is_ready(self.master) {
            self.typed.write(self.master);
        } else if self.typed.wants_more() && is_ready(input) {
            self.typed.read(input);
        }
        if !self.said.text.is_empty() && is_ready(output) {
            self.said.write(output);
        } else if self.said.text.is_empty() && (is_ready(self.master) || !self.said.open) {
            // A program may open the terminal again that all others have closed.
            self.said.open = true;
            self.said.read(self.master);
        }
    }

    /// What was said last may still be on its way.
    fn drain(&mut self) {
        let output = std::io::stdout();
        loop {
            while !self.said.text.is_empty() {
                let mut fds = [PollFd::new(output.as_fd(), PollFlags::POLLOUT)];
                let _ = poll(&mut fds, PollTimeout::NONE);
                self.said.write(output.as_fd());
            }
            if !self.said.read(self.master) {
                return;
            }
        }
    }

    fn resize(&self) {
        let input = std::io::stdin();
        if let Some(size) = window_size(input.as_fd()) {
            let _ = set_window_size(self.master, size, "have the size of the terminal in front");
        }
    }
}
