//! Exercise 7.3: A terminal of its own (15 minutes)
//!
//! `docker run -t` gives a container a terminal: a pseudo-terminal, of which the program has one end and
//! Docker the other one. The program below makes one and hands it on as standard input, output and
//! error. But it is nobody's *controlling* terminal: a shell in there says "job control turned off",
//! and Ctrl-C reaches nobody. Change it so that `CMD` has the terminal for its own.
//!
//! - `CMD` leads a session, and the terminal is the controlling terminal of that session.
//! - Its process group is the foreground group of the terminal.
//!
//! Your program is started as `ex7_3 -- CMD [ARGUMENT …]`. Its `CMD` waits, and meanwhile the grader
//! reads session, terminal and foreground group in `/proc/PID/stat` from outside.
//!
//! hint: A process that wants a controlling terminal must lead a session that has none. It can make
//!       such a session.
//! hint: Two requests, in this order, in the child, before it becomes `CMD`. The second one says to a
//!       terminal whose it is; the first process of the session gets the foreground with it.
//! hint: `setsid(…)`, then `set_controlling_terminal(terminal.as_fd(), …)`. `setsid` gives the number
//!       of the session, which you do not need: `.map(drop)`.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Result, Status, WindowArgs, become_program, dup2, openpty, spawn, step,
    step_giving,
};

// SOLUTION
use primitives::{set_controlling_terminal, setsid};
// END SOLUTION

/// Runs CMD on a terminal of its own.
#[derive(Parser)]
#[command(name = "ex7_3")]
struct Cli {
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| run(&cli.command))
}

fn run(command: &[OsString]) -> Result<Status> {
    let pty = step_giving("make a terminal", || openpty("have one that is only for the program"))?;
    let child = step_giving("make a child", || {
        let why = "have a process that can get a terminal";
        spawn("child", Birth::default(), why, |_| be_the_program(pty.slave.as_fd(), command))
    })?;
    let status = step_giving("take its status", || child.finish("pass its exit code on"))?;
    drop(pty);
    Ok(status)
}

fn be_the_program(terminal: BorrowedFd<'_>, command: &[OsString]) -> Result<u8> {
    // STARTER: // Whose terminal is it?
    // SOLUTION
    step("lead a session", || setsid("have no terminal, and be allowed to get one").map(drop))?;
    step("take the terminal", || {
        set_controlling_terminal(terminal, "be the one whom it sends Ctrl-C")
    })?;
    // END SOLUTION
    step("use the terminal", || {
        (0..3).try_for_each(|number| dup2(terminal, number, "read from it and write to it"))
    })?;
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
