//! Exercise 12.2: The start gate (15 minutes)
//!
//! `create` makes a process and ends. The process waits, with nobody who watches over it, until
//! `start`, which is another program and perhaps runs tomorrow, lets it go on as `CMD`. Both commands
//! are there; the process does not wait yet.
//!
//! - When `create` has ended, its process is there, and `CMD` does not run.
//! - `start` makes it run `CMD`, and succeeds only then.
//!
//! Your program is started as `ex12_2 create --folder DIR -- CMD [ARGUMENT …]`, and then as `ex12_2 start
//! --folder DIR`. The grader looks at the process in between, and its `CMD` says that it is there.
//!
//! hint: Two things end the process when `create` ends: it is tied to it, and it waits for nothing. Which
//!       request ties it, and which one takes that back?
//! hint: `Door::wait` waits until somebody has knocked and said "go on", and gives back the one who did.
//!       That is the new parent, and an error is told to it.
//! hint: `prctl_clear_pdeathsig(…)` before `parent.arrive(READY, …)`, then `parent.wait(…)`, and then
//!       `let starter = door.wait()?;`.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use primitives::{
    Birth, Child, Door, Error, Form, Pid, Result, Signal, Status, ToParent, WindowArgs,
    become_program, create, open_path, spawn, step_giving,
};

// SOLUTION
use primitives::prctl_clear_pdeathsig;
// END SOLUTION

const READY: &str = "ready";
const DOOR: &str = "door";

/// Makes a process that waits, and lets it go on.
#[derive(Parser)]
#[command(name = "ex12_2")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Verb {
    /// Make a process that will be CMD
    Create {
        /// A directory for the door and the number of the process
        #[arg(long)]
        folder: PathBuf,
        /// The program and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Let it be CMD
    Start {
        /// The same directory
        #[arg(long)]
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    primitives::run(
        Form::Pretty,
        |cli: &Cli| &cli.window,
        |cli| match &cli.verb {
            Verb::Create { folder, command } => make(folder, command),
            Verb::Start { folder } => start(folder),
        },
    )
}

fn make(folder: &Path, command: &[OsString]) -> Result<Status> {
    let door = step_giving("lay the door", || {
        let directory = open_path(folder, "name the door by a short path")?;
        Door::lay(directory.as_fd(), DOOR, "let somebody else say when")
    })?;
    let mut init = step_giving("make the process", || {
        let why = "have a process that becomes CMD";
        spawn("init", Birth::default(), why, |parent| live(parent, door, command))
    })?;
    step_giving("write down who it is", || {
        let number = init.pid().to_string();
        create(&folder.join("pid"), number.as_bytes(), 0o600, "be found by start")
    })?;
    step_giving("wait until it is ready", || init.meet(READY, "not end before it is"))?;
    step_giving("let it wait", || init.release("have it outlive this command"))?;
    init.let_go();
    Ok(Status::Exited(0))
}

// STARTER: fn live(parent: &ToParent, _door: Door, command: &[OsString]) -> Result<u8> {
// SOLUTION
fn live(parent: &ToParent, door: Door, command: &[OsString]) -> Result<u8> {
    // END SOLUTION
    step_giving("tie to the parent", || parent.tie(Signal::SIGKILL, "never be left half-made"))?;
    // STARTER: step_giving("say that all is ready", || parent.arrive(READY, "be written down"))?;
    // STARTER: step_giving("become the program", || become_program(command, "run what was asked for"))
    // SOLUTION
    step_giving("live on without the command", || {
        prctl_clear_pdeathsig("outlive the command that made it")
    })?;
    step_giving("say that all is ready", || {
        parent.arrive(READY, "be written down")?;
        parent.wait("not be let go before that")
    })?;
    let starter = door.wait()?;
    let result =
        step_giving("become the program", || become_program(command, "run what was asked for"));
    if let Err(error) = &result {
        starter.give_up(error);
    }
    result
    // END SOLUTION
}

fn start(folder: &Path) -> Result<Status> {
    let pid = std::fs::read_to_string(folder.join("pid")).ok();
    let pid = pid.and_then(|text| text.parse().ok()).map(Pid::from_raw);
    let pid = pid.ok_or_else(|| Error::Unusable("nobody was written down".to_string()))?;
    let mut init = step_giving("knock at the door", || {
        let directory = open_path(folder, "name the door by a short path")?;
        Child::knock(directory.as_fd(), DOOR, "init", pid, "be to it what its parent was")
    })?;
    step_giving("let it begin", || init.release("have it run its program"))?;
    init.watch_it_become_another()?;
    Ok(Status::Exited(0))
}
