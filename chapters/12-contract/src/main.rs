//! Chapter 12: who asks for a container, and in which words?
//!
//! Not you. You ask an engine, the engine asks a runtime, and what the two say to each other is a
//! contract: a directory with a file `config.json` in it, and five commands. Each of them is a process
//! that ends at once, and the container lives on between them. What it takes for that is all here: a
//! door to wait behind, a file that says enough to find the container again, and a kernel to be asked
//! for the rest.
//!
//! How a root is built and how rights are given up was the matter of other chapters. Those parts come
//! from the runtime's own crates, `bundle` and `container`: to put them together is the idea.

mod create;
mod cwd;
mod delete;
mod demonstration;
mod hooks;
mod init;
mod kill;
mod opening;
mod plan;
mod spec;
mod start;
mod state;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use primitives::{Error, Form, Result, Signal, Status, WindowArgs};

use crate::create::{Guard, Wanted};
use crate::store::{Id, Store};

/// Chapter 12: the contract.
///
/// Without a subcommand it leads one container through its whole life, one process for each command.
/// None of it needs root.
#[derive(Parser)]
#[command(name = "chapter12", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// A small runtime that keeps to the contract
    Oci {
        #[command(subcommand)]
        command: Oci,
        /// Where containers are remembered [default: below /run or $XDG_RUNTIME_DIR, else /tmp]
        #[arg(long, value_name = "DIR", global = true)]
        root: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum Oci {
    /// Write a config.json to begin with
    Spec {
        #[command(flatten)]
        bundle: Bundle,
        /// With a hook at each moment, which says what it is told
        #[arg(long)]
        hooks: bool,
        /// The program of the container and its arguments [default: sleep 1000]
        #[arg(last = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// Say what a bundle asks for, and do none of it
    Plan {
        #[command(flatten)]
        bundle: Bundle,
    },
    /// Make a container, which then waits to be started
    Create {
        #[command(flatten)]
        bundle: Bundle,
        /// Leave out the defences of this chapter, to see what they are there for
        #[arg(long)]
        unguarded: bool,
        /// The name of the container
        id: Id,
    },
    /// Let a container run that waits
    Start {
        /// The name of the container
        id: Id,
    },
    /// Ask the kernel how a container is, and print the answer as JSON
    State {
        /// The name of the container
        id: Id,
    },
    /// Send a signal to the first process of a container
    Kill {
        /// The name of the container
        id: Id,
        /// The signal: TERM, SIGKILL
        #[arg(default_value = "SIGTERM", value_parser = signal)]
        signal: Signal,
    },
    /// Take away what is left of a container that has ended
    Delete {
        /// Also one that has not ended, and none at all
        #[arg(long)]
        force: bool,
        /// The name of the container
        id: Id,
    },
    /// Run a program in a container, through the whole of its life, and leave nothing behind
    Try {
        /// The program and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<String>,
    },
}

#[derive(Args)]
struct Bundle {
    /// The bundle: the directory with config.json in it
    #[arg(long = "bundle", value_name = "DIR", default_value = ".")]
    directory: PathBuf,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    match topic {
        None => demonstration::a_whole_life(),
        Some(Topic::Oci { command, root }) => {
            let store = Store::at(root.clone().unwrap_or_else(store::default_root))?;
            obey(command, &store)
        }
    }
}

// ANCHOR: commands
fn obey(command: &Oci, store: &Store) -> Result<Status> {
    match command {
        Oci::Spec { bundle, hooks, command } => spec::write(&bundle.directory, command, *hooks)?,
        Oci::Plan { bundle } => plan::print(&opening::open(&bundle.directory)?),
        Oci::Create { bundle, unguarded, id } => {
            let guard = if *unguarded { Guard::Off } else { Guard::On };
            let opened = opening::open(&bundle.directory)?;
            guard.runtime()?;
            create::create(store, &Wanted { id, opened: &opened, guard })?;
        }
        Oci::Start { id } => start::start(store, id)?,
        Oci::State { id } => println!("{}", state::of(&store.find(id)?)),
        Oci::Kill { id, signal } => kill::kill(store, id, *signal)?,
        Oci::Delete { force, id } => delete::delete(store, id, *force)?,
        Oci::Try { command } => return demonstration::try_out(command),
    }
    Ok(Status::Exited(0))
}
// ANCHOR_END: commands

fn signal(text: &str) -> std::result::Result<Signal, String> {
    let name = text.to_ascii_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    name.parse().map_err(|_| format!("{text:?} is no signal"))
}

/// What cannot be had, in words.
fn unusable(what: impl Into<String>) -> Error {
    Error::Unusable(what.into())
}
