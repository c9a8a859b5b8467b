//! Exercise 1.3: Stop the leak (5 minutes)
//!
//! The program below holds a secret in an open file and then runs `CMD`, which was never meant to
//! read it. It may also have been started with files open that it knows nothing of. Change it so
//! that `CMD` has descriptors 0, 1 and 2 and no other one.
//!
//! The files must be kept from `CMD` in the child and before it becomes `CMD`. Your program itself
//! may need them afterwards, so they stay open there.
//!
//! Your program is started as `ex1_3 --secret TEXT -- CMD [ARGUMENT …]`. The grader draws the
//! secret, and opens a random number of files before it starts your program. Its `CMD` waits, and
//! meanwhile the grader looks at `/proc/PID/fd` of it from outside.
//!
//! hint: Closing the one descriptor that you know of is not enough. Which request means "all from
//!       this number on"?
//! hint: The request should not close anything now, because the window and the line to the parent
//!       are open files too. It should mark the files, so that `execve` closes them.
//! hint: Call `close_range_on_exec` with 3 as the first descriptor, in the child's closure, in the
//!       line above `become_program`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Result, Status, WindowArgs, become_program, memfd_create_inheritable, spawn,
    step_giving,
};

// SOLUTION
use primitives::{close_range_on_exec, step};
// END SOLUTION

/// Runs CMD, and keeps a secret from it.
#[derive(Parser)]
#[command(name = "ex1_3")]
struct Cli {
    /// What CMD must not be able to read
    #[arg(long, value_name = "TEXT")]
    secret: String,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| run(&cli.secret, &cli.command))
}

fn run(secret: &str, command: &[OsString]) -> Result<Status> {
    let secret = step_giving("open a secret", || {
        let why = "have something to lose";
        memfd_create_inheritable("secret", secret.as_bytes(), why)
    })?;
    let child = step_giving("make a child", || {
        let why = "have a process that can become another program";
        spawn("child", Birth::default(), why, |_| become_it(command))
    })?;
    let status = step_giving("take its status", || {
        child.finish("learn how it ended and tell whoever asked")
    })?;
    drop(secret);
    Ok(status)
}

fn become_it(command: &[OsString]) -> Result<u8> {
    // STARTER: // What does the program inherit here?
    // SOLUTION
    step("close the rest", || {
        let why = "hand on standard input, output and error and nothing else";
        close_range_on_exec(3, why)
    })?;
    // END SOLUTION
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
