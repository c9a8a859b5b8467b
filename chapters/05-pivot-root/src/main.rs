//! Chapter 5: why was the outside still there?
//!
//! Because `chroot` changes one process, and the tree of mounts stays what it was. `pivot_root`
//! changes the tree: another mount becomes its root, and the old one can be taken away. Then there is
//! nothing outside to walk to. What is left to do is to furnish the new root: proc, sys, tmp, and a
//! `/dev` with the few devices that every program expects.

mod api;
mod demonstration;
mod devices;
mod escape;
mod hide;
mod inside;
mod mountinfo;
mod place;
mod run;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use primitives::{Form, Result, Status, WindowArgs, step_giving};
use rootfs::Source;

/// Chapter 5: changing the floor.
///
/// Without a subcommand it gives one process an empty directory for a root, and takes the old root
/// away from under it. None of it needs root.
#[derive(Parser)]
#[command(name = "chapter5", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Make root file systems, and run programs in them
    #[command(subcommand)]
    Root(Root),
    /// Lock a process into a directory, and let it try to walk out
    Escape {
        /// How it tries
        #[arg(long, value_enum)]
        by: By,
        /// What locks it in
        #[arg(long, value_enum, default_value = "pivot-root")]
        from: Lock,
    },
}

#[derive(Subcommand)]
enum Root {
    /// Make a root file system in an empty directory, of this machine's busybox if nothing is said
    Make(Make),
    /// Run a program in a root file system, with nothing of the outside left
    Run(Run),
}

#[derive(Args)]
struct Make {
    /// The directory, which is there and empty
    directory: PathBuf,
    /// Copy another directory
    #[arg(long, value_name = "DIR", group = "source")]
    from_dir: Option<PathBuf>,
    /// Unpack a tar, plain or compressed with gzip
    #[arg(long, value_name = "FILE", group = "source")]
    from_tar: Option<PathBuf>,
    /// Copy a program with the libraries that it needs; may be given several times
    #[arg(long, value_name = "PROGRAM", group = "source")]
    program: Vec<PathBuf>,
}

#[derive(Args)]
struct Run {
    /// The root file system; without it, a small one that is gone with the program
    rootfs: Option<PathBuf>,
    /// By which calls of the kernel mounts are made
    #[arg(long, value_enum, default_value = "classic")]
    api: Api,
    /// Refuse to write to the root file system
    #[arg(long)]
    read_only: bool,
    /// Hide what is at this path in there; may be given several times
    #[arg(long, value_name = "PATH")]
    mask: Vec<PathBuf>,
    /// Refuse to write at and below this path in there; may be given several times
    #[arg(long, value_name = "PATH")]
    readonly_path: Vec<PathBuf>,
    /// The program, as it is found in there, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// The two ways to mount.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Api {
    /// One call for all, mount(2)
    Classic,
    /// A call for each part of it: fsopen, fsconfig, fsmount, open_tree, move_mount (Linux 5.2)
    New,
}

/// The two ways out of a directory that chroot makes look like the root.
#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// A directory that is kept open while the root is changed to one below it
    OpenDirectory,
    /// A second chroot, which leaves the process above its own root
    DoubleChroot,
}

/// What makes a directory look like the root.
#[derive(Clone, Copy, ValueEnum)]
enum Lock {
    /// Where paths begin
    Chroot,
    /// Which mount is the root of all
    PivotRoot,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    match topic {
        None => demonstration::a_floor_of_its_own(),
        Some(Topic::Root(Root::Make(wanted))) => make(wanted),
        Some(Topic::Root(Root::Run(wanted))) => run::run(wanted),
        Some(Topic::Escape { by, from }) => escape::escape(*by, *from),
    }
}

fn make(wanted: &Make) -> Result<Status> {
    let source = match (&wanted.from_dir, &wanted.from_tar, wanted.program.as_slice()) {
        (Some(directory), ..) => Source::Directory(directory.clone()),
        (_, Some(file), _) => Source::Tar(file.clone()),
        (.., []) => Source::Machine,
        (.., programs) => Source::Programs(programs.to_vec()),
    };
    step_giving("make a root", || rootfs::make(&wanted.directory, &source))?;
    Ok(Status::Exited(0))
}
