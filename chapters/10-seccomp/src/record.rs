//! Which calls does a program make? Nobody knows by heart, so one lets it run and listens.
//!
//! Here the filter decides nothing. It holds back every call until we have seen its number and let it
//! pass. That is slow, and it tells of this one run only: what the program would have called on
//! another day is not in the list.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use primitives::{
    Birth, Child, Error, Notification, Result, Signal, Status, ToParent, become_program, create,
    lifelines, prctl_set_no_new_privs, seccomp_hand_over_listener, seccomp_notif_let_pass, spawn,
    step, step_giving,
};

use crate::arch::Arch;
use crate::compile::compile;
use crate::oci::allowing;
use crate::profile::{Action, Compare, Op, Profile, Rule};

// ANCHOR: record
/// Runs a program and writes down, as a profile, which calls it made.
pub(crate) fn record(command: &[OsString], output: Option<&Path>) -> Result<Status> {
    let mut child = step_giving("make a child", || make(command))?;
    let listener = step_giving("hear its calls", || {
        child.receive_fd("be the one whom the kernel asks before each of its calls")
    })?;
    let mut seen = Seen::default();
    step("let them pass", || listen(&child, &listener, &mut seen))?;
    let status = step_giving("take its status", || child.finish("pass its exit code on"))?;
    write_down(&seen, output)?;
    Ok(status)
}

fn listen(child: &Child, listener: &OwnedFd, seen: &mut Seen) -> Result<()> {
    let pidfd = child.pidfd().ok_or(Error::Unusable("there is no pidfd".into()))?;
    let look = |asked: &Notification| seen.note(asked);
    seccomp_notif_let_pass(listener.as_fd(), pidfd, look, "see what it asks the kernel for")
}
// ANCHOR_END: record

fn make(command: &[OsString]) -> Result<Child> {
    let why = "have a process that can be listened to";
    spawn("child", Birth::default(), why, |parent| live(parent, command))
}

fn live(parent: &ToParent, command: &[OsString]) -> Result<u8> {
    // Not to be left out: whoever waits for an answer that nobody gives waits for ever.
    step_giving("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end when the one that answers its calls ends")
    })?;
    step("give up gaining rights", || {
        prctl_set_no_new_privs("be allowed to put a filter in without being root")
    })?;
    step_giving("be heard", || {
        let filter = compile(&everything_but(&lifelines()))?;
        let why = "hold back every call until somebody has looked at it";
        seccomp_hand_over_listener(parent, &filter, why, "let the parent be that somebody")
    })?;
    step_giving("become the program", || become_program(command, "run what was asked for"))
}

// ANCHOR: everything
/// Every call waits to be looked at, but not those by which this process tells its parent who is to
/// look: it would wait for somebody who waits for it.
fn everything_but(lifelines: &[i32]) -> Profile {
    let on = |fd: &i32| Rule {
        names: vec!["sendmsg".into(), "sendto".into()],
        action: Action::Allow,
        args: vec![Compare { index: 0, op: Op::Eq, value: u64::from(fd.unsigned_abs()) }],
    };
    let rules = lifelines.iter().map(on).collect();
    Profile { default: Action::Notify, ..Profile::denying(rules) }
}
// ANCHOR_END: everything

/// What a program has called.
#[derive(Default)]
struct Seen {
    /// Before its execve it is still we who call.
    started: bool,
    names: BTreeSet<&'static str>,
    unknown: BTreeSet<(u32, u32)>,
}

impl Seen {
    fn note(&mut self, asked: &Notification) {
        let (audit, number) = (asked.call.arch, asked.call.number);
        let arch = Arch::of(audit, number).filter(|arch| *arch == Arch::native());
        let name = arch.and_then(|arch| arch.call(number));
        self.started |= name == Some("execve");
        match name {
            _ if !self.started => {}
            Some(name) => drop(self.names.insert(name)),
            None => drop(self.unknown.insert((audit, number))),
        }
    }
}

fn write_down(seen: &Seen, output: Option<&Path>) -> Result<()> {
    for (audit, number) in &seen.unknown {
        eprintln!("note: call {number} of architecture {audit:#x} is not in the profile");
    }
    let names: Vec<&str> = seen.names.iter().copied().collect();
    let text = allowing(&names);
    match output {
        None => println!("{text}"),
        Some(path) => step("write the profile", || {
            let text = format!("{text}\n");
            create(path, text.as_bytes(), 0o644, "keep what was seen for the next run")
        })?,
    }
    Ok(())
}
