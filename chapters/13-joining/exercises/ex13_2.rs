//! Exercise 13.2: The size of a window (10 minutes)
//!
//! A program that draws on a terminal must know how large it is. Nobody tells it in so many words: the
//! size is kept by the kernel with the terminal, whoever holds the other end sets it, and the programs
//! in front are told by a signal that it has changed. The program below passes on what `CMD` says, but
//! `CMD` believes that its terminal has 0 lines of 0 characters. Change it.
//!
//! - The terminal has the size `FIRST` before `CMD` is there: what asks at once must get it.
//! - As soon as `CMD` has said its first line, the terminal gets the size `THEN`.
//!
//! Your program is started as `ex13_2 --first ROWSxCOLUMNS --then ROWSxCOLUMNS -- CMD [ARGUMENT …]`, passes
//! on what `CMD` says and ends with its exit code. The grader draws the sizes. Its `CMD` asks for the
//! size at the start, and again when SIGWINCH tells it to.
//!
//! hint: The size can be set at either end, from the first moment on that the terminal is there.
//! hint: `set_window_size(pty.master.as_fd(), …)` before `spawn`, where nothing can come between.
//! hint: In the loop, `text.contains(&b'\n')` says that a line is complete. Set the size there, once: an
//!       `Option` that you `take` is a way to do something once.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Result, Signal, Status, ToParent, WindowArgs, WindowSize, become_program, dup2,
    openpty, set_controlling_terminal, setsid, spawn, step, step_giving,
};

// SOLUTION
use primitives::set_window_size;
// END SOLUTION

/// Runs CMD at a terminal that changes its size.
#[derive(Parser)]
#[command(name = "ex13_2")]
struct Cli {
    /// How large it is at first
    #[arg(long, value_name = "ROWSxCOLUMNS", value_parser = size)]
    first: WindowSize,
    /// How large it is when CMD has said something
    #[arg(long, value_name = "ROWSxCOLUMNS", value_parser = size)]
    then: WindowSize,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn size(text: &str) -> std::result::Result<WindowSize, String> {
    let sides = text.split_once('x').map(|(rows, columns)| (rows.parse(), columns.parse()));
    match sides {
        Some((Ok(rows), Ok(columns))) => Ok(WindowSize { rows, columns }),
        _ => Err("write it as 24x80".to_string()),
    }
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, run)
}

fn run(cli: &Cli) -> Result<Status> {
    let pty = step_giving("make a terminal", || openpty("have something to draw on"))?;
    // STARTER: let _ = cli.first;
    // SOLUTION
    step("give it a size", || {
        set_window_size(pty.master.as_fd(), cli.first, "have it when somebody asks")
    })?;
    // END SOLUTION
    let child = step_giving("make a child", || {
        let why = "have a process at the terminal";
        spawn("child", Birth::default(), why, |parent| live(parent, pty.slave.as_fd(), cli))
    })?;
    drop(pty.slave);
    pass_on(pty.master, cli.then)?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

/// Until nobody has the terminal any more, which reading from it tells by an error.
fn pass_on(master: OwnedFd, then: WindowSize) -> Result<()> {
    let mut terminal = File::from(master);
    let mut room = [0; 1024];
    // STARTER: let _ = then;
    // SOLUTION
    let mut then = Some(then);
    // END SOLUTION
    while let Ok(length @ 1..) = terminal.read(&mut room) {
        let text = &room[..length];
        let _ = stdout().write_all(text);
        // SOLUTION
        if let Some(size) = then.take_if(|_| text.contains(&b'\n')) {
            step("change the size", || {
                set_window_size(terminal.as_fd(), size, "have the program draw anew")
            })?;
        }
        // END SOLUTION
    }
    Ok(())
}

fn live(parent: &ToParent, terminal: BorrowedFd<'_>, cli: &Cli) -> Result<u8> {
    step("tie to the parent", || parent.tie(Signal::SIGKILL, "end when the parent ends"))?;
    step("sit down", || {
        setsid("lead a session, which has no terminal yet")?;
        set_controlling_terminal(terminal, "get the signals of its keys, and of its size")?;
        (0..3).try_for_each(|number| dup2(terminal, number, "read and write there"))
    })?;
    step_giving("become the program", || become_program(&cli.command, "run what was asked for"))
}
