//! How does a program of this workspace begin and end?

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::error::{Error, OWN_FAILURE, Result};
use crate::wait::Status;
use crate::window::{self, Form, WindowArgs};

/// Reads the command line, opens the window, runs `body` and ends with its status.
///
/// A message goes to standard error when something could not be done, and the exit code says which
/// kind of thing: 125 our own work, 126 and 127 the program that was to be run.
pub fn run<Cli: Parser>(
    form: Form,
    window: impl FnOnce(&Cli) -> &WindowArgs,
    body: impl FnOnce(&Cli) -> Result<Status>,
) -> ExitCode {
    crate::process::die_of_closed_pipes();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for_help = !error.use_stderr();
            let _ = error.print();
            return if asked_for_help { ExitCode::SUCCESS } else { ExitCode::from(OWN_FAILURE) };
        }
    };
    let result = window::open(window(&cli), form).and_then(|()| body(&cli));
    window::close(result.is_ok());
    conclude(result)
}

fn conclude(result: Result<Status>) -> ExitCode {
    match result {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => {
            window::out::say(&format!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// This process's environment, as [`crate::execve`] takes it.
pub fn own_environment() -> Vec<OsString> {
    let joined = |(name, value): (OsString, OsString)| {
        let mut both = name;
        both.push("=");
        both.push(value);
        both
    };
    std::env::vars_os().map(joined).collect()
}

/// Becomes the program `words[0]`, found by `PATH`, with the arguments that follow it and this
/// process's environment.
///
/// # Errors
/// As [`crate::execve`] and [`crate::find_program`]; also when there are no words.
#[track_caller]
pub fn become_program(words: &[OsString], why: &'static str) -> Result<u8> {
    let Some(name) = words.first() else {
        return Err(Error::Unusable("no program was named to run".to_string()));
    };
    let search = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let program = crate::find_program(name, &search)?;
    match crate::execve(&program, words, &own_environment(), why)? {}
}
