//! Exercise 12.1: Whose turn is it? (15 minutes)
//!
//! A small runtime has three commands left: `start` sends SIGUSR1 to a process that waits, `kill` sends
//! SIGTERM, `delete` removes the folder. Each is right in some states of a container and wrong in
//! others, and what is wrong must change nothing. The state is written nowhere: ask the kernel.
//!
//! - A container whose process waits, and is a part of its runtime still, is *created*. One whose
//!   process has become another program is *running*. One whose process has ended is *stopped*.
//! - `start` wants created, `kill` wants created or running, `delete` wants stopped.
//! - A number that was given to another process since is not the container's: then it is stopped.
//!
//! Your program is started as `ex12_1 VERB --pid N --started TICKS --folder DIR`. `TICKS` is when the
//! process was made, as `/proc/PID/stat` has it in field 22. It ends with 0 when it has done something,
//! and with another code when it was not its turn. The grader makes the processes, and draws them.
//!
//! hint: Which two questions can be asked about a process? `started_and_ended` answers one, and
//!       `has_become_another` the other.
//! hint: First: is it there, has it not ended, and is its start the one that was written down? If not,
//!       the container is stopped, whatever that number is now.
//! hint: `match has_become_another(pid) { Some(true) => Status::Running, Some(false) => Status::Created,
//!       None => Status::Stopped }`, behind `matches!(started_and_ended(pid), Some((at, false)) if at
//!       == started)`.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use primitives::{
    Error, Form, Pid, Result, Signal, Status as Ended, WindowArgs, pidfd_open, pidfd_send_signal,
    rmdir, step,
};

// SOLUTION
use primitives::{has_become_another, started_and_ended};
// END SOLUTION

/// Does a command on a container, if it is its turn.
#[derive(Parser)]
#[command(name = "ex12_1")]
struct Cli {
    /// What to do
    verb: Verb,
    /// The first process of the container
    #[arg(long)]
    pid: i32,
    /// When it was made
    #[arg(long)]
    started: u64,
    /// What is remembered of the container
    #[arg(long)]
    folder: PathBuf,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verb {
    Start,
    Kill,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Created,
    Running,
    Stopped,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, run)
}

fn run(cli: &Cli) -> Result<Ended> {
    let pid = Pid::from_raw(cli.pid);
    let status = status(pid, cli.started);
    if !may(cli.verb, status) {
        return Err(Error::Unusable(format!("the container is {status:?}")));
    }
    match cli.verb {
        Verb::Start => step("start it", || signal(pid, Signal::SIGUSR1))?,
        Verb::Kill => step("kill it", || signal(pid, Signal::SIGTERM))?,
        Verb::Delete => step("forget it", || rmdir(cli.folder.as_path(), "give its name free"))?,
    }
    Ok(Ended::Exited(0))
}

fn signal(pid: Pid, signal: Signal) -> Result<()> {
    let pidfd = pidfd_open(pid, "hold whoever has this number now")?;
    pidfd_send_signal(pidfd.as_fd(), signal, "reach the container")
}

// STARTER: /// As a file would have it that nobody has changed since.
// STARTER: fn status(_pid: Pid, _started: u64) -> Status {
// STARTER:     [Status::Created, Status::Running, Status::Stopped][0]
// STARTER: }
// SOLUTION
fn status(pid: Pid, started: u64) -> Status {
    let lives = matches!(started_and_ended(pid), Some((at, false)) if at == started);
    match has_become_another(pid).filter(|_| lives) {
        Some(true) => Status::Running,
        Some(false) => Status::Created,
        None => Status::Stopped,
    }
}
// END SOLUTION

// STARTER: fn may(_verb: Verb, _status: Status) -> bool {
// STARTER:     true
// STARTER: }
// SOLUTION
fn may(verb: Verb, status: Status) -> bool {
    match verb {
        Verb::Start => status == Status::Created,
        Verb::Kill => status != Status::Stopped,
        Verb::Delete => status == Status::Stopped,
    }
}
// END SOLUTION
