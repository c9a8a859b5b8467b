//! Exercise 9.3: Whose limit? (10 minutes)
//!
//! A limit belongs to a process and is inherited by its children. The easiest way to limit a program
//! is to limit oneself before making it, and then one has limited oneself. Write a program that lets
//! `CMD` open at most `N` files, and goes on without that limit.
//!
//! - In `CMD` the limit of open files (`RLIMIT_NOFILE`) is `N`, soft and hard.
//! - Your program itself, which waits for `CMD`, keeps the limits that it was started with.
//!
//! Your program is started as `ex9_3 --files N -- CMD [ARGUMENT …]` and ends with the exit code of
//! `CMD`. The grader draws `N`. Its `CMD` waits, and meanwhile the grader reads `/proc/PID/limits` of
//! both processes from outside.
//!
//! hint: The hard limit can be lowered by everybody, and raised again by few. So it is no way to set
//!       it before and to put it back after.
//! hint: There are two processes. Which of them shall have the limit, and where in its life is it
//!       still your own code?
//! hint: Move the request into the child, before `become_program`. Or let the parent name the child:
//!       `prlimit(Some(child.pid()), …)`, as runc does; then the child must wait for it.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Limit, Resource, Result, Status, WindowArgs, become_program, prlimit, spawn, step,
    step_giving,
};

/// Runs CMD with a limit of open files.
#[derive(Parser)]
#[command(name = "ex9_3")]
struct Cli {
    /// How many files CMD may have open
    #[arg(long, value_name = "N")]
    files: u64,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| run(cli.files, &cli.command))
}

fn run(files: u64, command: &[OsString]) -> Result<Status> {
    // STARTER: limit(files)?;
    let child = step_giving("make a child", || {
        spawn("child", Birth::default(), "have a process to be limited", |_| {
            // SOLUTION
            limit(files)?;
            // END SOLUTION
            step_giving("become the program", || become_program(command, "run what was asked for"))
        })
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

/// Limits how many files this process may have open.
fn limit(files: u64) -> Result<()> {
    let resource = Resource::named("RLIMIT_NOFILE").expect("a resource of every kernel");
    let limit = Limit { soft: Some(files), hard: Some(files) };
    step("set the limit", || prlimit(None, resource, limit, "have so many files and no more"))
}
