//! `lab`: a real kernel to practise in, and a doctor for the one you have.
//!
//! `lab doctor` says what this machine offers. `lab run` and `lab shell` boot a kernel with pure
//! cgroup v2 as an ordinary user and run a command in it, as if it were a program on the host.
//!
//! From here: [`session`] is what happens on the host, [`keep`] cleans up, [`guest`] is what
//! happens inside, [`wire`] is what they say to each other; `guest/*.sh` is the new system's first
//! program; [`uml`] and [`qemu`] know how to start a kernel.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};

use crate::doctor::Form;
use crate::session::{Console, Kernel, Request};
use crate::terminal::Raw;
use crate::wire::{Order, Streams};

mod cpio;
mod doctor;
mod exit;
mod fetch;
mod guest;
mod keep;
mod place;
mod probes;
mod proc;
mod qemu;
mod session;
mod terminal;
mod uml;
mod wire;

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Say what this machine offers, what it lacks, and how to get that
    Doctor {
        /// One array of objects, for programs
        #[arg(long, conflicts_with = "markdown")]
        json: bool,
        /// A table in Markdown, for the book
        #[arg(long)]
        markdown: bool,
        /// Exit with 1 if one of these is not there (names as in the table's second column)
        #[arg(long, value_name = "WHAT", num_args = 1..)]
        require: Vec<String>,
    },
    /// Download the kernel that QEMU boots (Debian's package), without installing it
    Fetch,
    /// Boot a kernel and run a command in it; the exit code is the command's
    Run {
        #[command(flatten)]
        options: Options,
        /// Give the command a terminal of its own
        #[arg(short, long)]
        terminal: bool,
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Boot a kernel and open a shell in it
    Shell {
        #[command(flatten)]
        options: Options,
    },
    /// End a kernel and clean up after it (lab starts this itself)
    #[command(hide = true)]
    Keep {
        place: PathBuf,
        master: u32,
        seconds: u64,
        console: Console,
        #[arg(last = true)]
        kernel: Vec<OsString>,
    },
    /// Run an order inside the lab (lab starts this itself)
    #[command(hide = true)]
    Guest { line: PathBuf, order: PathBuf },
}

#[derive(Args)]
struct Options {
    /// The kernel to boot
    #[arg(long, value_enum, default_value = "uml")]
    kernel: Kernel,
    /// Memory of the machine in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    memory: u32,
    /// Processors of the machine (only with --kernel qemu)
    #[arg(long, value_name = "N", default_value_t = 1)]
    cpus: u32,
    /// The command's working directory; default: the current one
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Set a variable, or pass the one of this name on; the environment is otherwise a fixed one
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<OsString>,
    /// Run the command as this uid and gid, in a cgroup that belongs to it
    #[arg(long, value_name = "UID", default_value_t = 0)]
    user: u32,
    /// Let the lab write to this directory of the host; everything else is thrown away
    #[arg(long, value_name = "DIR")]
    share: Vec<PathBuf>,
    /// End everything after so many seconds (exit code 124)
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    timeout: u64,
    /// Show what the kernel says
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    match act(Cli::parse().command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::from(exit::LAB_FAILED)
        }
    }
}

fn act(verb: Verb) -> Result<u8> {
    match verb {
        Verb::Doctor { json: true, require, .. } => doctor::report(Form::Json, &require),
        Verb::Doctor { markdown: true, require, .. } => doctor::report(Form::Markdown, &require),
        Verb::Doctor { require, .. } => doctor::report(Form::Text, &require),
        Verb::Fetch => fetch::fetch().map(|()| 0),
        Verb::Run { options, terminal: false, command } => {
            session::run(&request(options, command, Streams::Pipes)?)
        }
        Verb::Run { options, terminal: true, command } => on_our_terminal(options, command),
        Verb::Shell { options } => {
            let shell = vec![OsString::from("/bin/sh")];
            // `echo 'cat /proc/self/cgroup' | lab shell` is a shell without a terminal.
            match io::stdin().is_terminal() {
                true => on_our_terminal(options, shell),
                false => session::run(&request(options, shell, Streams::Pipes)?),
            }
        }
        Verb::Keep { place, master, seconds, console, kernel } => {
            keep::keep(&place, master, seconds, console, &kernel)
        }
        Verb::Guest { line, order } => guest::serve(&line, &order).map(|()| 0),
    }
}

fn on_our_terminal(options: Options, command: Vec<OsString>) -> Result<u8> {
    let request = request(options, command, terminal::like_ours())?;
    let _raw = io::stdin().is_terminal().then(Raw::make).transpose()?;
    session::run(&request)
}

fn request(options: Options, command: Vec<OsString>, streams: Streams) -> Result<Request> {
    let directory = match options.cwd {
        Some(directory) => absolute(&directory)?,
        None => env::current_dir().context("the current directory is gone: use --cwd")?,
    };
    let environment = environment(options.user, &options.env)?;
    Ok(Request {
        kernel: options.kernel,
        order: Order { command, environment, directory, user: options.user, streams },
        memory: options.memory,
        cpus: options.cpus,
        timeout: options.timeout,
        shares: options.share.iter().map(|path| absolute(path)).collect::<Result<_>>()?,
        console: if options.verbose { Console::Shown } else { Console::File },
    })
}

/// The path from the root, with no symbolic links: inside it must name the same directory.
fn absolute(path: &Path) -> Result<PathBuf> {
    let absolute =
        path.canonicalize().with_context(|| format!("no directory {}", path.display()))?;
    ensure!(absolute.is_dir(), "{} is not a directory", path.display());
    Ok(absolute)
}

/// The same at every boot and on every machine, but for PATH, the terminal's kind and `--env`.
fn environment(user: u32, wanted: &[OsString]) -> Result<Vec<(OsString, OsString)>> {
    let path = env::var("PATH").unwrap_or_default();
    let home = if user == 0 { "/root" } else { "/tmp" };
    let mut variables: Vec<(OsString, OsString)> = [
        ("PATH", format!("{path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")),
        ("HOME", home.to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("SHELL", "/bin/sh".to_owned()),
        ("TERM", env::var("TERM").unwrap_or_else(|_| "linux".to_owned())),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    for text in wanted {
        variables.push(variable(text)?);
    }
    Ok(variables)
}

/// `NAME=VALUE`, or `NAME` for the value that we have.
fn variable(text: &OsString) -> Result<(OsString, OsString)> {
    let text = text.to_str().context("--env takes text")?;
    match text.split_once('=') {
        Some((name, value)) => Ok((name.into(), value.into())),
        None => {
            let value = env::var_os(text);
            let value =
                value.with_context(|| format!("--env {text}: there is no such variable"))?;
            Ok((text.into(), value))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_variable_has_a_value_or_takes_ours() {
        assert_eq!(variable(&"A=b=c".into()).unwrap(), ("A".into(), "b=c".into()));
        assert!(variable(&"NO_SUCH_VARIABLE_HERE".into()).is_err());
        assert_eq!(variable(&"PATH".into()).unwrap().1, env::var_os("PATH").unwrap());
    }
}
