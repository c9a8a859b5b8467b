//! Chapter 7: who are the processes in a container, and who looks after them?
//!
//! A pid namespace is a table of process numbers that begins again at 1. The first process in it has
//! the duties that pid 1 has on every Unix machine: it adopts orphans, it is not ended by signals that
//! it does not expect, and when it ends, all others end. Most programs do not know that they are pid 1;
//! so there is a program that is it for them, a few lines long: [`init`].

mod demonstration;
mod init;
mod map;
mod run;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use primitives::{Form, Pid, Result, Status, WindowArgs};

/// Chapter 7: trees of processes.
///
/// Without a subcommand it makes a process that is number 1 for itself and something else for
/// everybody out here. None of it needs root.
#[derive(Parser)]
#[command(name = "chapter7", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Make pid namespaces and look at them
    #[command(subcommand)]
    Pid(PidTopic),
}

#[derive(Subcommand)]
enum PidTopic {
    /// Run a program in a pid namespace of its own
    Run(Run),
    /// Be the init of a program: hand signals on to it, adopt orphans, end with its exit code
    Init {
        /// The program and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Show which numbers the processes in pid namespaces have, on each level
    Map {
        /// Only this process and its descendants
        #[arg(value_parser = map::pid)]
        pid: Option<Pid>,
    },
}

#[derive(Args, Clone, Debug, Default)]
struct Run {
    /// Have an init as process 1, and the program as process 2
    #[arg(long)]
    init: bool,
    /// Leave /proc as it is: it shows the processes out here
    #[arg(long)]
    no_proc: bool,
    /// Make a user namespace also where you are root
    #[arg(long)]
    user: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    match topic {
        None => demonstration::two_numbers(),
        Some(Topic::Pid(PidTopic::Run(wanted))) => run::run(wanted),
        Some(Topic::Pid(PidTopic::Init { command })) => init::init(command),
        Some(Topic::Pid(PidTopic::Map { pid })) => map::show(*pid),
    }
}
