//! Chapter 9: what may root in a container still do, and how does one give that up?
//!
//! The rights of root are cut into pieces, the capabilities. A process has five sets of them, and
//! `execve` computes them anew. So giving some up is easy, and giving them up for ever is a list of
//! requests in an order, because the right to make the later ones is among what is given up.

mod demonstration;
mod ids;
mod names;
mod run;
mod show;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use primitives::{
    Capabilities, Form, Limit, Pid, Resource, Result, SecureBits, Status, WindowArgs,
};

/// Chapter 9: less than root.
///
/// Without a subcommand a process that may do everything gives up one capability, and looks what it
/// cannot do any more. None of it needs root.
#[derive(Parser)]
#[command(name = "chapter9", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Look at capabilities, and give them up
    #[command(subcommand)]
    Cap(Cap),
    /// Run programs as other users
    #[command(subcommand)]
    User(User),
}

#[derive(Subcommand)]
enum Cap {
    /// Show the five sets of a process
    Show {
        /// The process; without it, this one
        #[arg(value_parser = ids::pid)]
        pid: Option<Pid>,
    },
    /// Run a program with fewer capabilities, in a user namespace where it could have all
    Run(CapRun),
}

#[derive(Subcommand)]
enum User {
    /// Run a program as a user and a group, with the limits that belong to them
    Run(UserRun),
}

#[derive(Args)]
struct CapRun {
    /// Keep these and no others, as in NET_RAW,cap_chown
    #[arg(long, value_name = "CAP,…", value_delimiter = ',', value_parser = names::capabilities)]
    keep: Vec<Capabilities>,
    /// Give these up, or "all"
    #[arg(
        long, value_name = "CAP,…", value_delimiter = ',', value_parser = names::capabilities,
        conflicts_with = "keep"
    )]
    drop: Vec<Capabilities>,
    /// Hand these on even to a program of an ordinary user
    #[arg(long, value_name = "CAP,…", value_delimiter = ',', value_parser = names::capabilities)]
    ambient: Vec<Capabilities>,
    /// Let a program whose file has them as inheritable get these from us
    #[arg(long, value_name = "CAP,…", value_delimiter = ',', value_parser = names::capabilities)]
    inheritable: Vec<Capabilities>,
    /// How special user 0 is, as in noroot,noroot-locked
    #[arg(long, value_name = "BIT,…", value_delimiter = ',', value_parser = names::secure_bit)]
    securebits: Vec<SecureBits>,
    /// Become this user
    #[arg(long, value_name = "N", value_parser = ids::id, allow_hyphen_values = true, requires = "gid")]
    uid: Option<u32>,
    /// Become this group
    #[arg(long, value_name = "N", value_parser = ids::id, allow_hyphen_values = true, requires = "uid")]
    gid: Option<u32>,
    /// Let no execve give anything back
    #[arg(long)]
    no_new_privs: bool,
    /// Give up the capabilities before the user changes: the wrong order, to see why
    #[arg(long, requires = "uid")]
    drop_first: bool,
    /// The program and its arguments; without it, this one shows its five sets
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Args)]
struct UserRun {
    /// Become this user
    #[arg(long, value_name = "N", value_parser = ids::id, allow_hyphen_values = true)]
    uid: u32,
    /// Become this group
    #[arg(long, value_name = "N", value_parser = ids::id, allow_hyphen_values = true)]
    gid: u32,
    /// And be in these groups besides; without it, in none
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = ids::id, allow_hyphen_values = true)]
    groups: Vec<u32>,
    /// The permission bits that new files do not get, in octal
    #[arg(long, value_name = "MASK", value_parser = ids::mask)]
    umask: Option<u32>,
    /// A limit, as in nofile=64:128; may be given several times
    #[arg(long, value_name = "NAME=SOFT:HARD", value_parser = ids::limit)]
    rlimit: Vec<(Resource, Limit)>,
    /// Let no execve give anything back
    #[arg(long)]
    no_new_privs: bool,
    /// The program and its arguments; without it, this one shows its five sets
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    match topic {
        None => demonstration::give_one_up(),
        Some(Topic::Cap(Cap::Show { pid })) => show::show(*pid),
        Some(Topic::Cap(Cap::Run(wanted))) => run::run(run::Plan::with_capabilities(wanted)?),
        Some(Topic::User(User::Run(wanted))) => run::run(run::Plan::as_user(wanted)?),
    }
}
