//! Exercise 7.1: Sweep up (15 minutes)
//!
//! Your program runs `CMD` in a pid namespace of its own, and a process of yours is number 1 in it.
//! When a process in there loses its parent, yours becomes the parent. Now it waits for `CMD` alone,
//! so everybody else stays a zombie until the end. Change it so that whoever ends is forgotten at once.
//!
//! - Take the status of every child, also of those that you have not made, while `CMD` runs.
//! - When `CMD` ends, end with its exit code. Who is still there then ends with the namespace.
//!
//! Your program is started as `ex7_1 -- CMD [ARGUMENT …]`. Its `CMD` makes a random number of orphans,
//! some hundreds, and then waits. Meanwhile the grader counts zombies from outside, by the state that
//! `/proc/PID/stat` shows, and reads in the trace whose statuses were taken.
//!
//! hint: `finish` waits for one process. Which primitive waits for any child, whichever ends first?
//! hint: It tells which process has ended. There are two cases: it was `CMD`, or it was not.
//! hint: `loop { let ended = wait_any(…)?; if ended.pid == program.pid() { … } }`. Before you return,
//!       call `program.let_go()`: its status is taken, and dropping the `Child` would take it again.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Namespaces, Result, Status, ToParent, WindowArgs, become_program, spawn,
    step_giving,
};

// SOLUTION
use primitives::wait_any;
// END SOLUTION

/// Runs CMD in a pid namespace, with an init that sweeps up.
#[derive(Parser)]
#[command(name = "ex7_1")]
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
        spawn("init", Birth { namespaces, cgroup: None }, why, |_| be_init(command))
    })?;
    step_giving("take its status", || init.finish("pass its exit code on"))
}

fn be_init(command: &[OsString]) -> Result<u8> {
    let mut program = step_giving("start the program", || {
        let why = "run it as any process, without the duties of process 1";
        spawn("program", Birth::default(), why, |parent| be_the_program(parent, command))
    })?;
    // Until it is CMD; then there is nobody left to listen to.
    program.watch_it_go()?;
    // STARTER: // Whose status is taken here, and whose is not?
    // STARTER: let status = step_giving("look after it", || program.finish("hear how it ended"))?;
    // STARTER: Ok(status.code())
    // SOLUTION
    step_giving("look after it", || {
        loop {
            let ended = wait_any("let the kernel forget whoever has ended")?;
            if ended.pid == program.pid() {
                program.let_go();
                return Ok(ended.status.code());
            }
        }
    })
    // END SOLUTION
}

fn be_the_program(_: &ToParent, command: &[OsString]) -> Result<u8> {
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
