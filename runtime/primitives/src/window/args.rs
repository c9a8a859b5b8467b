//! Which flags does every program of the workspace have?

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// The window: what to show of the requests to the kernel, and where to stop, refuse or leave out.
#[derive(Args, Clone, Debug, Default, Serialize, Deserialize)]
#[command(next_help_heading = "The window (see, stop and break each request to the kernel)")]
pub struct WindowArgs {
    /// How to show each request: for people, as JSON Lines, or not at all
    #[arg(long, value_enum, global = true, value_name = "FORM")]
    pub trace: Option<Form>,

    /// Write the trace to FILE instead of standard error
    #[arg(long, global = true, value_name = "FILE")]
    pub trace_file: Option<PathBuf>,

    /// Say of each request what it does in general, since which kernel, and where to read on
    #[arg(long, global = true)]
    pub explain: bool,

    /// Stop before each request, in every process, and show what it changed in the kernel
    #[arg(long, global = true)]
    pub step: bool,

    /// Stop before each request named CALL, and before each one in the step named STEP
    #[arg(long = "break", global = true, value_name = "CALL|STEP")]
    pub breaks: Vec<String>,

    /// Read the answers at a stop from FILE instead of the terminal ("-": line by line from standard
    /// input, the rest is the program's)
    #[arg(long, global = true, value_name = "FILE")]
    pub commands: Option<PathBuf>,

    /// Refuse requests named CALL (or only the Nth) with ERRNO, as if the kernel had
    #[arg(long, global = true, value_name = "CALL[:N]=ERRNO")]
    pub fail: Vec<String>,

    /// Refuse the Nth request of the process that plays ROLE with ERRNO
    #[arg(long, global = true, value_name = "ROLE:N=ERRNO")]
    pub fail_at: Vec<String>,

    /// Kill the process that plays ROLE instead of making its Nth request
    #[arg(long, global = true, value_name = "ROLE:N")]
    pub kill_at: Vec<String>,

    /// Leave the step named STEP out, and see what breaks
    #[arg(long, global = true, value_name = "STEP")]
    pub without: Vec<String>,
}

impl WindowArgs {
    /// Adds what was said in a second place; the flag's name, when it can be said only once.
    pub(crate) fn add(&mut self, more: WindowArgs) -> Result<(), &'static str> {
        once(&mut self.trace, more.trace, "--trace")?;
        once(&mut self.trace_file, more.trace_file, "--trace-file")?;
        once(&mut self.commands, more.commands, "--commands")?;
        self.explain |= more.explain;
        self.step |= more.step;
        self.breaks.extend(more.breaks);
        self.fail.extend(more.fail);
        self.fail_at.extend(more.fail_at);
        self.kill_at.extend(more.kill_at);
        self.without.extend(more.without);
        Ok(())
    }
}

/// Their names, for who has not read the command line yet.
#[cfg(target_arch = "x86_64")]
pub(crate) const FLAGS: [&str; 10] = [
    "--trace",
    "--trace-file",
    "--explain",
    "--step",
    "--break",
    "--commands",
    "--fail",
    "--fail-at",
    "--kill-at",
    "--without",
];

fn once<T>(value: &mut Option<T>, more: Option<T>, flag: &'static str) -> Result<(), &'static str> {
    match (value.is_some(), more.is_some()) {
        (true, true) => Err(flag),
        (false, true) => {
            *value = more;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// How a trace is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Form {
    /// For people: a head line for each step, two lines for each request
    Pretty,
    /// JSON Lines, version 1
    Json,
    /// Not at all
    Off,
    /// As lines of a container runtime's log, added to the file
    #[value(skip)]
    LogText,
    /// As such lines in JSON, added to the file
    #[value(skip)]
    LogJson,
}

impl Form {
    /// Whether it is a log, which others write to as well.
    pub(crate) fn is_log(self) -> bool {
        matches!(self, Form::LogText | Form::LogJson)
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use clap::Args;

    use super::{FLAGS, WindowArgs};

    #[test]
    fn every_flag_of_the_window_is_known_without_reading_the_command_line() {
        let command = WindowArgs::augment_args(clap::Command::new("any"));
        let flags = command.get_arguments().filter_map(clap::Arg::get_long);
        assert!(flags.map(|flag| format!("--{flag}")).eq(FLAGS));
    }
}
