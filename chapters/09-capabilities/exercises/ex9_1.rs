//! Exercise 9.1: Root of little (10 minutes)
//!
//! A process that gives up capabilities has fewer, until it runs the next program: `execve` of user 0
//! gives everything back that can still be had. Write a program that runs `CMD` as user 0 of a user
//! namespace with the capabilities `CAPS` and no others, and so that nothing that `CMD` runs can have
//! more.
//!
//! - `CMD` is user 0 in there. The starter makes it so, and gives up what is permitted.
//! - `CMD` has exactly `CAPS`, permitted and effective, and can never have any other.
//! - Nothing is inheritable.
//!
//! Your program is started as `ex9_1 --keep CAPS -- CMD [ARGUMENT …]`, where `CAPS` are names with
//! commas between them, and ends with the exit code of `CMD`. The grader draws `CAPS`. Its `CMD`
//! waits, and meanwhile the grader reads `/proc/PID/status` from outside.
//!
//! hint: Run the starter with `-- grep Cap /proc/self/status`. Which of the five sets did `capset`
//!       change, and what has `execve` made of that?
//! hint: For user 0 `execve` computes: permitted is what is inheritable, and all of the bounding set.
//!       How does the bounding set get smaller?
//! hint: `prctl_capbset_drop(Capabilities::all().without(keep), …)`, before `capset`: it takes
//!       CAP_SETPCAP, which may be among what is given up.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Capabilities, CapabilitySets, Child, Form, IdMap, Namespaces, Result, Status, ToParent,
    WindowArgs, become_program, capset, deny_setgroups, own_ids, spawn, step, step_giving,
    write_gid_map, write_uid_map,
};

// SOLUTION
use primitives::prctl_capbset_drop;
// END SOLUTION

/// Runs CMD as root of a user namespace, with few capabilities.
#[derive(Parser)]
#[command(name = "ex9_1")]
struct Cli {
    /// What CMD shall have
    #[arg(long, value_name = "CAPS", value_delimiter = ',', value_parser = capability)]
    keep: Vec<Capabilities>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| run(&cli.keep, &cli.command))
}

fn capability(name: &str) -> std::result::Result<Capabilities, String> {
    Capabilities::named(name).ok_or_else(|| format!("{name:?} is no capability"))
}

fn run(keep: &[Capabilities], command: &[OsString]) -> Result<Status> {
    let keep = keep.iter().fold(Capabilities::NONE, |all, one| all.and(*one));
    let birth = Birth { namespaces: Namespaces::CLONE_NEWUSER, cgroup: None };
    let mut child = step_giving("make a child", || {
        let why = "have a process that may do everything in there";
        spawn("child", birth, why, |parent| live_inside(parent, keep, command))
    })?;
    introduce(&mut child, 0)?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

/// Says who is who in there, and lets the child go on.
fn introduce(child: &mut Child, user: u32) -> Result<()> {
    let (uid, gid) = own_ids();
    let pid = child.pid();
    step("map the user and the group", || {
        deny_setgroups(Some(pid), "be allowed to map a group")?;
        write_uid_map(Some(pid), &[IdMap::one(user, uid)], "say who we are in there")?;
        write_gid_map(Some(pid), &[IdMap::one(0, gid)], "say in which group we are in there")
    })?;
    step("let it go on", || child.release("tell the child that it is somebody now"))
}

fn live_inside(parent: &ToParent, keep: Capabilities, command: &[OsString]) -> Result<u8> {
    step("wait for the map", || parent.wait("be root before the program starts"))?;
    // STARTER: // This lasts until the next execve.
    // SOLUTION
    step("shrink the bounding set", || {
        prctl_capbset_drop(Capabilities::all().without(keep), "let no execve give them back")
    })?;
    // END SOLUTION
    step("give up the others", || {
        let inheritable = Capabilities::NONE;
        capset(CapabilitySets { effective: keep, permitted: keep, inheritable }, "have little")
    })?;
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
