//! Exercise 9.2: Nobody special, with one thing (15 minutes)
//!
//! A server that listens on port 80 needs CAP_NET_BIND_SERVICE and not root. But `execve` leaves an
//! ordinary user no capability, unless it is in the ambient set. Write a program that runs `CMD` as
//! user `N` with the one capability `CAP`.
//!
//! - `CMD` is user `N` in a user namespace, which is not 0. The starter makes it so.
//! - `CAP` is permitted, effective and ambient in `CMD`, and no other capability is.
//!
//! Your program is started as `ex9_2 --user N --keep CAP -- CMD [ARGUMENT …]` and ends with the exit
//! code of `CMD`. The grader draws `N` and `CAP`. Its `CMD` waits, and meanwhile the grader reads
//! `/proc/PID/status` and `/proc/PID/uid_map` from outside.
//!
//! hint: Run the starter with `-- grep Cap /proc/self/status`. It has had all capabilities, and what
//!       is left of them?
//! hint: Three sets have to hold `CAP` before it can be put into the ambient one. Its card says which
//!       two of them it asks for.
//! hint: `capset` with `CAP` in all three of `effective`, `permitted` and `inheritable`, and then
//!       `prctl_cap_ambient_raise(keep, …)`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Capabilities, Child, Form, IdMap, Namespaces, Result, Status, ToParent, WindowArgs,
    become_program, deny_setgroups, own_ids, spawn, step, step_giving, write_gid_map,
    write_uid_map,
};

// SOLUTION
use primitives::{CapabilitySets, capset, prctl_cap_ambient_raise};
// END SOLUTION

/// Runs CMD as an ordinary user of a user namespace, with one capability.
#[derive(Parser)]
#[command(name = "ex9_2")]
struct Cli {
    /// Who CMD shall be in there
    #[arg(long, value_name = "N")]
    user: u32,
    /// What CMD shall have
    #[arg(long, value_name = "CAP", value_parser = capability)]
    keep: Capabilities,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(
        Form::Pretty,
        |cli: &Cli| &cli.window,
        |cli| run(cli.user, cli.keep, &cli.command),
    )
}

fn capability(name: &str) -> std::result::Result<Capabilities, String> {
    Capabilities::named(name).ok_or_else(|| format!("{name:?} is no capability"))
}

fn run(user: u32, keep: Capabilities, command: &[OsString]) -> Result<Status> {
    let birth = Birth { namespaces: Namespaces::CLONE_NEWUSER, cgroup: None };
    let mut child = step_giving("make a child", || {
        let why = "have a process that may do everything in there";
        spawn("child", birth, why, |parent| live_inside(parent, keep, command))
    })?;
    introduce(&mut child, user)?;
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
    step("wait for the map", || parent.wait("be somebody before the program starts"))?;
    // STARTER: // All capabilities are here still. What has `keep` to be in, to outlive the execve?
    // STARTER: let _ = keep;
    // SOLUTION
    step("give up the others", || {
        let sets = CapabilitySets { effective: keep, permitted: keep, inheritable: keep };
        capset(sets, "have one, and be allowed to hand it on")
    })?;
    step("raise the ambient set", || {
        prctl_cap_ambient_raise(keep, "keep it through execve without being root")
    })?;
    // END SOLUTION
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
