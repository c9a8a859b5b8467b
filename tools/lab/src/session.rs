//! What happens between `lab run` and the command's exit code?
//!
//! Lay out a place for the lab, write the order, boot a kernel under a keeper, carry the streams
//! until the guest reports the end, and have everything removed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio, id};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::exit;
use crate::place::{Place, Word};
use crate::wire::{self, Frame, INPUT_AT_ONCE, Order};
use crate::{qemu, uml};

/// What both kernels run after their own first half.
const FLOOR: [(&str, &str); 3] = [
    ("floor.sh", include_str!("../guest/floor.sh")),
    ("first.fstab", include_str!("../guest/first.fstab")),
    ("second.fstab", include_str!("../guest/second.fstab")),
];

/// The name of the file with the kernel's messages, in the lab's place.
pub(crate) const CONSOLE: &str = "console";

/// How many lines of the kernel's console are shown when the guest breaks off.
const LAST_LINES: usize = 15;

/// Everything that `lab run` was asked for, complete.
pub(crate) struct Request {
    /// which kernel to boot
    pub(crate) kernel: Kernel,
    /// what to run in it
    pub(crate) order: Order,
    /// memory of the machine in MiB
    pub(crate) memory: u32,
    /// processors of the machine
    pub(crate) cpus: u32,
    /// seconds until everything is ended, 0 for never
    pub(crate) timeout: u64,
    /// directories that the lab may write to, absolute
    pub(crate) shares: Vec<PathBuf>,
    /// where the kernel's messages go
    pub(crate) console: Console,
}

/// The two kernels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Kernel {
    /// User-Mode Linux: fast, small; no time namespace, Landlock, PSI, cpuset or second processor
    Uml,
    /// QEMU, a whole machine in software: slower, and nothing is missing
    Qemu,
}

/// Where the kernel's messages go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Console {
    /// to a file, whose end is shown if the guest breaks off
    File,
    /// to the standard error, as they come
    Shown,
}

/// How to start a kernel: what [`uml`] and [`qemu`] find out.
pub(crate) struct Boot {
    /// the program and its arguments
    pub(crate) command: Vec<OsString>,
    /// what the program needs in its environment
    pub(crate) environment: Vec<(&'static str, PathBuf)>,
    /// the directory with the kernel's modules, one directory a release
    pub(crate) modules: PathBuf,
    /// what must lie in the lab's place, by name
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
}

/// Boots a kernel, runs the command in it, cleans up; the exit code.
pub(crate) fn run(request: &Request) -> Result<u8> {
    let place = Place::choose()?;
    let boot = match request.kernel {
        Kernel::Uml => uml::prepare(request, place.path())?,
        Kernel::Qemu => qemu::prepare(request, place.path())?,
    };
    // First who cleans up, then what must be cleaned up.
    let mut keeper = start_keeper(request, &boot, &place)?;
    if let Err(error) = lay_out(request, boot, &place) {
        keeper.kill()?;
        keeper.wait()?;
        place.remove()?;
        return Err(error);
    }
    let stdin = keeper.stdin.take().context("the keeper has no standard input")?;
    let stdout = keeper.stdout.take().context("the keeper has no standard output")?;

    let ended = converse(stdin, stdout);
    let last_lines = console_end(&place);
    place.say(Word::Stop)?;
    conclude(ended, keeper.wait()?, &last_lines)
}

/// `lab keep` in a process group of its own: see [`crate::keep`].
fn start_keeper(request: &Request, boot: &Boot, place: &Place) -> Result<Child> {
    let console = match request.console {
        Console::File => "file",
        Console::Shown => "shown",
    };
    Command::new(env::current_exe()?)
        .arg("keep")
        .arg(place.path())
        .args([&id().to_string(), &request.timeout.to_string(), console, "--"])
        .args(&boot.command)
        .envs(boot.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("cannot start the keeper of the lab")
}

/// Everything that the guest reads (see `guest/floor.sh`), then the word to boot.
fn lay_out(request: &Request, boot: Boot, place: &Place) -> Result<()> {
    let kept = [request.order.program_path(), Some(request.order.directory.clone())];
    place.make()?;
    for (name, text) in FLOOR {
        place.write(name, text)?;
    }
    for (name, content) in boot.files {
        place.write(name, content)?;
    }
    place.write("order", request.order.encode())?;
    place.write_paths("shares", &request.shares)?;
    place.write_paths("kept", &kept.into_iter().flatten().collect::<Vec<_>>())?;
    place.write_paths("modules", &[boot.modules])?;
    place.write_paths("exe", &[env::current_exe()?])?;
    place.say(Word::Boot)?;
    Ok(())
}

/// How the conversation with the guest ended.
enum Ended {
    /// The guest's last word was an exit code.
    With(u8),
    /// The guest could not start the command.
    Refused(u8, String),
    /// Our own output is closed: nobody wants the rest.
    Unheard,
    /// The line broke before the guest had said its last word; what it carried instead.
    Broken(io::Error, String),
}

fn converse(stdin: ChildStdin, stdout: ChildStdout) -> Ended {
    let mut line = BufReader::new(stdout);
    if let Err((error, noise)) = greet(&mut line) {
        return Ended::Broken(error, noise);
    }
    let (taken, all_taken) = channel();
    // Not joined: it may sit in a read of our standard input that never returns.
    thread::spawn(move || feed(stdin, &all_taken));
    loop {
        let written = match Frame::read(&mut line) {
            Ok(Frame::Output(bytes)) => pass(io::stdout().lock(), &bytes),
            Ok(Frame::ErrorOutput(bytes)) => pass(io::stderr().lock(), &bytes),
            Ok(Frame::Taken) => {
                // After the end of our input nobody counts any more.
                let _ = taken.send(());
                Ok(())
            }
            Ok(Frame::Exit(code)) => return Ended::With(code),
            Ok(Frame::Refusal(code, why)) => return Ended::Refused(code, why),
            Ok(Frame::Input(_) | Frame::InputEnd) => Ok(()),
            Err(error) => return Ended::Broken(error, String::new()),
        };
        if written.is_err() {
            return Ended::Unheard;
        }
    }
}

/// Waits for the guest. What User-Mode Linux prints before its console exists comes on this line.
fn greet(line: &mut impl Read) -> Result<(), (io::Error, String)> {
    let mut heard = Heard { line, bytes: Vec::new() };
    match wire::await_ready(&mut heard) {
        Ok(_) => Ok(()),
        Err(error) => Err((error, String::from_utf8_lossy(&heard.bytes).into_owned())),
    }
}

/// A reader that remembers.
struct Heard<'a, R> {
    line: &'a mut R,
    bytes: Vec<u8>,
}

impl<R: Read> Read for Heard<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.line.read(buffer)?;
        self.bytes.extend(&buffer[..length]);
        Ok(length)
    }
}

