//! Exercise 11.1: A device that is off (10 minutes)
//!
//! In a new network namespace there is one device, `lo`, and it is off: a program there cannot even
//! reach itself. Your program runs `CMD` in a network namespace of its own in which `lo` is on. Ask for it
//! by a message, as `ip` does, and not by the older ioctl.
//!
//! It needs no root: who makes a user namespace together with the network namespace has all power over
//! that one.
//!
//! Your program is started as `ex11_1 -- CMD [ARGUMENT …]` and ends with the exit code of `CMD`. The
//! grader asks the kernel which addresses are alive in the network namespace of `CMD`.
//!
//! hint: A user and a network namespace come from one request, `spawn` with two kinds in its `Birth`.
//! hint: `lo` gets its address, 127.0.0.1, by itself, when it is switched on.
//! hint: In the child, before the program: `link_set_up("lo", …)`. The ioctl is called `set_link_up`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Namespaces, Result, Signal, Status, ToParent, WindowArgs, become_program, spawn,
    step, step_giving,
};

// SOLUTION
use primitives::link_set_up;
// END SOLUTION

/// Runs CMD in a network of its own, where it can reach itself.
#[derive(Parser)]
#[command(name = "ex11_1")]
struct Cli {
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
    // STARTER: // It is in no namespace of its own.
    // STARTER: let namespaces = Namespaces::empty();
    // SOLUTION
    let namespaces = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNET;
    // END SOLUTION
    let child = step_giving("make a child", || {
        let why = "have a process with a network of its own";
        spawn("child", Birth { namespaces, cgroup: None }, why, |parent| live(parent, cli))
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn live(parent: &ToParent, cli: &Cli) -> Result<u8> {
    step("tie to the parent", || parent.tie(Signal::SIGKILL, "end when the parent ends"))?;
    // SOLUTION
    step("switch lo on", || link_set_up("lo", "let it reach itself"))?;
    // END SOLUTION
    step_giving("become the program", || become_program(&cli.command, "run what was asked for"))
}
