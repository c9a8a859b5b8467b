//! Exercise 11.3: A door from elsewhere (10 minutes)
//!
//! `CMD` runs in a network namespace that is connected to nothing, and answers at a port of this machine
//! nevertheless: its standard input is a socket that listens at 127.0.0.1, port `PORT`, *out here*. No
//! wire, no rule, nobody in between.
//!
//! Your program is started as `ex11_3 --port PORT -- CMD [ARGUMENT …]` and ends with the exit code of
//! `CMD`. The grader draws the port, and asks the kernel for the namespace of `CMD` and for who listens.
//!
//! hint: A socket belongs to the network namespace in which it was made, for ever. What is a process's
//!       own namespace at that moment?
//! hint: Make the door before the child; the child inherits it as any other descriptor.
//! hint: `tcp_listen` in `run`, and in the child `dup2(door.as_fd(), 0, …)` before the program.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Namespaces, Result, Signal, Status, ToParent, WindowArgs, become_program, dup2,
    spawn, step, step_giving, tcp_listen,
};

// SOLUTION
use std::os::fd::BorrowedFd;
// END SOLUTION

/// Runs CMD with a door to a network that it is not in.
#[derive(Parser)]
#[command(name = "ex11_3")]
struct Cli {
    /// The port of this machine
    #[arg(long)]
    port: u16,
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
    let namespaces = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNET;
    let birth = Birth { namespaces, cgroup: None };
    let why = "have a process with a network of its own";
    // STARTER: let child = step_giving("make a child", || {
    // STARTER:     spawn("child", birth, why, |parent| live(parent, cli))
    // STARTER: })?;
    // SOLUTION
    let door = step_giving("make a door", || {
        tcp_listen(SocketAddrV4::new(Ipv4Addr::LOCALHOST, cli.port), "be called from out here")
    })?;
    let child = step_giving("make a child", || {
        spawn("child", birth, why, |parent| live(parent, cli, door.as_fd()))
    })?;
    // END SOLUTION
    step_giving("take its status", || child.finish("pass its exit code on"))
}

// STARTER: fn live(parent: &ToParent, cli: &Cli) -> Result<u8> {
// SOLUTION
fn live(parent: &ToParent, cli: &Cli, door: BorrowedFd<'_>) -> Result<u8> {
    // END SOLUTION
    step("tie to the parent", || parent.tie(Signal::SIGKILL, "end when the parent ends"))?;
    // STARTER: // Who can call this one?
    // STARTER: let door = step_giving("make a door", || {
    // STARTER:     primitives::link_set_up("lo", "have the address")?;
    // STARTER:     tcp_listen(SocketAddrV4::new(Ipv4Addr::LOCALHOST, cli.port), "be called")
    // STARTER: })?;
    // STARTER: step("hand the door on", || dup2(door.as_fd(), 0, "let the program find it"))?;
    // SOLUTION
    step("hand the door on", || dup2(door, 0, "let the program find it"))?;
    // END SOLUTION
    step_giving("become the program", || become_program(&cli.command, "run what was asked for"))
}
