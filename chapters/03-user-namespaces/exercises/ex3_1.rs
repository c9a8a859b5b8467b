//! Exercise 3.1: Somebody in there (10 minutes)
//!
//! In a new user namespace a process is nobody until a map says who it is. Write a program that
//! runs `CMD` in a user namespace where you are user `ID`.
//!
//! - Make a child in a new user namespace.
//! - Map one user: `ID` in there is your own user out here. No group is mapped in this exercise.
//! - The child becomes `CMD` when the map is written and not before: a program that looks too early
//!   finds that it is nobody. This must hold on a busy machine too, so sleeping is no answer.
//!
//! Your program is started as `ex3_1 --inside ID -- CMD [ARGUMENT …]` and ends with the exit code
//! of `CMD`. The grader draws `ID`. In the trace it looks for what makes sure that the map comes
//! first, not for which came first this time. Its `CMD` waits, and meanwhile the grader looks at
//! `/proc/PID/uid_map` from outside.
//!
//! hint: A map is written into a file of the process that is in the new namespace. Which of the two
//!       processes can do that, and what does the other one do meanwhile?
//! hint: If the parent writes it, then the child must wait for the parent. Both ends of the line
//!       between them have a function for this: the closure's argument, and the `Child`.
//! hint: In the child `parent.wait(…)` before `become_program`; in the parent
//!       `write_uid_map(Some(child.pid()), &[IdMap::one(inside, own_ids().0)], …)`, then
//!       `child.release(…)`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Child, Form, Namespaces, Result, Status, ToParent, WindowArgs, become_program, spawn,
    step_giving,
};

// SOLUTION
use primitives::{IdMap, own_ids, step, write_uid_map};
// END SOLUTION

/// Runs CMD in a new user namespace, as one user.
#[derive(Parser)]
#[command(name = "ex3_1")]
struct Cli {
    /// The user that you shall be in there
    #[arg(long, value_name = "ID")]
    inside: u32,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| run(cli.inside, &cli.command))
}

fn run(inside: u32, command: &[OsString]) -> Result<Status> {
    // STARTER: // Nobody says who `inside` is.
    // STARTER: let _ = inside;
    // STARTER: let child = make(command)?;
    // SOLUTION
    let mut child = make(command)?;
    step("map the user", || {
        let map = [IdMap::one(inside, own_ids().0)];
        write_uid_map(Some(child.pid()), &map, "say who we are in there")
    })?;
    step("let it go on", || child.release("tell the child that it is somebody now"))?;
    // END SOLUTION
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn make(command: &[OsString]) -> Result<Child> {
    let birth = Birth { namespaces: Namespaces::CLONE_NEWUSER, cgroup: None };
    step_giving("make a child", || {
        let why = "have a process in a user namespace of which it is the master";
        spawn("child", birth, why, |parent| live_inside(parent, command))
    })
}

fn live_inside(parent: &ToParent, command: &[OsString]) -> Result<u8> {
    // STARTER: let _ = parent;
    // SOLUTION
    step("wait for the map", || parent.wait("not look who we are before it is said"))?;
    // END SOLUTION
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
