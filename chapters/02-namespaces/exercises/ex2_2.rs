//! Exercise 2.2: Get in by the process (10 minutes)
//!
//! A process runs in namespaces of its own, and you want to run a program beside it, as
//! `docker exec` does. Numbers of processes are used again after a process has ended, so first take
//! hold of the process by a descriptor, and then join through that descriptor: all namespaces that
//! differ, in one request.
//!
//! Your program is started as `ex2_2 PID -- CMD [ARGUMENT …]`. It runs `CMD` in a child and ends
//! with its exit code. The child joins the namespaces before it becomes `CMD`; the parent stays
//! outside. Which kinds differ is worked out in the code that you are given.
//!
//! The grader draws the kinds of namespaces and a host name. In the trace it looks for the
//! descriptor of the process and for the one request that joins. Its `CMD` waits, and meanwhile the
//! grader compares the namespaces of `CMD` with those of process `PID`, from outside, and has `CMD`
//! tell its host name.
//!
//! hint: The trace of `chapter2 ns enter` shows two requests that have to do with the other
//!       process.
//! hint: The descriptor is a *pidfd*. The request that joins takes it together with the set of
//!       kinds.
//! hint: In the child, before `become_program`: `let target = pidfd_open(pid, …)?`, then
//!       `setns_of_process(target.as_fd(), kinds, …)?`, with `std::os::fd::AsFd` in scope.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Error, Form, KINDS, Namespaces, Pid, Result, Status, WindowArgs, become_program,
    namespaces_of, spawn, step_giving,
};

// SOLUTION
use std::os::fd::AsFd;

use primitives::{pidfd_open, setns_of_process, step};
// END SOLUTION

/// Runs CMD in the namespaces of another process.
#[derive(Parser)]
#[command(name = "ex2_2")]
struct Cli {
    /// The process whose namespaces are joined
    #[arg(value_name = "PID")]
    pid: i32,
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
        |cli| run(Pid::from_raw(cli.pid), &cli.command),
    )
}

fn run(pid: Pid, command: &[OsString]) -> Result<Status> {
    let kinds = kinds_that_differ(pid)?;
    let child = step_giving("make a child", || {
        let why = "have somebody to join, while we stay and watch";
        spawn("child", Birth::default(), why, |_| join_and_become(pid, kinds, command))
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn join_and_become(pid: Pid, kinds: Namespaces, command: &[OsString]) -> Result<u8> {
    // STARTER: // Join the namespaces of process `pid`; `kinds` are those that differ from ours.
    // STARTER: let _ = (pid, kinds);
    // SOLUTION
    let target = step_giving("open the process", || {
        let why = "mean this process, even if another one gets its number";
        pidfd_open(pid, why)
    })?;
    step("join its namespaces", || {
        setns_of_process(target.as_fd(), kinds, "have the same names as the process")
    })?;
    // END SOLUTION
    step_giving("become the program", || become_program(command, "run what was asked for"))
}

/// The kinds of which the process is in another namespace than we are: to join a user namespace
/// that one is in already is an error.
fn kinds_that_differ(pid: Pid) -> Result<Namespaces> {
    let unreadable = |e| Error::Unusable(format!("the namespaces of process {pid}: {e}"));
    let theirs = namespaces_of(Some(pid)).map_err(unreadable)?;
    let ours = namespaces_of(None).map_err(unreadable)?;
    let differs = |name: &str| {
        let theirs = theirs.iter().find(|namespace| namespace.name == name);
        theirs.is_some_and(|namespace| !ours.contains(namespace))
    };
    let kinds = KINDS.iter().filter(|(name, _)| differs(name));
    Ok(kinds.map(|(_, kind)| *kind).collect())
}
