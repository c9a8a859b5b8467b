//! Floor 3: runc's command line.
//!
//! The commands that are here do what runc's do, under the same names and flags; `plan` is one that
//! runc does not have. A command that is not here yet is not pretended to be.

mod bundles;
mod plan;
mod spec;
mod telling;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use primitives::{Form, Result, Status, WindowArgs};

/// What engines take for a failure of the runtime itself, because it is what runc ends with.
const OWN_FAILURE: u8 = 1;

/// An OCI container runtime that can be watched.
#[derive(Parser)]
#[command(name = "runtime", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Write a config.json to start from
    Spec {
        /// The bundle: the directory that it is written into
        #[arg(short, long, value_name = "DIR", default_value = ".")]
        bundle: PathBuf,
        /// For a container that needs no root: a user namespace of its own, and no limits
        #[arg(long)]
        rootless: bool,
    },
    /// Show what would be done for a bundle, without doing it; needs no privilege
    Plan {
        /// The bundle: the directory with config.json in it
        #[arg(short, long, value_name = "DIR", default_value = ".")]
        bundle: PathBuf,
        /// For people, or for programs
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn main() -> ExitCode {
    primitives::run_ending_with(
        OWN_FAILURE,
        Form::Off,
        |cli: &Cli| &cli.window,
        |cli| match &cli.command {
            Command::Spec { bundle, rootless: false } => spec::write(bundle, spec::default()),
            Command::Spec { bundle, rootless: true } => spec::write(bundle, spec::rootless()),
            Command::Plan { bundle, format } => show(bundle, *format),
        },
    )
}

fn show(bundle: &std::path::Path, format: Format) -> Result<Status> {
    let reading = bundles::read(bundle)?;
    match format {
        Format::Text => plan::print_text(&reading),
        Format::Json => plan::print_json(&reading),
    }
}

/// A configuration may come from anybody, and what is in it must not reach the terminal as commands.
fn plain(text: &str) -> String {
    let escape = |c: char| match c {
        c if c.is_control() && c != '\n' => c.escape_default().collect(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}
