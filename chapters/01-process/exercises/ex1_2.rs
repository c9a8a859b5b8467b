//! Exercise 1.2: Adopt the orphans (15 minutes)
//!
//! Some programs start helpers and end before them. The helpers become orphans: somebody else must
//! take their exit statuses, and know when the last one is gone. Write the part of a runtime that
//! does this. It runs `CMD`, and then stays until no descendant of `CMD` is left.
//!
//! - Offer to become the parent of orphans, and do it before there can be one.
//! - Run `CMD` in a child and take its status.
//! - Take the status of every orphan. You are not told how many there are.
//! - When there is nobody left to wait for, end with the exit code of `CMD`.
//!
//! Your program is started as `ex1_2 -- CMD [ARGUMENT …]`. The grader draws the number of orphans
//! and their exit codes at random. It compares them with the statuses that the trace shows, and
//! looks from outside whether a process is left when your program has ended.
//!
//! hint: The kernel gives an orphan to the nearest ancestor that has made an offer. The trace of
//!       `chapter1 orphan` shows the request.
//! hint: One primitive waits for any child, whichever ends first. What does it say when there is no
//!       child any more?
//! hint: `prctl_set_child_subreaper` comes first. At the end call `wait_any` in a loop until its
//!       error has `errno() == Some(Errno::ECHILD)`; that error is the good end.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{Birth, Form, Result, Status, WindowArgs, become_program, spawn, step_giving};

// SOLUTION
use primitives::{Errno, prctl_set_child_subreaper, step, wait_any};
// END SOLUTION

/// Runs CMD and stays until none of its descendants is left.
#[derive(Parser)]
#[command(name = "ex1_2")]
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
    // SOLUTION
    step("offer to adopt", || {
        prctl_set_child_subreaper("become the parent of descendants who lose theirs")
    })?;
    // END SOLUTION
    let child = step_giving("make a child", || {
        let why = "have a process that can become another program";
        spawn("child", Birth::default(), why, |_| become_program(command, "run what was asked for"))
    })?;
    let status = step_giving("take its status", || {
        child.finish("learn how it ended and tell whoever asked")
    })?;
    // STARTER: // The program has ended. Are its descendants gone as well?
    // SOLUTION
    step("take the orphans' statuses", take_all)?;
    // END SOLUTION
    Ok(status)
}

// SOLUTION
/// Takes statuses until the kernel says that there is no child left. A descendant of an orphan is
/// counted in this: it comes to us when its own parent ends, and that one is still our child.
fn take_all() -> Result<()> {
    loop {
        match wait_any("take leave of whoever ends next") {
            Ok(_) => {}
            Err(error) if error.errno() == Some(Errno::ECHILD) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
// END SOLUTION
