//! Exercise 8.3: The last one turns off the light (12 minutes)
//!
//! `CMD` ends, but something that it has started goes on for a while. Removing the cgroup now fails with
//! `EBUSY`. Wait until it is empty: the kernel writes `populated 0` into `cgroup.events` when the last
//! process of a cgroup, and of all cgroups below it, has ended.
//!
//! - Everything but the waiting is there.
//! - Nobody may be killed: what `CMD` has started shall finish its work.
//! - Sleeping for a fixed time is no answer, and waiting for children is none either: they are not yours.
//!
//! Your program is started as `ex8_3 --cgroup DIR -- CMD [ARGUMENT …]` and ends with the exit code of
//! `CMD`, after everything is over. The grader draws how long that takes.
//!
//! hint: Which file says whether somebody is in a cgroup? Read it, and look again later.
//! hint: `read_small` reads a small file, and reading changes nothing. Between two looks sleep for a
//!       millisecond. (The kernel could wake you instead: poll(2) with POLLPRI.)
//! hint: `while read_small(&cgroup.join("cgroup.events")).is_ok_and(|text| text.contains("populated 1"))
//!       { sleep(Duration::from_millis(1)); }`

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Child, Form, Result, Status, WindowArgs, become_program, mkdir, open_path, rmdir, spawn,
    step, step_giving,
};

// SOLUTION
use primitives::read_small;
use std::thread::sleep;
use std::time::Duration;
// END SOLUTION

/// Runs CMD in a new cgroup, and waits until the cgroup is empty.
#[derive(Parser)]
#[command(name = "ex8_3")]
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
    // STARTER: // Somebody may still be in there.
    // SOLUTION
    let events = cgroup.join("cgroup.events");
    while read_small(&events).is_ok_and(|text| text.contains("populated 1")) {
        sleep(Duration::from_millis(1));
    }
    // END SOLUTION
    step("remove the cgroup", || rmdir(cgroup, "leave nothing behind"))?;
    Ok(status)
}

fn make(cgroup: &Path, command: &[OsString]) -> Result<Child> {
    let directory = open_path(cgroup, "name it to clone3")?;
    let birth = Birth { cgroup: Some(directory.as_fd()), ..Birth::default() };
    spawn("child", birth, "have a process that becomes CMD", |_| {
        step_giving("become the program", || become_program(command, "run what was asked for"))
    })
}
