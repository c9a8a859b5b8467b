//! Chapter 8: how much may somebody have?
//!
//! Namespaces say what a process sees, cgroups how much it gets: memory, time, processes. A cgroup is
//! a directory that the kernel makes the files of; a limit is a line in one of them; a process is in
//! it because its number was written there. At the end all chapters so far are one command:
//! [`container`].

mod cgroup;
mod container;
mod inside;
mod keeper;
mod library;
mod oom;
mod show;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use primitives::{Form, Result, Status, WindowArgs};

use cgroup::keys::Setting;
use words::{By, Spec};

/// Chapter 8: limits.
///
/// Without a subcommand a process eats memory in a cgroup that has little of it, until the kernel ends
/// it. Where you may make no cgroup it shows what the kernel says to that, and what to do.
#[derive(Parser)]
#[command(name = "chapter8", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Make a cgroup, as cgcreate does
    Create {
        /// Controllers and name: cpu,memory:ID, may be given several times; * is all of them
        #[arg(short = 'g', value_name = "CONTROLLERS:ID", required_unless_present = "id")]
        groups: Vec<Spec>,
        /// The name alone: with cpu, memory and pids
        #[arg(value_name = "ID", value_parser = cgroup_name, conflicts_with = "groups")]
        id: Option<PathBuf>,
    },
    /// Write limits, as cgset does; words of cgroup v1 are translated where there is v2
    Set {
        /// One limit, may be given several times: memory.limit_in_bytes=100M
        #[arg(short = 'r', value_name = "KEY=VALUE", required = true, value_parser = Setting::parse)]
        settings: Vec<Setting>,
        /// Who writes: the bare files, or the library cgroups-rs
        #[arg(long, value_enum, default_value_t = By::Files)]
        by: By,
        /// The cgroup
        #[arg(value_name = "ID", value_parser = cgroup_name)]
        id: PathBuf,
    },
    /// Run a program in a cgroup, as cgexec does
    Exec {
        /// Controllers and name: cpu,memory:ID; without it the first word is the name
        #[arg(short = 'g', value_name = "CONTROLLERS:ID")]
        groups: Vec<Spec>,
        /// The program and its arguments
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            required = true,
            value_name = "CMD"
        )]
        command: Vec<OsString>,
    },
    /// Remove a cgroup, as cgdelete does
    Delete {
        /// Also those below it
        #[arg(short, long)]
        recursive: bool,
        /// End the processes that are in it first
        #[arg(long, conflicts_with = "evict")]
        kill: bool,
        /// Move the processes that are in it to the cgroup above first, out of their limits, as cgdelete
        /// does without being asked
        #[arg(long)]
        evict: bool,
        /// Controllers and name: cpu,memory:ID, may be given several times
        #[arg(short = 'g', value_name = "CONTROLLERS:ID", required_unless_present = "id")]
        groups: Vec<Spec>,
        /// The name alone: wherever it is
        #[arg(value_name = "ID", value_parser = cgroup_name, conflicts_with = "groups")]
        id: Option<PathBuf>,
    },
    /// Show the limits of a cgroup, what it uses and what has happened; without a name, your own
    Show {
        /// The cgroup
        #[arg(value_name = "ID", value_parser = cgroup_name)]
        id: Option<PathBuf>,
    },
    /// Stop everything in a cgroup, and wait until it has stopped
    Freeze {
        /// Who writes: the bare files, or the library cgroups-rs
        #[arg(long, value_enum, default_value_t = By::Files)]
        by: By,
        /// The cgroup
        #[arg(value_name = "ID", value_parser = cgroup_name)]
        id: PathBuf,
    },
    /// Let everything in a cgroup go on
    Thaw {
        /// The cgroup
        #[arg(value_name = "ID", value_parser = cgroup_name)]
        id: PathBuf,
    },
    /// Let a process eat memory until the kernel ends it: what is done without a subcommand
    Oom {
        /// Leave swap as it is
        #[arg(long)]
        swap: bool,
        /// The name of the cgroup
        #[arg(value_name = "ID", value_parser = cgroup_name)]
        id: Option<PathBuf>,
    },
    /// Run a program in a container: the whole script of the course as one command
    Container(Box<container::Container>),
}

fn cgroup_name(text: &str) -> std::result::Result<PathBuf, String> {
    cgroup::name(text)
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| run(cli.topic.as_ref()))
}

fn run(topic: Option<&Topic>) -> Result<Status> {
    match topic {
        None => oom::demonstrate(None, false),
        Some(Topic::Oom { id, swap }) => oom::demonstrate(id.as_deref(), *swap),
        Some(Topic::Create { groups, id }) => words::create(groups, id.as_deref()),
        Some(Topic::Set { settings, by, id }) => words::set(settings, *by, id),
        Some(Topic::Exec { groups, command }) => words::exec(groups, command),
        Some(Topic::Delete { recursive, kill, evict, groups, id }) => {
            let how = words::Deletion { recursive: *recursive, kill: *kill, evict: *evict };
            words::delete(groups, id.as_deref(), how)
        }
        Some(Topic::Show { id }) => show::show(id.as_deref()),
        Some(Topic::Freeze { by, id }) => words::freeze(id, *by),
        Some(Topic::Thaw { id }) => words::thaw(id),
        Some(Topic::Container(wanted)) => container::run(wanted),
    }
}
