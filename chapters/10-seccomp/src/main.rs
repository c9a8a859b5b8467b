//! Chapter 10: fewer doors.

use std::process::ExitCode;

use clap::Parser;
use primitives::{Form, Result, Status, WindowArgs};

/// Chapter 10: fewer doors.
#[derive(Parser)]
#[command(name = "chapter10", version)]
struct Cli {
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |_| demonstrate())
}

fn demonstrate() -> Result<Status> {
    Ok(Status::Exited(0))
}
