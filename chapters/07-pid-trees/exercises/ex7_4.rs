//! Exercise 7.4: Hand signals on (15 minutes)
//!
//! Whoever wants to tell a container something sends a signal to its process 1. The program below has
//! an init that sweeps up, as in exercise 7.1, but a signal never gets past it: as process 1 it has no
//! default actions, so the kernel drops what it has no handler for. Change it so that signals reach `CMD`.
//!
//! - Hand on at least SIGUSR1, SIGUSR2, SIGALRM and SIGWINCH.
//! - Still take the status of everybody who ends, and end with the exit code of `CMD`.
//! - `CMD` must not find any signal blocked: it did not ask for that.
//!
//! Your program is started as `ex7_4 -- CMD [ARGUMENT …]`. The grader draws a signal at random and sends
//! it to your process 1 from outside. It looks at `SigBlk` in `/proc/PID/status` of `CMD` and at the
//! exit code, which depends on whether `CMD` was told.
//!
//! hint: A process can hold signals back and take them one by one when it likes. That a child has ended
//!       is a signal too, so there is only one thing to wait for.
//! hint: `block_signals`, then in a loop `wait_for_signal`. At SIGCHLD take statuses with
//!       `wait_any_ended` until there are none; at any other one, `kill` the program with it.
//! hint: What is blocked stays blocked in a child and through `execve`. In the closure of `program`
//!       call `unblock_signals` with the same list, right before it becomes `CMD`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Namespaces, Pid, Result, Status, ToParent, WindowArgs, become_program, spawn,
    step_giving,
};

// STARTER: use primitives::wait_any;
// SOLUTION
use primitives::{
    Signal, block_signals, kill, step, unblock_signals, wait_any_ended, wait_for_signal,
};

const HELD: [Signal; 5] =
    [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGALRM, Signal::SIGWINCH, Signal::SIGCHLD];
// END SOLUTION

/// Runs CMD in a pid namespace, with an init that hands signals on.
#[derive(Parser)]
#[command(name = "ex7_4")]
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
    // SOLUTION
    step("hold signals back", || block_signals(&HELD, "take them one by one"))?;
    // END SOLUTION
    let mut program = step_giving("start the program", || {
        let why = "run it as any process, without the duties of process 1";
        spawn("program", Birth::default(), why, |parent| be_the_program(parent, command))
    })?;
    program.watch_it_go()?;
    let status = step_giving("look after it", || serve(program.pid()))?;
    program.let_go();
    Ok(status.code())
}

// STARTER: /// Waits until the program ends. What if a signal comes meanwhile?
// STARTER: fn serve(program: Pid) -> Result<Status> {
// STARTER:     loop {
// STARTER:         let ended = wait_any("let the kernel forget whoever has ended")?;
// STARTER:         if ended.pid == program {
// STARTER:             return Ok(ended.status);
// STARTER:         }
// STARTER:     }
// STARTER: }
// SOLUTION
fn serve(program: Pid) -> Result<Status> {
    loop {
        match wait_for_signal(&HELD, "sleep until there is something to do")? {
            Signal::SIGCHLD => {
                while let Some(ended) = wait_any_ended("let the kernel forget who has ended")? {
                    if ended.pid == program {
                        return Ok(ended.status);
                    }
                }
            }
            signal => kill(program, signal, "reach whom it was meant for")?,
        }
    }
}
// END SOLUTION

fn be_the_program(_: &ToParent, command: &[OsString]) -> Result<u8> {
    // SOLUTION
    step("let signals through", || unblock_signals(&HELD, "have them arrive as expected"))?;
    // END SOLUTION
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
