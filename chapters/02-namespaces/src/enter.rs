//! How does one get into a container that is running already?
//!
//! By joining its namespaces: one pidfd, one `setns` for all of them. For a pid namespace that counts
//! for children only, so there is one more process.

use std::ffi::OsString;

use primitives::{
    Birth, Error, KINDS, Namespaces, Pid, Result, Signal, Status, ToParent, become_program,
    namespaces_of, pidfd_open, setns_of_process, spawn, step, step_giving,
};
use std::os::fd::AsFd;

/// Runs a program in the namespaces of another process.
pub(crate) fn enter(pid: Pid, command: &[OsString]) -> Result<Status> {
    let kinds = kinds_that_differ(pid)?;
    let child = step_giving("make a child", || {
        let why = "have somebody to join, while we stay and watch";
        spawn("child", Birth::default(), why, |parent| join_and_run(parent, pid, kinds, command))
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

// ANCHOR: enter
fn join_and_run(
    parent: &ToParent,
    pid: Pid,
    kinds: Namespaces,
    command: &[OsString],
) -> Result<u8> {
    let target = step_giving("open the process", || {
        pidfd_open(pid, "mean this process, even if another one gets its number")
    })?;
    step("join its namespaces", || {
        setns_of_process(target.as_fd(), kinds, "have the same names as the process")
    })?;
    // Not before: joining a user namespace changes rights, and with that the kernel forgets the tie.
    step("tie to the parent", || parent.tie(Signal::SIGKILL, TIE))?;
    let inside = step_giving("make a member", || {
        let why = "have a process that is born in the pid namespace that we joined";
        spawn("member", Birth::default(), why, |parent| live_inside(parent, command))
    })?;
    let status = step_giving("take the member's status", || inside.finish("pass its code on"))?;
    Ok(status.code())
}
// ANCHOR_END: enter

fn live_inside(parent: &ToParent, command: &[OsString]) -> Result<u8> {
    step("tie to the parent", || parent.tie(Signal::SIGKILL, TIE))?;
    step_giving("become the program", || become_program(command, "run what was asked for"))
}

const TIE: &str = "end when the one that watches over it ends";

/// Joining a user namespace that one is in already is an error, so only what differs is joined.
fn kinds_that_differ(pid: Pid) -> Result<Namespaces> {
    let unreadable = |e: std::io::Error| {
        Error::Unusable(format!("the namespaces of process {pid} cannot be read: {e}"))
    };
    let (ours, theirs) = (namespaces_of(None).map_err(unreadable)?, namespaces_of(Some(pid)));
    let theirs = theirs.map_err(unreadable)?;
    let differ = |name: &str| {
        theirs.iter().any(|namespace| namespace.name == name && !ours.contains(namespace))
    };
    let kinds: Namespaces =
        KINDS.into_iter().filter(|(name, _)| differ(name)).map(|(_, kind)| kind).collect();
    match kinds.is_empty() {
        true => {
            Err(Error::Unusable(format!("process {pid} is in the same namespaces as this one")))
        }
        false => Ok(kinds),
    }
}
