//! Exercise 4.3: Look, do not touch (10 minutes)
//!
//! `docker run -v FROM:TO:ro` shows a directory of the host to a program that must not change it.
//! Write a program that runs `CMD` where `FROM` is seen at `TO` as well, and read-only there.
//!
//! - Make `FROM` visible at `TO`, by a bind mount.
//! - Make that mount read-only, and only that one: at `FROM` one can write as before.
//! - Run `CMD`.
//!
//! Your program is started as `ex4_3 --from FROM --to TO -- CMD [ARGUMENT …]`, in a mount namespace
//! that is made for the purpose, and ends with the exit code of `CMD`. The grader draws the paths.
//! Its `CMD` waits, and meanwhile the grader reads `/proc/PID/mountinfo` from outside.
//!
//! hint: mount(2) says that a bind mount ignores all flags but MS_REC, and takes over the options of
//!       the mount that it copies. So it cannot be done in one call.
//! hint: The second request changes the mount that is there already. At which of the two places?
//! hint: `mount_bind(from, to, …)`, and then `mount_remount(to, MsFlags::MS_RDONLY, …)`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Result, Status, WindowArgs, become_program, spawn, step, step_giving,
};

// SOLUTION
use primitives::{MsFlags, mount_bind, mount_remount};
// END SOLUTION

/// Runs CMD where a directory is seen at a second place, read-only.
#[derive(Parser)]
#[command(name = "ex4_3")]
struct Cli {
    /// The directory
    #[arg(long, value_name = "FROM")]
    from: PathBuf,
    /// Where it is to be seen too
    #[arg(long, value_name = "TO")]
    to: PathBuf,
    /// The program and its arguments
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
        let why = "have a process that can become another program";
        spawn("child", Birth::default(), why, |_| {
            step("show it read-only", || show_read_only(&cli.from, &cli.to))?;
            let why = "run what was asked for";
            step_giving("become the program", || become_program(&cli.command, why))
        })
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn show_read_only(from: &Path, to: &Path) -> Result<()> {
    // STARTER: // Two requests are missing.
    // STARTER: let _ = (from, to);
    // STARTER: Ok(())
    // SOLUTION
    mount_bind(from, to, "see the same files at a second place")?;
    mount_remount(to, MsFlags::MS_RDONLY, "refuse to write by way of that place")
    // END SOLUTION
}
