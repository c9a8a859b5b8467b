//! Exercise 2.1: Who is in here with me? (15 minutes)
//!
//! A namespace has no name and no list of members. It has an inode, and every process has a link to
//! it in `/proc/PID/ns`. Write a program that finds the members of one namespace.
//!
//! Your program is started as `ex2_1 KIND PID`, where `KIND` is `uts`, `ipc` or another name in
//! `/proc/PID/ns`. It prints, on standard output:
//!
//! - first the namespace of that kind in which process `PID` is, as the kernel writes it:
//!   `uts:[4026531838]`;
//! - then the pid of every process that is in the same namespace, one on each line, `PID` among
//!   them.
//!
//! Processes come and go while you look, and some belong to other users: pass over those that you
//! cannot read. Here the printing is the task. The grader starts a random number of processes in
//! namespaces of their own, asks for two kinds, and compares what you print with what it reads from
//! `/proc` before and after. Nothing needs to be changed for this, so the trace must stay empty.
//!
//! hint: `ls -l /proc/self/ns` shows what the links look like. Two processes are in the same
//!       namespace when the numbers in the brackets are equal.
//! hint: `primitives::namespaces_of(Some(pid))` reads all links of one process, with their names
//!       and inodes. An error means that the process is gone or not yours to read.
//! hint: Find the inode of `PID` once and print it. Then go through `processes()`, and print those
//!       whose namespace of the same name has the same inode.

use std::process::ExitCode;

use clap::Parser;
use primitives::{Form, Pid, Result, Status, WindowArgs};

// SOLUTION
use primitives::{Error, namespaces_of};
// END SOLUTION

/// Prints a namespace and the processes in it.
#[derive(Parser)]
#[command(name = "ex2_1")]
struct Cli {
    /// The kind of namespace, by its name in /proc/PID/ns
    #[arg(value_name = "KIND")]
    kind: String,
    /// A process in the namespace
    #[arg(value_name = "PID")]
    pid: i32,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(
        Form::Pretty,
        |cli: &Cli| &cli.window,
        |cli| print_members(&cli.kind, Pid::from_raw(cli.pid)),
    )
}

fn print_members(kind: &str, pid: Pid) -> Result<Status> {
    // STARTER: // Print the namespace of `pid`, then those in it. This prints everybody.
    // STARTER: println!("{kind}:[0]");
    // STARTER: for process in processes() {
    // STARTER:     println!("{process}");
    // STARTER: }
    // STARTER: let _ = pid;
    // SOLUTION
    let Some(inode) = inode(kind, pid) else {
        return Err(Error::Unusable(format!(
            "the {kind} namespace of process {pid} cannot be read"
        )));
    };
    println!("{kind}:[{inode}]");
    for process in processes() {
        if self::inode(kind, process) == Some(inode) {
            println!("{process}");
        }
    }
    // END SOLUTION
    Ok(Status::Exited(0))
}

// SOLUTION
/// The inode of a process's namespace; none when the process is gone or not ours to read.
fn inode(kind: &str, process: Pid) -> Option<u64> {
    let all = namespaces_of(Some(process)).ok()?;
    let namespace = all.into_iter().find(|namespace| namespace.name == kind)?;
    Some(namespace.inode)
}
// END SOLUTION

/// Every process of this machine that can be seen from here.
fn processes() -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    let numbers = names.filter_map(|name| name.to_string_lossy().parse().ok());
    numbers.map(Pid::from_raw).collect()
}
