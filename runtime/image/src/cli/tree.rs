//! Commands over what an image unpacks to: a tree, a mount, a bundle, a running container.

mod making;
mod running;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use image::rootfs::config::Wishes;
use primitives::{Result, Status};

use super::Global;

/// Commands over unpacked images.
#[derive(Subcommand)]
pub(crate) enum Tree {
    /// Copy the files of an image into a directory
    Unpack {
        #[command(flatten)]
        source: Source,
        /// The directory; it is made if it is not there, and must be empty
        directory: PathBuf,
    },
    /// Show the files of an image in a directory, read-only and without copying
    Mount {
        #[command(flatten)]
        source: Source,
        /// The directory, which must be there
        directory: PathBuf,
    },
    /// Take away what `mount` or `bundle` has mounted
    #[command(alias = "unmount")]
    Umount {
        /// The directory of `mount`, or the bundle
        directory: PathBuf,
    },
    /// Make a bundle of an image: a root, and a config.json for `runtime run`
    Bundle {
        #[command(flatten)]
        source: Source,
        /// The bundle; it is made if it is not there, and must be empty
        bundle: PathBuf,
        /// Copy the files instead of mounting them; an ordinary user's are always copied
        #[arg(long)]
        copy: bool,
        #[command(flatten)]
        changes: Changes,
    },
    /// Run an image's program in a container that is gone afterwards
    Run {
        #[command(flatten)]
        source: Source,
        /// The container's name
        #[arg(long)]
        name: Option<String>,
        /// The program that makes containers, by name or path
        #[arg(long, value_name = "PROGRAM")]
        runtime: Option<PathBuf>,
        #[command(flatten)]
        changes: Changes,
    },
}

/// An image, and how its files are given to their owners.
#[derive(Args, Clone, Debug)]
pub(crate) struct Source {
    /// The image: a name, a digest, or the beginning of a digest
    image: String,
    /// Give files whose owner has no id here to yourself
    #[arg(long)]
    squash_owners: bool,
}

/// What shall be otherwise than the image says.
#[derive(Args, Clone, Debug)]
pub(crate) struct Changes {
    /// A program instead of the image's entrypoint; '' for none
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// An environment variable
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The user, and the group
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// The directory that the program starts in
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// The container's name for itself
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Let nothing be written in its root
    #[arg(long)]
    read_only: bool,
    /// The arguments of the image's program, or a program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Changes {
    fn wishes(&self) -> Wishes {
        Wishes {
            command: self.command.clone(),
            entrypoint: self.entrypoint.clone(),
            env: self.env.clone(),
            user: self.user.clone(),
            directory: self.workdir.clone(),
            hostname: self.hostname.clone(),
            terminal: self.tty,
            readonly: self.read_only,
        }
    }
}

impl Tree {
    /// Does it.
    pub(crate) fn carry_out(&self, global: &Global) -> Result<Status> {
        match self {
            Tree::Unpack { source, directory } => making::unpack(global, source, directory)?,
            Tree::Mount { source, directory } => making::mount(global, source, directory)?,
            Tree::Umount { directory } => making::umount(global, directory)?,
            Tree::Bundle { source, bundle, copy, changes } => {
                making::bundle(global, source, bundle, *copy, &changes.wishes())?;
            }
            Tree::Run { source, name, runtime, changes } => {
                let (name, runtime) = (name.as_deref(), runtime.as_deref());
                return running::run(global, source, name, runtime, &changes.wishes());
            }
        }
        Ok(Status::Exited(0))
    }
}
