//! How does a program start? The four steps that every shell and every runtime does.

use std::ffi::OsString;

use primitives::{
    Birth, Child, Result, Signal, Status, ToParent, become_program, close_range_on_exec, fork,
    spawn as clone3, step, step_giving,
};

use crate::By;

// ANCHOR: spawn
/// Runs a program in a process of its own, and ends as it ended.
pub(crate) fn spawn(by: By, command: &[OsString]) -> Result<Status> {
    let child = step_giving("make a child", || make(by, command))?;
    step_giving("take its status", || {
        child.finish("learn how it ended and let the kernel forget it")
    })
}
// ANCHOR_END: spawn

// ANCHOR: make
fn make(by: By, command: &[OsString]) -> Result<Child> {
    let why = "have a process that can become another program";
    match by {
        By::Fork => fork("child", why, |parent| become_it(parent, command)),
        By::Clone3 => clone3("child", Birth::default(), why, |parent| become_it(parent, command)),
    }
}
// ANCHOR_END: make

// ANCHOR: become
/// What the child does: a copy of us until the last line, where it becomes somebody else.
pub(crate) fn become_it(parent: &ToParent, command: &[OsString]) -> Result<u8> {
    step("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end when the one that watches over it ends")
    })?;
    step("close the rest", || {
        close_range_on_exec(3, "hand on standard input, output and error and nothing else")
    })?;
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
// ANCHOR_END: become

/// A child that only looks around; it runs code of ours and no other program.
pub(crate) fn small(
    role: &'static str,
    why: &'static str,
    body: impl FnOnce(&ToParent) -> Result<u8>,
) -> Result<Child> {
    clone3(role, Birth::default(), why, body)
}
