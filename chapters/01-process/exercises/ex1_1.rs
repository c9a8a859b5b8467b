//! Exercise 1.1: Hand the ending on (10 minutes)
//!
//! A container runtime stands between a program and whoever asked for it. If it swallows how the
//! program ended, nobody outside can tell success from failure. Write a program that runs `CMD` in
//! a process of its own, waits for it, and ends as it ended:
//!
//! - when `CMD` ends with exit code *n*, your program ends with exit code *n*;
//! - when signal number *n* ends `CMD`, your program ends with exit code 128 + *n*, as a shell
//!   does.
//!
//! Your program is started as `ex1_1 -- CMD [ARGUMENT …]`. The grader draws exit codes and signals
//! at random. It looks in the trace whether `CMD` ran in a child and whether the child's status was
//! taken, and at the exit code of your program.
//!
//! hint: A child is made by one request, and its status is taken by another. Which two did the
//!       trace of `chapter1 spawn` show, apart from what stands between them?
//! hint: `primitives::spawn` takes a closure: that is the life of the child. What the parent gets
//!       back is a `Child`, and one of its functions waits for the end.
//! hint: In the closure call `become_program(command, …)`; then return `Ok(child.finish(…)?)`. The
//!       `Status` that comes out of it knows the rule with 128.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{Form, Result, Status, WindowArgs};

// SOLUTION
use primitives::{Birth, become_program, spawn, step_giving};
// END SOLUTION

/// Runs CMD in a process of its own and ends as it ended.
#[derive(Parser)]
#[command(name = "ex1_1")]
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
    // STARTER: // Run `command` in a child and say how it ended. Now nothing is run at all.
    // STARTER: let _ = command;
    // STARTER: Ok(Status::Exited(0))
    // SOLUTION
    let child = step_giving("make a child", || {
        let why = "have a process that can become another program";
        spawn("child", Birth::default(), why, |_| become_program(command, "run what was asked for"))
    })?;
    step_giving("take its status", || child.finish("learn how it ended and tell whoever asked"))
    // END SOLUTION
}
