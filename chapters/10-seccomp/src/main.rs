//! Chapter 10: which calls may the container make at all?
//!
//! Whatever a program wants of the kernel, it must call for it; there are about 370 doors. Most
//! programs need a few dozen, and each of the others is code that somebody could find a mistake in. So
//! a container gets fewer doors: by a filter that the kernel asks before every call, and, for files, by
//! Landlock.

mod arch;
mod bpf;
mod compile;
mod explain;
mod land;
mod mknod;
mod oci;
mod profile;
mod record;
mod run;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use primitives::{Form, Result, Status, SystemCall, WindowArgs};

use crate::arch::Arch;
use crate::oci::Closed;
use crate::profile::{Action, Profile, Rule};

/// Chapter 10: fewer doors.
///
/// Without a subcommand it runs a small program that finds one door closed, and all others open. None
/// of it needs root.
#[derive(Parser)]
#[command(name = "chapter10", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Close doors with a filter of system calls
    #[command(subcommand)]
    Sec(Sec),
    /// Give up files with Landlock
    #[command(subcommand)]
    Land(Land),
}

#[derive(Subcommand)]
enum Sec {
    /// Run a program behind a filter
    Run {
        #[command(flatten)]
        doors: Doors,
        /// The program and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Show the program that a filter is, instruction by instruction
    Explain {
        /// A profile (JSON); `container` is the one that comes with this chapter
        #[arg(conflicts_with_all = ["deny", "allow_file"])]
        profile: Option<PathBuf>,
        #[command(flatten)]
        doors: Doors,
        /// Show only the way that this call takes
        #[arg(long, value_name = "CALL")]
        ask: Option<String>,
        /// The architecture that the call is made for: x86_64, x86, x32, aarch64
        #[arg(long, value_name = "ARCH", value_parser = Arch::parse, requires = "ask")]
        abi: Option<Arch>,
        /// The arguments of the call, the first one first
        #[arg(long, value_name = "N,…", value_delimiter = ',', requires = "ask",
              value_parser = |text: &str| oci::number(text).ok_or("write a number"))]
        args: Vec<u64>,
    },
    /// Run a program, and print a profile of the calls that it made
    Record {
        /// Write the profile into a new file
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The program and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Run a program as root of namespaces of its own, and make device nodes in its place
    Notify {
        /// The program and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
}

#[derive(Args)]
struct Doors {
    /// A door to close: CALL, or CALL:INDEX=VALUE to look at an argument (also != < <= > >= &MASK=)
    #[arg(long, value_name = "CALL", value_delimiter = ',', value_parser = oci::closed)]
    deny: Vec<Closed>,
    /// A profile (JSON) that says all; `container` is the one that comes with this chapter
    #[arg(long, value_name = "FILE", conflicts_with_all = ["deny", "errno", "kill", "log"])]
    allow_file: Option<PathBuf>,
    /// What a closed door answers
    #[arg(long, value_name = "ERRNO", default_value = "EPERM", value_parser = oci::errno)]
    errno: u16,
    /// A closed door kills
    #[arg(long, conflicts_with_all = ["errno", "log"])]
    kill: bool,
    /// A closed door is open, and the kernel's log tells who went through
    #[arg(long, conflicts_with = "errno")]
    log: bool,
    /// Leave out the look at the architecture, to see what it is there for
    #[arg(long)]
    any_arch: bool,
}

#[derive(Subcommand)]
enum Land {
    /// Say what this kernel's Landlock can watch over
    Show,
    /// Run a program that can reach no other files than these
    Run {
        /// It may read and run what lies below; may be given several times
        #[arg(long, value_name = "PATH")]
        read: Vec<PathBuf>,
        /// It may do everything with what lies below; may be given several times
        #[arg(long, value_name = "PATH")]
        write: Vec<PathBuf>,
        /// The program and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    match topic {
        None => run::run(&demonstration(), &curious_program()),
        Some(Topic::Sec(Sec::Run { doors, command })) => run::run(&doors.profile()?, command),
        Some(Topic::Sec(Sec::Explain { profile, doors, ask, abi, args })) => {
            let profile = match profile {
                Some(path) => oci::read(path)?,
                None => doors.profile()?,
            };
            let call = ask.as_deref().map(|name| asked(name, *abi, args)).transpose()?;
            explain::explain(&profile, call.as_ref())
        }
        Some(Topic::Sec(Sec::Record { output, command })) => {
            record::record(command, output.as_deref())
        }
        Some(Topic::Sec(Sec::Notify { command })) => mknod::supervise(command),
        Some(Topic::Land(Land::Show)) => land::show(),
        Some(Topic::Land(Land::Run { read, write, command })) => {
            land::run(&land::Kept { read: read.clone(), write: write.clone() }, command)
        }
    }
}

impl Doors {
    /// The profile that was asked for; without any flags that of the demonstration.
    fn profile(&self) -> Result<Profile> {
        let mut profile = match (&self.allow_file, self.deny.as_slice()) {
            (Some(path), _) => oci::read(path)?,
            (None, []) => demonstration(),
            (None, doors) => Profile::denying(doors.iter().map(|door| self.rule(door)).collect()),
        };
        profile.checks_architecture = !self.any_arch;
        Ok(profile)
    }

    fn rule(&self, door: &Closed) -> Rule {
        let action = match (self.kill, self.log) {
            (true, _) => Action::KillProcess,
            (_, true) => Action::Log,
            _ => Action::Errno(self.errno),
        };
        Rule { names: vec![door.name.clone()], action, args: door.args.clone() }
    }
}

// ANCHOR: demonstration
/// One door: nobody makes a directory.
fn demonstration() -> Profile {
    const EPERM: u16 = 1;
    let names = vec!["mkdir".to_string(), "mkdirat".to_string()];
    Profile::denying(vec![Rule { names, action: Action::Errno(EPERM), args: Vec::new() }])
}
// ANCHOR_END: demonstration

/// Makes a directory and removes it again, if it can.
fn curious_program() -> Vec<OsString> {
    let script = "cd /tmp && if mkdir door-$$ 2>/dev/null; then rmdir door-$$; echo mkdir: open; \
                  else echo mkdir: closed; fi; ls >/dev/null && echo everything else: open";
    ["sh", "-c", script].map(OsString::from).to_vec()
}

/// A call as a filter would see it.
fn asked(name: &str, abi: Option<Arch>, args: &[u64]) -> Result<SystemCall> {
    let arch = abi.unwrap_or(Arch::native());
    let number = arch.number(name).ok_or_else(|| {
        primitives::Error::Unusable(format!("{} has no call {name:?}", arch.name()))
    })?;
    let mut all = [0; 6];
    all.iter_mut().zip(args).for_each(|(to, from)| *to = *from);
    Ok(SystemCall { arch: arch.audit(), number, args: all })
}
