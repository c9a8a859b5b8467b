//! Chapter 13: how does somebody get into a container that runs, and talk with who is in there?
//!
//! There is no door to knock at: a container is a set of processes. Whoever wants in makes a process
//! that joins what they share, in the order that the kernel allows. Whoever wants to talk needs a
//! terminal, made in there, whose other end is handed out as an open file; and whoever wants to come
//! later needs somebody who has stayed.

mod attach;
mod boxes;
mod cgroups;
mod demonstration;
mod exec;
mod inside;
mod join;
mod keep;
mod race;
mod rights;
mod target;
mod terminal;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use primitives::{Form, Result, Status, WindowArgs};

use crate::join::Kind;
use crate::target::Whom;

/// Chapter 13: joining and talking.
///
/// Without a subcommand it makes a small container and sends somebody in, with a terminal. None of it
/// needs root.
#[derive(Parser)]
#[command(name = "chapter13", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Run a program in a box: a small container with a terminal, that others can come to
    Run(Run),
    /// Run a program in a container that runs already
    Exec(Exec),
    /// Sit down at the terminal of a box; Ctrl-P Ctrl-Q leaves it again
    Attach {
        /// The directory of the box
        place: PathBuf,
    },
    /// Print what was said at the terminal of a box
    Logs {
        /// Go on until the box ends
        #[arg(short, long)]
        follow: bool,
        /// The directory of the box
        place: PathBuf,
    },
    /// Mount something in a container, while somebody in there exchanges the place for a link
    Race {
        /// By what the place is named
        #[arg(long, value_enum)]
        by: By,
        /// When it is exchanged
        #[arg(long, value_enum, default_value = "after-look")]
        swap: Swap,
    },
}

#[derive(Args)]
struct Run {
    /// Remove the directory, and what was said, when the program has ended
    #[arg(long)]
    rm: bool,
    /// A directory that is not there yet: the log and the door are put there
    place: PathBuf,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Args)]
struct Exec {
    /// Give the program a terminal of the container's own
    #[arg(short, long)]
    tty: bool,
    /// Hand the terminal to whoever listens at this socket, and stay only for the exit code
    #[arg(long, value_name = "SOCKET", requires = "tty")]
    console_socket: Option<PathBuf>,
    /// Join these one after the other, each by its file in /proc, to see what comes of it
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = join::kind)]
    order: Vec<Kind>,
    /// A process of the container, by its number; or the directory of a box
    #[arg(value_parser = target::whom)]
    whom: Whom,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// How a place in a container is named by somebody outside.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// A text, which is looked up each time it is used
    Path,
    /// Something open: what was found when it was looked up
    Descriptor,
}

/// When the place is exchanged for a link.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Swap {
    /// Before anybody has looked at it
    BeforeLook,
    /// Between the look and the mount
    AfterLook,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    match topic {
        None => demonstration::somebody_comes(),
        Some(Topic::Run(wanted)) => keep::run(wanted),
        Some(Topic::Exec(wanted)) => exec::exec(&wanted.whom.find()?, &wanted.visit()),
        Some(Topic::Attach { place }) => attach::attach(place),
        Some(Topic::Logs { follow: true, place }) => attach::follow(place),
        Some(Topic::Logs { follow: false, place }) => attach::print(place),
        Some(Topic::Race { by, swap }) => race::race(*by, *swap),
    }
}

impl Exec {
    fn visit(&self) -> exec::Visit<'_> {
        exec::Visit {
            tty: self.tty,
            console_socket: self.console_socket.as_deref(),
            order: &self.order,
            command: &self.command,
        }
    }
}
