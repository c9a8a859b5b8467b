//! Exercise 8.1: A limit that holds from the first moment (12 minutes)
//!
//! Run `CMD` in a new cgroup in which at most `N` processes may be.
//!
//! - Make the cgroup: the directory `DIR`, in a hierarchy that has the controller `pids`.
//! - Write the limit before anybody is in it.
//! - The child moves itself in before it becomes `CMD`: a program that is moved later has had a moment
//!   without limits.
//! - Take the exit status, and remove the cgroup.
//!
//! Your program is started as `ex8_1 --cgroup DIR --most N -- CMD [ARGUMENT …]` and ends with the exit
//! code of `CMD`. The grader draws the name and `N`, and reads both from the kernel while `CMD` waits.
//!
//! hint: A cgroup is made by `mkdir`, and the kernel puts the files into it. Which file has the limit of
//!       processes, and which one takes the number of a process?
//! hint: In `cgroup.procs` the number 0 stands for the process that writes.
//! hint: `mkdir(cgroup, 0o755, …)`, `write(&cgroup.join("pids.max"), &most.to_string(), …)`; in the child
//!       `write(&cgroup.join("cgroup.procs"), "0", …)`; at the end `rmdir(cgroup, …)`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Child, Form, Result, Status, WindowArgs, become_program, spawn, step_giving,
};

// SOLUTION
use primitives::{mkdir, rmdir, step, write};
// END SOLUTION

/// Runs CMD in a new cgroup with a limit of processes.
#[derive(Parser)]
#[command(name = "ex8_1")]
struct Cli {
    /// The directory of the cgroup, which is not there yet
    #[arg(long, value_name = "DIR")]
    cgroup: PathBuf,
    /// How many processes may be in it
    #[arg(long, value_name = "N")]
    most: u32,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(
        Form::Pretty,
        |cli: &Cli| &cli.window,
        |cli| run(&cli.cgroup, cli.most, &cli.command),
    )
}

fn run(cgroup: &Path, most: u32, command: &[OsString]) -> Result<Status> {
    // STARTER: // Nobody makes the cgroup, and nobody limits anything.
    // STARTER: let _ = most;
    // SOLUTION
    step("make the cgroup", || mkdir(cgroup, 0o755, "have a place for a limit"))?;
    step("set the limit", || {
        let why = "let it have this many processes";
        write(&cgroup.join("pids.max"), &most.to_string(), why)
    })?;
    // END SOLUTION
    let child = make(cgroup, command)?;
    let status = step_giving("take its status", || child.finish("pass its exit code on"))?;
    // SOLUTION
    step("remove the cgroup", || rmdir(cgroup, "leave nothing behind"))?;
    // END SOLUTION
    Ok(status)
}

fn make(cgroup: &Path, command: &[OsString]) -> Result<Child> {
    step_giving("make a child", || {
        spawn("child", Birth::default(), "have a process that becomes CMD", |_| {
            // STARTER: let _ = cgroup;
            // SOLUTION
            step("enter the cgroup", || {
                write(&cgroup.join("cgroup.procs"), "0", "have the limit hold for this process")
            })?;
            // END SOLUTION
            step_giving("become the program", || become_program(command, "run what was asked for"))
        })
    })
}
