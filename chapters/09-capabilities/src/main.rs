//! Chapter 9: less than root.

use std::process::ExitCode;

use clap::Parser;
use primitives::{Form, Result, Status, WindowArgs};

/// Chapter 9: less than root.
#[derive(Parser)]
#[command(name = "chapter9", version)]
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
