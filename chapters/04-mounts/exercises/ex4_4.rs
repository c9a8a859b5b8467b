//! Exercise 4.4: Leave by the open door (10 minutes)
//!
//! Your program locks itself into a directory by `chroot`, as a careful server does. But it was
//! careless before: it has a directory of the outside open. Leave the jail by it, and run `CMD`,
//! which is a program of the outside.
//!
//! - Open a directory that lies outside, before the jail is closed.
//! - The lines that lock it in are there already; they stay as they are.
//! - Walk out, and take the root of the outside back, so that `CMD` finds its files.
//!
//! Your program is started as `ex4_4 --jail DIR -- CMD [ARGUMENT …]`, in a user namespace and a
//! mount namespace that are made for the purpose, and ends with the exit code of `CMD`. In the trace
//! the grader looks whether you were locked in first; then it asks the kernel for the root of `CMD`.
//!
//! hint: The root matters when a path is walked. Which request goes to a directory without walking a
//!       path?
//! hint: Open `/` by `open_path` before the chroot and keep the descriptor; go there by `fchdir`.
//!       Where are you then, and where do absolute paths begin?
//! hint: `fchdir(outside.as_fd(), …)` and then `chroot(Path::new("."), …)`; for `as_fd` the trait
//!       `std::os::fd::AsFd` must be in scope.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Result, Status, WindowArgs, become_program, chdir, chroot, spawn, step_giving,
};

// SOLUTION
use primitives::{fchdir, open_path, step};
use std::os::fd::AsFd;
// END SOLUTION

/// Is locked into a directory, leaves it, and runs CMD.
#[derive(Parser)]
#[command(name = "ex4_4")]
struct Cli {
    /// The directory that is the jail
    #[arg(long, value_name = "DIR")]
    jail: PathBuf,
    /// A program of the outside and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, run)
}

fn run(cli: &Cli) -> Result<Status> {
    let child = step_giving("make a child", || {
        let why = "have a process that can be locked in";
        spawn("child", Birth::default(), why, |_| escape(cli))
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn escape(cli: &Cli) -> Result<u8> {
    // STARTER: // Nothing of the outside is open.
    // SOLUTION
    let outside = step_giving("open a directory", || {
        open_path(Path::new("/"), "have a hold on the outside")
    })?;
    // END SOLUTION
    step_giving("lock it in", || {
        chroot(&cli.jail, "let absolute paths begin in the jail")?;
        chdir(Path::new("/"), "let relative paths begin in the jail")
    })?;
    // SOLUTION
    step("walk out", || {
        fchdir(outside.as_fd(), "stand outside without walking a path")?;
        chroot(Path::new("."), "let absolute paths begin out here again")
    })?;
    // END SOLUTION
    step_giving("become the program", || become_program(&cli.command, "run it out there"))
}
