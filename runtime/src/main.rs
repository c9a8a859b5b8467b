//! Floor 3: runc's command line.
//!
//! The commands do what runc's do, under the same names and flags; `plan` is one that runc does not
//! have. A command that is not here yet is not pretended to be.

mod bundles;
mod checkpointing;
mod cli;
mod features;
mod global;
mod joining;
mod later;
mod lifecycle;
mod listing;
mod log;
mod plan;
mod processes;
mod resources;
mod spec;
mod telling;
mod terminals;
mod users;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use primitives::{Error, Form, Result, Status};
use serde::Serialize;

use crate::cli::{Cli, Command, Global, PlanFormat};

fn main() -> ExitCode {
    primitives::run_logged(Form::Off, |cli: &Cli| &cli.window, log::watch, carry_out, log::failed)
}

fn carry_out(cli: &Cli) -> Result<Status> {
    let global = &cli.global;
    if enters_containers(&cli.command) {
        primitives::seal_own_program()?;
    }
    match &cli.command {
        Command::Create(making) => lifecycle::create(global, making),
        Command::Start { id } => lifecycle::start(global, id),
        Command::Run(running) => lifecycle::run(global, running),
        Command::State { id } => lifecycle::state(global, id),
        Command::Kill { all, id, signal } => lifecycle::kill(global, id, signal, *all),
        Command::Delete { force, id } => lifecycle::delete(global, id, *force),
        Command::Exec(joining) => joining::exec(global, joining),
        Command::List { format, quiet } => listing::list(global, *format, *quiet),
        Command::Ps { format, id, options } => resources::ps(global, id, *format, options),
        Command::Pause { id } => resources::pause(global, id),
        Command::Resume { id } => resources::resume(global, id),
        Command::Update(limits) => resources::update(global, limits),
        Command::Events { stats, interval, id } => resources::events(global, id, *stats, interval),
        Command::Checkpoint(wanted) => checkpointing::checkpoint(global, wanted),
        Command::Restore(wanted) => checkpointing::restore(global, wanted),
        Command::Features => features::print(),
        Command::Spec { bundle, rootless: false } => spec::write(bundle, spec::default()),
        Command::Spec { bundle, rootless: true } => spec::write(bundle, spec::rootless()),
        Command::Plan { bundle, format } => show(bundle, *format),
    }
}

/// Whether a container could get hold of this program's file.
fn enters_containers(command: &Command) -> bool {
    matches!(command, Command::Create(_) | Command::Run(_) | Command::Exec(_))
}

fn show(bundle: &std::path::Path, format: PlanFormat) -> Result<Status> {
    let reading = bundles::open(bundle)?.reading;
    match format {
        PlanFormat::Text => plan::print_text(&reading),
        PlanFormat::Json => plan::print_json(&reading),
    }
}

/// Prints to standard output; who has closed it wants no more.
fn print(text: &str) -> Result<Status> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::Unusable(format!("standard output: {error}")))
        }
        _ => Ok(Status::Exited(0)),
    }
}

/// Prints a value as JSON for people, which ends as runc's does, without a new line.
fn print_json(value: &impl Serialize) -> Result<Status> {
    let unusable = |error: serde_json::Error| Error::Unusable(error.to_string());
    print(&serde_json::to_string_pretty(value).map_err(unusable)?)
}

/// Prints a value as one line of JSON.
fn print_line_of_json(value: &impl Serialize) -> Result<Status> {
    let unusable = |error: serde_json::Error| Error::Unusable(error.to_string());
    print(&format!("{}\n", serde_json::to_string(value).map_err(unusable)?))
}

/// A configuration may come from anybody, and what is in it must not reach the terminal as commands.
fn plain(text: &str) -> String {
    let escape = |c: char| match c {
        c if c.is_control() && c != '\n' => c.escape_default().collect(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// The exit code of a command that failed: as runc has it, 255 for `exec`, which passes on the exit
/// code of a program, and 1 for all others.
fn failure_of(command: &Command) -> u8 {
    match command {
        Command::Exec(_) => 255,
        _ => 1,
    }
}

/// What stands before the command.
fn global(cli: &Cli) -> &Global {
    &cli.global
}
