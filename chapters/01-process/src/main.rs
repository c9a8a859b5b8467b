//! Chapter 1: what is a process, and who looks after it?
//!
//! A container is a process. Before it gets a world of its own it must be made, become the program
//! it is to be, and be taken leave of when it ends. Every container runtime does the four steps of
//! [`spawn`](spawning) and some in between; the rest of this file shows what happens to those who
//! leave one of them out.

mod leak;
mod orphan;
mod spawning;
mod zombie;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use primitives::{Form, Result, Status, WindowArgs};

/// Chapter 1: a container is a process.
///
/// Without a subcommand it makes a process, runs a small program in it and takes its exit status,
/// and shows each request to the kernel on the way. None of it needs root.
#[derive(Parser)]
#[command(name = "chapter1", version, subcommand_negates_reqs = true)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Make a process, run a program in it and pass its exit code on
    Spawn {
        /// Which request makes the process
        #[arg(long, value_enum, default_value = "clone3")]
        by: By,
        /// The program and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Make a process that ends, and look at it before and after its status is taken
    Zombie,
    /// Make a process whose parent ends first, and see who becomes its parent
    Orphan,
    /// Keep a file open and see whether a program that we run can read it
    Leak,
}

/// The two requests that make a process.
#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// The one of 1970: a copy of this process
    Fork,
    /// The one of 2019: a copy that says what it shares, and a descriptor for it
    Clone3,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    match topic {
        None => spawning::spawn(By::Clone3, &demonstration()),
        Some(Topic::Spawn { by, command }) => spawning::spawn(*by, command),
        Some(Topic::Zombie) => zombie::zombie(),
        Some(Topic::Orphan) => orphan::orphan(),
        Some(Topic::Leak) => leak::leak(),
    }
}

fn demonstration() -> Vec<OsString> {
    ["sh", "-c", "echo 'a process, and soon a container'"].map(OsString::from).to_vec()
}
