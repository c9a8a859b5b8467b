//! Exercise 7.2: Die with the parent (10 minutes)
//!
//! Your program runs `CMD` in a pid namespace of its own, with a process of yours as number 1. Then
//! somebody kills your program with SIGKILL, which nobody can handle. Now `CMD` goes on without you, and
//! nobody knows whose it is. Change the program so that everybody it has made ends with it.
//!
//! - One request in one process is enough. Find out in which, and why it need not be in all of them.
//! - Make it before `CMD` starts, so that there is no moment in which `CMD` could be left behind.
//!
//! Your program is started as `ex7_2 -- CMD [ARGUMENT …]`. The grader kills it while `CMD` waits, and
//! looks a moment later who is still there. In a second run it lets `CMD` end by itself.
//!
//! hint: A process can ask for a signal for the case that its parent ends. `chapter1 spawn` does.
//! hint: What happens to the processes in a pid namespace when its first process ends?
//! hint: In the closure of `init` call `parent.tie(Signal::SIGKILL, …)` before anything else. It asks,
//!       and then looks whether the parent is still there.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Namespaces, Result, Status, ToParent, WindowArgs, become_program, spawn,
    step_giving,
};

// SOLUTION
use primitives::{Signal, step};
// END SOLUTION

/// Runs CMD in a pid namespace that does not outlive this program.
#[derive(Parser)]
#[command(name = "ex7_2")]
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
    let namespaces = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWPID;
    let init = step_giving("make the first process", || {
        let why = "have a process that is number 1 in its pid namespace";
        spawn("init", Birth { namespaces, cgroup: None }, why, |parent| be_init(parent, command))
    })?;
    step_giving("take its status", || init.finish("pass its exit code on"))
}

fn be_init(parent: &ToParent, command: &[OsString]) -> Result<u8> {
    // STARTER: // What becomes of this process when its parent is killed?
    // STARTER: let _ = parent;
    // SOLUTION
    step("tie to the parent", || {
        let why = "end, and all others in here with it, when its parent ends";
        parent.tie(Signal::SIGKILL, why)
    })?;
    // END SOLUTION
    let program = step_giving("start the program", || {
        let why = "run it as any process, without the duties of process 1";
        spawn("program", Birth::default(), why, |init| be_the_program(init, command))
    })?;
    let status = step_giving("look after it", || program.finish("hear how it ended"))?;
    Ok(status.code())
}

fn be_the_program(_: &ToParent, command: &[OsString]) -> Result<u8> {
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
