//! `image`: pulls, keeps, unpacks and pushes images, and everything that it does can be watched.

mod cli;

use std::process::ExitCode;

use primitives::Form;

fn main() -> ExitCode {
    primitives::run(Form::Off, |cli: &cli::Cli| &cli.window, cli::carry_out)
}
