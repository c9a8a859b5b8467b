//! Which words does the command line know, and who carries them out?

mod local;
mod printing;
mod remote;
mod tree;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use image::store::{self, Store};
use primitives::{Result, Status, WindowArgs};

/// Images: pull them, keep them, unpack them, push them, and watch how it is done.
#[derive(Parser)]
#[command(name = "image", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    pub(crate) window: WindowArgs,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Remote(Box<remote::Remote>),
    #[command(flatten)]
    Local(local::Local),
    #[command(flatten)]
    Tree(tree::Tree),
}

/// What every command has.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "For every command")]
pub(crate) struct Global {
    /// Where images are kept [default: /var/lib/porthole, for other users than root
    /// $XDG_DATA_HOME/porthole or ~/.local/share/porthole]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl Global {
    /// The directory that images are kept in.
    pub(crate) fn root(&self) -> PathBuf {
        self.root.clone().unwrap_or_else(store::default_root)
    }

    /// The store, to work in together with others.
    pub(crate) fn store(&self) -> Result<Store> {
        Ok(Store::open(&self.root())?)
    }
}

/// Does what the command line says.
pub(crate) fn carry_out(cli: &Cli) -> Result<Status> {
    let global = &cli.global;
    match &cli.command {
        Command::Remote(command) => command.carry_out(global),
        Command::Local(command) => command.carry_out(global),
        Command::Tree(command) => command.carry_out(global),
    }
}
