//! Chapter 4: how can a process have a view of files that is not the machine's?
//!
//! What is found at a path is decided by two things: which file systems are mounted where, and at
//! which directory the path begins. The first is a namespace like others, and its mounts can spread
//! to other ones, or not. The second is the root of the process, which `chroot` changes; and that
//! this is no jail is shown in [`escape`].

mod bind;
mod demonstration;
mod escape;
mod inside;
mod jail;
mod mountinfo;
mod propagation;
mod run;
mod show;
mod spread;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use primitives::{Form, Pid, Result, Status, WindowArgs};

use crate::propagation::Propagation;

/// Chapter 4: a view of files.
///
/// Without a subcommand it lays an empty directory over /etc, where only one process sees it. None
/// of it needs root.
#[derive(Parser)]
#[command(name = "chapter4", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Look at mounts, and run programs with mounts of their own
    #[command(subcommand)]
    Mnt(Mnt),
    /// Run a program that sees a directory as the root, as chroot(8) does
    Chroot {
        /// The directory; without it, a small root file system made from this machine's programs
        rootfs: Option<PathBuf>,
        /// The program, as it is found in there, and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Lock a process into a directory by chroot, and let it walk out
    Escape {
        /// How it gets out
        #[arg(long, value_enum)]
        by: By,
        /// A program of the outside to become, when out
        #[arg(last = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
}

#[derive(Subcommand)]
enum Mnt {
    /// Show the mounts that a process sees, as a tree
    Show {
        /// The process; without it, this one
        #[arg(value_parser = pid)]
        pid: Option<Pid>,
        /// Show only what is mounted at or below this path
        #[arg(long, value_name = "PATH")]
        under: Option<PathBuf>,
    },
    /// Run a program in a mount namespace of its own, as unshare(1) --mount does
    Run {
        /// Which mounts made later spread between the inside and the outside
        #[arg(long, value_enum, default_value = "private")]
        propagation: Propagation,
        /// The program and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Mount something inside and something outside, and see who sees what
    Spread {
        /// How the inside is tied to the outside
        #[arg(long, value_enum, default_value = "private")]
        propagation: Propagation,
    },
    /// Run a program that sees a directory at a second place
    Bind(Bind),
}

#[derive(Args)]
struct Bind {
    /// Refuse to write through the second place
    #[arg(long)]
    read_only: bool,
    /// The directory or file
    from: PathBuf,
    /// Where it is seen too; must be there, a directory for a directory
    to: PathBuf,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// The two ways out of a directory that chroot makes look like the root.
#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// A directory that was opened before
    OpenDirectory,
    /// A second chroot, which leaves the process above its own root
    DoubleChroot,
}

fn pid(text: &str) -> std::result::Result<Pid, String> {
    match text.parse() {
        Ok(pid) if pid > 0 => Ok(Pid::from_raw(pid)),
        _ => Err("a process is named by its number, from 1 on".to_string()),
    }
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    match topic {
        None => demonstration::a_view_of_its_own(),
        Some(Topic::Mnt(Mnt::Show { pid, under })) => show::show(*pid, under.as_deref()),
        Some(Topic::Mnt(Mnt::Run { propagation, command })) => run::run(*propagation, command),
        Some(Topic::Mnt(Mnt::Spread { propagation })) => spread::spread(*propagation),
        Some(Topic::Mnt(Mnt::Bind(wanted))) => bind::bind(wanted),
        Some(Topic::Chroot { rootfs, command }) => jail::chroot_and_run(rootfs.as_deref(), command),
        Some(Topic::Escape { by, command }) => escape::escape(*by, command),
    }
}
