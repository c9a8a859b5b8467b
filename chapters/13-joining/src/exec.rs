//! How does another program get into a container that runs?
//!
//! A process goes ahead. It enters the cgroups, makes itself untouchable, and joins everything; then it
//! makes a sibling in there and is gone. The sibling is a process of the container with a parent
//! outside: it takes a terminal if one is wanted, gives up what the others in there have not, and
//! becomes the program.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use primitives::{
    Birth, Child, Error, Namespaces, Result, Signal, Status, ToParent, become_program,
    close_range_on_exec, prctl_set_dumpable, relay, setsid, spawn, step, step_giving,
};

use crate::join::Kind;
use crate::target::Target;
use crate::{cgroups, join, terminal};

/// What a visitor shall do.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    /// Whether it gets a terminal.
    pub(crate) tty: bool,
    /// Who gets the end for people; none: we sit at it.
    pub(crate) console_socket: Option<&'a Path>,
    /// In which order it joins; empty: all at once.
    pub(crate) order: &'a [Kind],
    pub(crate) command: &'a [OsString],
}

// ANCHOR: exec
/// Runs a program in the target's container and ends as it ended.
pub(crate) fn exec(target: &Target, visit: &Visit<'_>) -> Result<Status> {
    if target.rights.is_filtered {
        eprintln!(
            "note: a filter decides what is called in there, and it cannot be had from there"
        );
    }
    let mut child = step_giving("send somebody ahead", || {
        let why = "have a process that can go in, while we stay out here";
        spawn("join", Birth::default(), why, |parent| go_ahead(parent, target, visit))
    })?;
    step_giving("meet who is in there", || {
        child.succeeded("visitor", "have the one in there for a child")
    })?;
    if !visit.tty {
        return step_giving("take its status", || child.finish("pass its exit code on"));
    }
    let master = terminal::take(&mut child)?;
    match visit.console_socket {
        Some(socket) => {
            child.beside(|_| terminal::hand_over(master, socket))?;
            let_it_speak(&mut child)?;
            step_giving("take its status", || child.finish("pass its exit code on"))
        }
        None => sit_at_it(child, &master),
    }
}
// ANCHOR_END: exec

// ANCHOR: ahead
fn go_ahead(parent: &ToParent, target: &Target, visit: &Visit<'_>) -> Result<u8> {
    // The files of the cgroups are the host's, and so is the right to write to them.
    cgroups::enter(&target.cgroups)?;
    step_giving("hide from those in there", || {
        prctl_set_dumpable(false, "let nobody reach into this process before its program runs")
    })?;
    join::join(target, visit.order)?;
    // Not us: a process keeps the number that it was born with.
    step_giving("make the visitor", || {
        let why = "have a process with a number in there, and go";
        parent.succeed("visitor", Namespaces::empty(), why, |parent| live(parent, target, visit))
    })?;
    Ok(0)
}
// ANCHOR_END: ahead

// ANCHOR: live
fn live(parent: &ToParent, target: &Target, visit: &Visit<'_>) -> Result<u8> {
    step("tie to the parent", || parent.tie(Signal::SIGKILL, "end when who sent it ends"))?;
    step("lead a session", || setsid("have no part in the terminal of whoever sent it").map(drop))?;
    if visit.tty {
        let peer = terminal::open(parent)?;
        step_giving("wait for its other end", || {
            parent.wait("not speak before somebody sits there")
        })?;
        terminal::sit_down(&peer)?;
    }
    target.rights.give_up_the_rest()?;
    step("close the rest", || {
        close_range_on_exec(3, "bring nothing along that leads out, whoever opened it")
    })?;
    step_giving("become the program", || become_program(visit.command, "run what was asked for"))
}
// ANCHOR_END: live

fn let_it_speak(child: &mut Child) -> Result<()> {
    step_giving("let it speak", || child.release("tell it that somebody sits there"))
}

fn sit_at_it(mut child: Child, master: &OwnedFd) -> Result<Status> {
    child.beside(|_| terminal::get_ready(master))?;
    let_it_speak(&mut child)?;
    let raw = terminal::sit_in_front()?;
    child.watch_it_go()?;
    step_giving("stay until it ends", || {
        let pidfd = child.pidfd().ok_or_else(|| Error::Unusable("there is no pidfd".into()))?;
        relay(child.pid(), pidfd.as_fd(), Some(master.as_fd()), "pass on what is typed and said")?;
        drop(raw);
        child.attend("pass its exit code on")
    })
}
