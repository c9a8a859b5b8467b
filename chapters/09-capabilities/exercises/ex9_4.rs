//! Exercise 9.4: The order of giving up (15 minutes)
//!
//! Each right that is given up may be one that a later request needs. Write a program that runs `CMD`
//! as user 0 of a user namespace with nothing at all: no capability in any set, nothing that `execve`
//! could give, and user 0 no better than others.
//!
//! - All five sets of `CMD` are empty.
//! - `execve` gives `CMD` no new privileges.
//! - The secure bit `SECBIT_NOROOT` is set, and locked.
//!
//! The starter makes all of these requests, in an order that the kernel refuses. There are several
//! orders that it takes.
//!
//! Your program is started as `ex9_4 -- CMD [ARGUMENT …]` and ends with the exit code of `CMD`, which
//! the grader draws. Its `CMD` waits, and meanwhile the grader reads `/proc/PID/status` from outside;
//! secure bits are shown to nobody, so for these it looks into the trace.
//!
//! hint: Run the starter. Which request is refused, and what does the message say it needs?
//! hint: Two of the four requests need CAP_SETPCAP, and one of the four takes it away.
//! hint: The bounding set and the secure bits first, in any order; then `capset`. When does
//!       `no_new_privs` come? It needs no right and takes none, so anywhere.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Capabilities, CapabilitySets, Child, Form, IdMap, Namespaces, Result, SecureBits,
    Status, ToParent, WindowArgs, become_program, capset, deny_setgroups, own_ids,
    prctl_capbset_drop, prctl_set_no_new_privs, prctl_set_securebits, spawn, step, step_giving,
    write_gid_map, write_uid_map,
};

/// Runs CMD as root of a user namespace, with nothing.
#[derive(Parser)]
#[command(name = "ex9_4")]
struct Cli {
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| run(&cli.command))
}

fn run(command: &[OsString]) -> Result<Status> {
    let birth = Birth { namespaces: Namespaces::CLONE_NEWUSER, cgroup: None };
    let mut child = step_giving("make a child", || {
        let why = "have a process that may do everything in there";
        spawn("child", birth, why, |parent| live_inside(parent, command))
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

fn live_inside(parent: &ToParent, command: &[OsString]) -> Result<u8> {
    step("wait for the map", || parent.wait("be root before the program starts"))?;
    // STARTER: have_nothing()?;
    // STARTER: gain_nothing()?;
    // STARTER: be_nobody_special()?;
    // STARTER: get_nothing_back()?;
    // SOLUTION
    get_nothing_back()?;
    be_nobody_special()?;
    have_nothing()?;
    gain_nothing()?;
    // END SOLUTION
    step_giving("become the program", || become_program(command, "run what was asked for"))
}

fn have_nothing() -> Result<()> {
    step("have nothing", || capset(CapabilitySets::default(), "be capable of nothing"))
}

fn gain_nothing() -> Result<()> {
    step("gain nothing", || prctl_set_no_new_privs("get nothing from a file either"))
}

fn be_nobody_special() -> Result<()> {
    let bits = SecureBits::SECBIT_NOROOT | SecureBits::SECBIT_NOROOT_LOCKED;
    step("be nobody special", || prctl_set_securebits(bits, "have no use of being user 0"))
}

fn get_nothing_back() -> Result<()> {
    step("get nothing back", || prctl_capbset_drop(Capabilities::all(), "have nothing to get"))
}