fn pass(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

/// Our standard input → line, one frame at a time.
fn feed(mut line: ChildStdin, taken: &Receiver<()>) {
    let mut buffer = [0; INPUT_AT_ONCE];
    loop {
        let frame = match io::stdin().lock().read(&mut buffer) {
            Ok(length @ 1..) => Frame::Input(buffer[..length].to_vec()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Ok(_) | Err(_) => Frame::InputEnd,
        };
        let last = frame == Frame::InputEnd;
        if frame.write(&mut line).is_err() {
            return;
        }
        if last {
            break;
        }
        if taken.recv().is_err() {
            return;
        }
    }
    // The line must stay open when our input ends: for the guest its end is the end of `lab`.
    loop {
        thread::park();
    }
}

/// The last lines of the kernel's console, if it went to a file.
fn console_end(place: &Place) -> String {
    let console = fs::read(place.file(CONSOLE)).unwrap_or_default();
    last_lines(&String::from_utf8_lossy(&console))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// The exit code, from what the guest said and how the keeper ended.
fn conclude(ended: Ended, keeper: ExitStatus, console: &str) -> Result<u8> {
    match ended {
        Ended::With(code) => Ok(code),
        Ended::Refused(code, why) => {
            eprintln!("lab: {why}");
            Ok(code)
        }
        Ended::Unheard => Ok(exit::READER_GONE),
        Ended::Broken(..) if keeper.code() == Some(i32::from(exit::TIMED_OUT)) => {
            eprintln!("lab: the time given with --timeout is over; the lab was ended");
            Ok(exit::TIMED_OUT)
        }
        Ended::Broken(error, noise) => bail!(
            "the lab's kernel broke off before the command had ended: {error}\n\
             its last words were:\n{}\n{console}\n\
             (with --verbose you see all of them)",
            last_lines(&noise)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_shown() {
        let text: String = (0..100).map(|number| format!("{number}\n")).collect();
        let shown = last_lines(&text);
        assert!(shown.starts_with("85\n") && shown.ends_with("99"));
        assert_eq!(last_lines("one"), "one");
        assert_eq!(last_lines(""), "");
    }
}
