//! Exercise 1.4: A clean environment (10 minutes)
//!
//! A program inherits every environment variable of whoever started it: passwords and tokens too. A
//! container gets only the variables that its configuration lists. Change the program below so that
//! `CMD` has the variables that are given by `--env`, and no other one.
//!
//! Your program is started as `ex1_4 [--env NAME=VALUE]… -- CMD [ARGUMENT …]`, with `CMD` as an
//! absolute path. It ends with the exit code of `CMD`. The grader draws the variables at random,
//! those that you are given and those that you must not hand on. Its `CMD` waits, and meanwhile the
//! grader looks at `/proc/PID/environ` of it from outside.
//!
//! hint: Nothing needs to be removed from the environment. One request says which environment the
//!       next program has; which one is it?
//! hint: `become_program` takes the environment of this process along. Look at how it is written,
//!       in `runtime/primitives/src/program.rs`: the function it calls can do more than it uses.
//! hint: `match execve(Path::new(&command[0]), command, environment, …)? {}` with the variables as
//!       they were given. The empty `match` says that a successful `execve` never returns.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{Birth, Form, Result, Status, WindowArgs, spawn, step_giving};

// STARTER: use primitives::become_program;
// SOLUTION
use std::path::Path;

use primitives::execve;
// END SOLUTION

/// Runs CMD with the given environment variables and no other ones.
#[derive(Parser)]
#[command(name = "ex1_4")]
struct Cli {
    /// A variable that CMD shall have; may be given several times
    #[arg(long = "env", value_name = "NAME=VALUE")]
    environment: Vec<OsString>,
    /// The program, as an absolute path, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(
        Form::Pretty,
        |cli: &Cli| &cli.window,
        |cli| run(&cli.environment, &cli.command),
    )
}

fn run(environment: &[OsString], command: &[OsString]) -> Result<Status> {
    let child = step_giving("make a child", || {
        let why = "have a process that can become another program";
        spawn("child", Birth::default(), why, |_| become_it(environment, command))
    })?;
    step_giving("take its status", || child.finish("learn how it ended and tell whoever asked"))
}

fn become_it(environment: &[OsString], command: &[OsString]) -> Result<u8> {
    // STARTER: // Which environment does the program get here?
    // STARTER: let _ = environment;
    // STARTER: step_giving("become the program", || {
    // STARTER:     become_program(command, "run what was asked for")
    // STARTER: })
    // SOLUTION
    step_giving("become the program", || {
        let why = "run what was asked for, with the variables it was given";
        match execve(Path::new(&command[0]), command, environment, why)? {}
    })
    // END SOLUTION
}
