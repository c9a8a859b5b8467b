//! Chapter 3: how can somebody be root and yet nobody special?
//!
//! In a user namespace ids are translated: user 0 in there is an ordinary user out here. Who makes
//! one has all capabilities in it, over everything that belongs to it, and none outside. So everybody
//! may do there what root may do elsewhere, and from here on no chapter needs root.

mod map;
mod nest;
mod run;
mod who;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use primitives::{Form, IdMap, Pid, Result, Status, WindowArgs};

/// Chapter 3: being root somewhere.
///
/// Without a subcommand it makes a user namespace in which you are root, and shows what that is
/// worth inside and outside. None of it needs root.
#[derive(Parser)]
#[command(name = "chapter3", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Make user namespaces and look at them
    #[command(subcommand)]
    Userns(Userns),
}

#[derive(Subcommand)]
enum Userns {
    /// Run a program as root of a new user namespace
    Run(Run),
    /// Show the maps of a process, and who its users are out here
    Map {
        /// The process; without it, this one
        #[arg(value_parser = map::pid)]
        pid: Option<Pid>,
    },
    /// Say who this process is: ids, groups, capabilities, and in which user namespace
    Whoami,
    /// Make a user namespace in a user namespace in a user namespace …
    Nest {
        /// How many to make
        #[arg(default_value_t = 3)]
        depth: u32,
    },
}

#[derive(Args, Clone, Debug, Default)]
struct Run {
    /// Users: INSIDE:OUTSIDE:COUNT, may be given several times; without it, 0 inside is you
    #[arg(long, value_name = "MAP", value_parser = map::line)]
    map_users: Vec<IdMap>,
    /// Groups: INSIDE:OUTSIDE:COUNT, may be given several times; without it, 0 inside is yours
    #[arg(long, value_name = "MAP", value_parser = map::line)]
    map_groups: Vec<IdMap>,
    /// Also map the ids that /etc/subuid and /etc/subgid give you, from 1 on
    #[arg(long, conflicts_with_all = ["map_users", "map_groups"])]
    subids: bool,
    /// Write the maps so many milliseconds late, as a busy machine might
    #[arg(long, value_name = "MS", default_value_t = 0)]
    late: u64,
    /// The program and its arguments; without it, this one says who it is
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    match topic {
        None => run::run(&Run::default()),
        Some(Topic::Userns(Userns::Run(wanted))) => run::run(wanted),
        Some(Topic::Userns(Userns::Map { pid })) => map::show(*pid),
        Some(Topic::Userns(Userns::Whoami)) => who::whoami(),
        Some(Topic::Userns(Userns::Nest { depth })) => nest::nest(*depth, 0),
    }
}
