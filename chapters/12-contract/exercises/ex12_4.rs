//! Exercise 12.4: Delete twice (12 minutes)
//!
//! `delete` can be killed, as every command can. What it leaves must be enough for the next `delete`, and
//! that one must not stumble over what is gone. Here it works only if all is there, and only once.
//!
//! - The process of the container is ended with SIGKILL, if it is there and is the one that was written
//!   down, and it is dead before anything is removed.
//! - The files `door`, `config.json` and `state.json` are removed, those that are there, and then the
//!   folder. `state.json` goes last: without it nobody knows any more that there is a process.
//! - What is gone is no error. With no folder there is nothing to do, and that is done.
//!
//! Your program is started as `ex12_4 --pid N --started TICKS --folder DIR`. The grader draws which of the
//! files are there, gives a number to another process, calls you twice, and kills you in place of each of
//! your requests.
//!
//! hint: Ask before you remove. Whose number is it, and is the file there?
//! hint: A file is there when `path.symlink_metadata()` is; a process is there, and is the one, when
//!       `started_and_ended(pid)` says `Some((started, false))` with the start that was written down.
//! hint: Three things are missing in the starter: `if !folder.is_dir() { return … }`, a look before `kill`
//!       and one before each `unlink`, and the order of the names.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use clap::Parser;
use primitives::{
    Form, Pid, Result, Signal, Status, WindowArgs, kill, rmdir, started_and_ended, step_giving,
    unlink,
};

/// Takes a container away.
#[derive(Parser)]
#[command(name = "ex12_4")]
struct Cli {
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

fn main() -> ExitCode {
    primitives::run(
        Form::Pretty,
        |cli: &Cli| &cli.window,
        |cli| {
            delete(Pid::from_raw(cli.pid), cli.started, &cli.folder)?;
            Ok(Status::Exited(0))
        },
    )
}

fn delete(pid: Pid, started: u64, folder: &Path) -> Result<()> {
    // SOLUTION
    if !folder.is_dir() {
        return Ok(());
    }
    // END SOLUTION
    // STARTER: step_giving("end its process", || kill(pid, Signal::SIGKILL, "end it, and all in there"))?;
    // SOLUTION
    if lives(pid, started) {
        step_giving("end its process", || kill(pid, Signal::SIGKILL, "end it, and all in there"))?;
    }
    // END SOLUTION
    while lives(pid, started) {
        sleep(Duration::from_millis(1));
    }
    step_giving("forget it", || forget(folder))
}

fn lives(pid: Pid, started: u64) -> bool {
    matches!(started_and_ended(pid), Some((at, false)) if at == started)
}

fn forget(folder: &Path) -> Result<()> {
    // STARTER: for name in ["state.json", "config.json", "door"] {
    // STARTER:     unlink(&folder.join(name), "forget it")?;
    // STARTER: }
    // SOLUTION
    for name in ["door", "config.json", "state.json"] {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            unlink(&path, "forget it")?;
        }
    }
    // END SOLUTION
    rmdir(folder, "give its name free")
}
