//! Exercise 4.2: One way only (10 minutes)
//!
//! A backup program shall see every disk that is plugged in while it runs. What it mounts itself is
//! nobody's business. Write a program that runs `CMD` in a mount namespace into which mounts of the
//! outside come, and out of which none go.
//!
//! - Make a child in a mount namespace of its own.
//! - Tie all its mounts to those outside, in one direction.
//! - The child becomes `CMD`.
//!
//! Your program is started as `ex4_2 -- CMD [ARGUMENT …]`, on a host whose mounts are all shared,
//! which is made for the purpose, and ends with the exit code of `CMD`. Its `CMD` waits, and
//! meanwhile the grader reads `/proc/PID/mountinfo`: each mount in there must have a master, and
//! none may have peers.
//!
//! hint: A new mount namespace is a copy, and a copy of a shared mount is its peer: what is mounted on
//!       one side appears on the other. Which propagation lets it go one way?
//! hint: The request is about one mount, and there are many. A flag makes it one about all mounts
//!       below a place.
//! hint: In the child `mount_change(Path::new("/"), MsFlags::MS_REC | MsFlags::MS_SLAVE, …)`, before
//!       `become_program`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Namespaces, Result, Status, WindowArgs, become_program, spawn, step_giving,
};

// SOLUTION
use primitives::{MsFlags, mount_change, step};
use std::path::Path;
// END SOLUTION

/// Runs CMD where mounts come in and none go out.
#[derive(Parser)]
#[command(name = "ex4_2")]
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
    let birth = Birth { namespaces: Namespaces::CLONE_NEWNS, cgroup: None };
    let child = step_giving("make a child", || {
        let why = "have a process with mounts of its own";
        spawn("child", birth, why, |_| live_inside(command))
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn live_inside(command: &[OsString]) -> Result<u8> {
    // STARTER: // The mounts in here are peers of those outside.
    // SOLUTION
    step("tie one way", || {
        let why = "let the outside's mounts come in, and none of ours go out";
        mount_change(Path::new("/"), MsFlags::MS_REC | MsFlags::MS_SLAVE, why)
    })?;
    // END SOLUTION
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
