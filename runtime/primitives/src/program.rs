//! How does a program of this workspace begin and end?

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches, Parser};

use crate::error::{Error, OWN_FAILURE, Result};
use crate::seccomp::ReadyFilter;
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
    let failed = |_: &Cli, error: &Error| error.exit_code();
    run_with(OWN_FAILURE, form, window, |_, _| {}, body, failed)
}

/// As [`run`], for a program that keeps a log. `adjust` may turn flags of the program into flags of the
/// window; `failed` is told of an error before it is shown, and says which exit code it has. A command
/// line that cannot be read has exit code 1.
pub fn run_logged<Cli: Parser>(
    form: Form,
    window: impl FnOnce(&Cli) -> &WindowArgs,
    adjust: impl FnOnce(&Cli, &mut WindowArgs),
    body: impl FnOnce(&Cli) -> Result<Status>,
    failed: impl FnOnce(&Cli, &Error) -> u8,
) -> ExitCode {
    const UNREADABLE: u8 = 1;
    run_with(UNREADABLE, form, window, adjust, body, failed)
}

fn run_with<Cli: Parser>(
    unreadable: u8,
    form: Form,
    window: impl FnOnce(&Cli) -> &WindowArgs,
    adjust: impl FnOnce(&Cli, &mut WindowArgs),
    body: impl FnOnce(&Cli) -> Result<Status>,
    failed: impl FnOnce(&Cli, &Error) -> u8,
) -> ExitCode {
    crate::process::die_of_closed_pipes();
    crate::process::keep_memory();
    let words: Vec<OsString> = std::env::args_os().collect();
    let (cli, mut args) = match parse(&words, window) {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error, unreadable),
    };
    adjust(&cli, &mut args);
    let result = window::open(&args, form).and_then(|()| body(&cli));
    window::close(result.is_ok());
    match result {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => {
            let code = failed(&cli, &error);
            window::out::say(&format!("error: {error}"));
            ExitCode::from(code)
        }
    }
}

/// Help that was asked for is no failure.
fn refuse(error: &clap::Error, code: u8) -> ExitCode {
    let asked_for_help = !error.use_stderr();
    let _ = error.print();
    if asked_for_help { ExitCode::SUCCESS } else { ExitCode::from(code) }
}

/// The command line, and what it says to the window.
///
/// The window's flags may stand before and after a subcommand. Of a global argument that stands in
/// both places clap keeps the last only, so here each level has the flags as its own, and they are
/// put together afterwards.
fn parse<Cli: Parser>(
    words: &[OsString],
    window: impl FnOnce(&Cli) -> &WindowArgs,
) -> std::result::Result<(Cli, WindowArgs), clap::Error> {
    let command = Cli::command().mut_args(|arg| arg.global(false));
    let matches = with_the_window(command, words).try_get_matches_from(words)?;
    let cli = Cli::from_arg_matches(&matches)?;
    let mut args = window(&cli).clone();
    let mut level: &ArgMatches = &matches;
    while let Some((_, inner)) = level.subcommand() {
        let more = WindowArgs::from_arg_matches(inner)?;
        args.add(more).map_err(|flag| {
            let twice = format!("{flag} stands in two places: say it once\n");
            clap::Error::raw(ErrorKind::ArgumentConflict, twice)
        })?;
        level = inner;
    }
    Ok((cli, args))
}

/// Gives the window's flags to the subcommands, as arguments of their own; only to those that are
/// named on the command line, because to describe ten flags a dozen times takes as long as a fork.
fn with_the_window(command: Command, words: &[OsString]) -> Command {
    command.mut_subcommands(|inner| {
        let said = |name: &str| words.iter().any(|word| word == name);
        if !said(inner.get_name()) && !inner.get_all_aliases().any(said) {
            return inner;
        }
        // They come with words of their own for what they are, which are not the command's.
        let about = inner.get_about().cloned().unwrap_or_default();
        let inner = WindowArgs::augment_args(inner).mut_args(|arg| arg.global(false)).about(about);
        with_the_window(inner, words)
    })
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
    match crate::execve(&found(words)?, words, &own_environment(), why)? {}
}

/// As [`become_program`], behind a filter that was laid ready; without one it is the same.
///
/// # Errors
/// As [`crate::execve_behind`] and [`crate::find_program`]; also when there are no words.
#[track_caller]
pub fn become_program_behind(
    filter: Option<ReadyFilter>,
    words: &[OsString],
    why: &'static str,
) -> Result<u8> {
    let program = found(words)?;
    match filter {
        None => match crate::execve(&program, words, &own_environment(), why)? {},
        Some(filter) => {
            match crate::execve_behind(filter, &program, words, &own_environment(), why)? {}
        }
    }
}

fn found(words: &[OsString]) -> Result<PathBuf> {
    let Some(name) = words.first() else {
        return Err(Error::Unusable("no program was named to run".to_string()));
    };
    let search = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    crate::find_program(name, &search)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::{Parser, Subcommand};

    use super::parse;
    use crate::window::{Form, WindowArgs};

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        topic: Option<Topic>,
        #[command(flatten)]
        window: WindowArgs,
    }

    #[derive(Subcommand)]
    enum Topic {
        Run {
            #[arg(trailing_var_arg = true)]
            command: Vec<String>,
        },
    }

    fn read(line: &str) -> Result<(Vec<String>, WindowArgs), clap::Error> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let (cli, args) = parse(&words, |cli: &Cli| &cli.window)?;
        let command = match cli.topic {
            Some(Topic::Run { command }) => command,
            None => Vec::new(),
        };
        Ok((command, args))
    }

    #[test]
    fn flags_before_and_after_a_subcommand_count_alike() {
        let (_, args) = read("x --without a run --without b --step").unwrap();
        assert_eq!(args.without, ["a", "b"]);
        assert!(args.step);
        let (_, args) = read("x --trace json run").unwrap();
        assert_eq!(args.trace, Some(Form::Json));
    }

    #[test]
    fn what_can_be_said_once_is_not_said_twice() {
        let error = read("x --trace json run --trace off").unwrap_err();
        assert!(error.to_string().contains("--trace stands in two places"), "{error}");
    }

    #[test]
    fn what_follows_a_program_is_its_own() {
        let (command, args) = read("x run sh --step").unwrap();
        assert_eq!(command, ["sh", "--step"]);
        assert!(!args.step);
    }
}
