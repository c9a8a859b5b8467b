//! Chapter 2: how can two processes see different names for the same machine?
//!
//! A namespace is a table of names that some processes share: host names, process numbers, mount
//! points, network devices. A process leaves one with `unshare`, joins one with `setns`, or is made
//! in a new one by `clone3`. Which ones it is in stands in `/proc/PID/ns`.

mod demonstration;
mod enter;
mod flags;
mod ns;
mod unsharing;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use primitives::{Form, Pid, Result, Status, WindowArgs};

/// Chapter 2: names are per namespace.
///
/// Without a subcommand it gives a process a host name of its own, and shows that the machine keeps
/// its old one.
#[derive(Parser)]
#[command(name = "chapter2", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Look at namespaces, and join those of another process
    #[command(subcommand)]
    Ns(Ns),
    /// Run a program in new namespaces, as unshare(1) of util-linux does
    Unshare(Box<flags::Unshare>),
}

#[derive(Subcommand)]
enum Ns {
    /// Show the namespaces of a process, and which of them are its own
    Show {
        /// The process; without it, this one
        #[arg(value_parser = pid)]
        pid: Option<Pid>,
    },
    /// Show the tree of user and pid namespaces of this machine, with the processes in them
    Tree,
    /// Run a program in the namespaces of another process, as nsenter(1) of util-linux does
    Enter {
        /// The process whose namespaces are joined
        #[arg(value_parser = pid)]
        pid: Pid,
        /// The program and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
}

fn pid(text: &str) -> std::result::Result<Pid, String> {
    match text.parse() {
        Ok(pid) if pid > 0 => Ok(Pid::from_raw(pid)),
        _ => Err("a process is named by its number, from 1 on".to_string()),
    }
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    match topic {
        None => demonstration::a_name_of_its_own(),
        Some(Topic::Ns(Ns::Show { pid })) => ns::show(*pid),
        Some(Topic::Ns(Ns::Tree)) => ns::tree(),
        Some(Topic::Ns(Ns::Enter { pid, command })) => enter::enter(*pid, command),
        Some(Topic::Unshare(wanted)) => unsharing::unshare_and_run(wanted),
    }
}
