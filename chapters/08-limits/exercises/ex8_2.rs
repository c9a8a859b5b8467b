//! Exercise 8.2: Born in it (10 minutes)
//!
//! In cgroup v2 a process can be born in a cgroup: there is no moment in which it is anywhere else, and
//! nobody has to be moved.
//!
//! - Make the cgroup: the directory `DIR`, in the hierarchy of v2.
//! - Make the child *in* it. Nothing may be written into `cgroup.procs`.
//! - Take the exit status, and remove the cgroup.
//!
//! Your program is started as `ex8_2 --cgroup DIR -- CMD [ARGUMENT …]` and ends with the exit code of
//! `CMD`. The grader draws the name, looks for `CMD` in the cgroup while it waits, and for a
//! write that moved somebody in the trace.
//!
//! hint: `Birth` has two fields. The second one wants a descriptor of a directory.
//! hint: `open_path` opens a directory as a handle.
//! hint: `let directory = open_path(cgroup, …)?`, then
//!       `Birth { cgroup: Some(directory.as_fd()), ..Birth::default() }`, with `std::os::fd::AsFd`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Child, Form, Result, Status, WindowArgs, become_program, mkdir, rmdir, spawn, step,
    step_giving,
};

// SOLUTION
use primitives::open_path;
use std::os::fd::AsFd;
// END SOLUTION

/// Runs CMD in a new cgroup, in which it is born.
#[derive(Parser)]
#[command(name = "ex8_2")]
struct Cli {
    /// The directory of the cgroup, which is not there yet
    #[arg(long, value_name = "DIR")]
    cgroup: PathBuf,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| run(&cli.cgroup, &cli.command))
}

fn run(cgroup: &Path, command: &[OsString]) -> Result<Status> {
    step("make the cgroup", || mkdir(cgroup, 0o755, "have a place to be born in"))?;
    let child = step_giving("make a child", || make(cgroup, command))?;
    let status = step_giving("take its status", || child.finish("pass its exit code on"))?;
    step("remove the cgroup", || rmdir(cgroup, "leave nothing behind"))?;
    Ok(status)
}

fn make(cgroup: &Path, command: &[OsString]) -> Result<Child> {
    // STARTER: // It is born where its parent is.
    // STARTER: let _ = cgroup;
    // STARTER: let birth = Birth::default();
    // SOLUTION
    let directory = open_path(cgroup, "name it to clone3")?;
    let birth = Birth { cgroup: Some(directory.as_fd()), ..Birth::default() };
    // END SOLUTION
    spawn("child", birth, "have a process that becomes CMD", |_| {
        step_giving("become the program", || become_program(command, "run what was asked for"))
    })
}
