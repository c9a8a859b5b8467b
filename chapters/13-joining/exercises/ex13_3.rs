//! Exercise 13.3: In the same cgroup (10 minutes)
//!
//! The program below joins all namespaces of a process and runs `CMD` there. But a cgroup is no
//! namespace: what `CMD` uses counts for the cgroup of whoever started it, and the container's limits do
//! not hold for it. Change it so that `CMD` is in the cgroups of process `PID`.
//!
//! - `CMD` is there from its first moment on.
//! - Your program itself stays where it was.
//!
//! Your program is started as `ex13_3 PID -- CMD [ARGUMENT …]`, needs the right to write to the cgroup, and
//! ends with the exit code of `CMD`. In the code that you are given, `procs_of` finds the files. The
//! grader's process has its own view of files, in which `/sys/fs/cgroup` is empty. Meanwhile it
//! compares `/proc/PID/cgroup` of both, from outside.
//!
//! hint: A process moves when its number is written into `cgroup.procs`, and what it becomes afterwards
//!       is there as well. So it can move itself.
//! hint: Which of your processes does it, and when? After setns there is another root, and other rights.
//! hint: In the child, before it joins: `write_pid(file, getpid(), …)` for each of the files.

use std::ffi::OsString;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Error, Form, KINDS, Namespaces, Pid, Result, Status, WindowArgs, become_program,
    namespaces_of, pidfd_open, setns_of_process, spawn, step, step_giving,
};

// SOLUTION
use primitives::{getpid, write_pid};
// END SOLUTION

/// Runs CMD in the namespaces and the cgroups of another process.
#[derive(Parser)]
#[command(name = "ex13_3")]
struct Cli {
    /// The process that is joined
    #[arg(value_name = "PID")]
    pid: i32,
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
    let pid = Pid::from_raw(cli.pid);
    let unreadable = |e| Error::Unusable(format!("process {pid}: {e}"));
    let kinds = kinds_that_differ(pid).map_err(unreadable)?;
    let procs = procs_of(pid).map_err(unreadable)?;
    let child = step_giving("make a child", || {
        let why = "have somebody to join, while we stay and watch";
        spawn("child", Birth::default(), why, |_| live(pid, kinds, &procs, &cli.command))
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn live(pid: Pid, kinds: Namespaces, procs: &[PathBuf], command: &[OsString]) -> Result<u8> {
    // STARTER: let _ = procs;
    // SOLUTION
    step("enter its cgroups", || {
        procs.iter().try_for_each(|file| {
            write_pid(file.as_path(), getpid(), "have the same limits, while the files are there")
        })
    })?;
    // END SOLUTION
    step("join its namespaces", || {
        let target = pidfd_open(pid, "mean this process")?;
        setns_of_process(target.as_fd(), kinds, "see what it sees")
    })?;
    step_giving("become the program", || become_program(command, "run what was asked for"))
}

/// The `cgroup.procs` of each cgroup that a process is in and we are not.
fn procs_of(pid: Pid) -> std::io::Result<Vec<PathBuf>> {
    let theirs = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let ours = fs::read_to_string("/proc/self/cgroup")?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let differing = theirs.lines().filter(|line| !ours.lines().any(|other| other == *line));
    let file = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let is_it = |line: &&str| {
            let (_, about) = line.split_once(" - ").unwrap_or_default();
            let options: Vec<&str> =
                about.rsplit(' ').next().unwrap_or_default().split(',').collect();
            match controllers {
                "" => about.starts_with("cgroup2 "),
                names => {
                    about.starts_with("cgroup ") && names.split(',').all(|n| options.contains(&n))
                }
            }
        };
        let place = mounts.lines().find(is_it)?.split(' ').nth(4)?;
        Some(Path::new(place).join(path.trim_start_matches('/')).join("cgroup.procs"))
    };
    Ok(differing.filter_map(file).collect())
}

fn kinds_that_differ(pid: Pid) -> std::io::Result<Namespaces> {
    let (ours, theirs) = (namespaces_of(None)?, namespaces_of(Some(pid))?);
    let differs = |name: &str| theirs.iter().any(|it| it.name == name && !ours.contains(it));
    Ok(KINDS.iter().filter(|(name, _)| differs(name)).map(|(_, kind)| *kind).collect())
}
