//! Chapter 4: a view of files.

use std::process::ExitCode;

use clap::Parser;
use primitives::{Form, Result, Status, WindowArgs};

/// Chapter 4: a view of files.
#[derive(Parser)]
#[command(name = "chapter4", version)]
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
