//! Chapter 6: must every container have a copy of all its files?
//!
//! overlayfs lays directories over each other. What is read comes from the highest layer that has it;
//! what is written goes into the uppermost one alone, so the layers below can be shared by all. What
//! a container changed is then a directory of its own, and can be packed, sent, and laid over again.

mod apply;
mod archive;
mod attack;
mod copy_up;
mod demonstration;
mod diff;
mod layer;
mod pack;
mod sample;
mod share;
mod stack;
mod upper;
mod view;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use primitives::{Form, Result, Status, WindowArgs};

/// Chapter 6: layers.
///
/// Without a subcommand it stacks two layers and an empty one, changes a file, deletes another, and
/// shows what lies where. None of it needs root.
#[derive(Parser)]
#[command(name = "chapter6", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Lay directories over each other, and read and write what differs
    #[command(subcommand)]
    Layer(Layer),
}

#[derive(Subcommand)]
enum Layer {
    /// Run a program in a stack of layers
    Stack(Stack),
    /// Show what an upper directory adds, changes and deletes
    Diff {
        /// LOWER and UPPER, or UPPER alone; without them, layers made for it
        #[arg(num_args = 0..=2, value_name = "DIR")]
        directories: Vec<PathBuf>,
    },
    /// Write an upper directory as the layer of an image
    Commit {
        /// The upper directory; without it, one made for it
        upper: Option<PathBuf>,
        /// The layer, which must not be there yet
        #[arg(short, long, value_name = "LAYER")]
        output: PathBuf,
    },
    /// Lay the layer of an image over a directory
    Apply(Apply),
    /// See what one changed byte costs
    CopyUp,
    /// Let two stacks share a lower layer
    Share,
    /// Apply a hostile layer, next to a file that it is after
    Attack {
        /// How it tries to get out
        #[arg(default_value = "symlink")]
        way: attack::Way,
        /// Do not refuse names that lead out
        #[arg(long)]
        trust_names: bool,
    },
}

#[derive(Args)]
struct Stack {
    /// The layers, the uppermost first; without them, two made for it
    lowers: Vec<PathBuf>,
    /// Which interface of the kernel to use
    #[arg(long, value_enum, default_value_t = Api::Classic)]
    api: Api,
    /// Where changes go; without it, into memory, and they are gone at the end
    #[arg(long, value_name = "DIR", requires = "work")]
    upper: Option<PathBuf>,
    /// A directory of the same file system as UPPER, for overlayfs itself to work in
    #[arg(long, value_name = "DIR", requires = "upper")]
    work: Option<PathBuf>,
    /// The program, which starts in the stack; without it, a shell
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Api {
    /// One mount(2) with a string of options
    Classic,
    /// fsopen, fsconfig, fsmount, move_mount
    New,
}

#[derive(Args)]
struct Apply {
    /// The layer, a tar, also compressed with gzip; without it, one made for it
    #[arg(requires = "target")]
    layer: Option<PathBuf>,
    /// The directory that it is laid over
    #[arg(value_name = "DIR")]
    target: Option<PathBuf>,
    /// Do not delete, but write down what is deleted as overlayfs does: DIR is to be a layer itself
    #[arg(long)]
    overlay: bool,
    /// Do not refuse names that lead out
    #[arg(long)]
    trust_names: bool,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    let Some(Topic::Layer(layer)) = topic else {
        return demonstration::three_layers();
    };
    match layer {
        Layer::Stack(wanted) => stack::run(wanted),
        Layer::Diff { directories } => diff::show(directories),
        Layer::Commit { upper, output } => pack::commit(upper.as_deref(), output),
        Layer::Apply(wanted) => apply::run(wanted),
        Layer::CopyUp => copy_up::measure(),
        Layer::Share => share::share(),
        Layer::Attack { way, trust_names } => attack::attack(*way, *trust_names),
    }
}
