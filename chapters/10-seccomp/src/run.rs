//! How does a program get behind a filter?
//!
//! The filter is there for the program and must not stop us on the way to it. So everything is
//! prepared first, also what the trace will say, and then it goes in and the program starts in one
//! breath. Nothing of ours has to pass the filter but that one `execve`.

use std::ffi::OsString;

use primitives::{
    Birth, Child, Error, FilterFlags, Instruction, ReadyFilter, Result, Signal, Status, ToParent,
    become_program_behind, prctl_set_no_new_privs, seccomp_action_available, seccomp_on_execve,
    spawn, step, step_giving,
};

use crate::compile::compile;
use crate::profile::{Action, Profile};

/// Runs a program behind the filter of a profile, and ends as it ended.
pub(crate) fn run(profile: &Profile, command: &[OsString]) -> Result<Status> {
    let filter = compile(profile)?;
    refuse_what_cannot_be(profile)?;
    let flags = flags(profile)?;
    let child = step_giving("make a child", || make(&filter, flags, command))?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn make(filter: &[Instruction], flags: FilterFlags, command: &[OsString]) -> Result<Child> {
    let why = "have a process that can give doors up without us losing them";
    spawn("child", Birth::default(), why, |parent| live(parent, filter, flags, command))
}

fn live(
    parent: &ToParent,
    filter: &[Instruction],
    flags: FilterFlags,
    command: &[OsString],
) -> Result<u8> {
    step("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end when the one that watches over it ends")
    })?;
    // ANCHOR: shut
    step("give up gaining rights", || {
        prctl_set_no_new_privs("not let a setuid program run behind a filter it does not expect")
    })?;
    let mut doors: Option<ReadyFilter> = None;
    step("shut the doors", || {
        let why = "let the kernel ask our filter before every call";
        doors = Some(seccomp_on_execve(filter, flags, why)?);
        Ok(())
    })?;
    step_giving("become the program", || {
        become_program_behind(doors, command, "run what was asked for")
    })
    // ANCHOR_END: shut
}

/// An action that the kernel does not know would be carried out as another one.
fn refuse_what_cannot_be(profile: &Profile) -> Result<()> {
    let actions = profile.rules.iter().map(|rule| rule.action).chain([profile.default]);
    for action in actions {
        if action == Action::Notify {
            return Err(Error::Unusable(
                "SCMP_ACT_NOTIFY: here nobody listens, the call would wait for ever".into(),
            ));
        }
        if !seccomp_action_available(action.code() & 0xffff_0000) {
            let words = action.words();
            return Err(Error::Unusable(format!("this kernel's filters cannot {words}")));
        }
    }
    Ok(())
}

fn flags(profile: &Profile) -> Result<FilterFlags> {
    let mut flags = FilterFlags::empty();
    for name in &profile.flags {
        flags |= FilterFlags::from_name(name)
            .ok_or_else(|| Error::Unusable(format!("{name:?} is no flag of a filter")))?;
    }
    // It gives a descriptor to somebody, and here nobody would take it.
    Ok(flags - FilterFlags::SECCOMP_FILTER_FLAG_NEW_LISTENER)
}
