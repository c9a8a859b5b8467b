//! A machine in miniature: a network namespace, and the power over it.

use std::ffi::OsString;

use primitives::{
    Birth, Child, IdMap, Namespaces, Pid, Result, Signal, Status, ToParent, become_program,
    deny_setgroups, link_set_up, own_ids, spawn, step, step_giving, write_gid_map, write_uid_map,
};

use crate::look;

// ANCHOR: machine
/// Lets `life` be led in a machine in miniature, and ends as it ends. When it is over, all its devices,
/// addresses and rules are gone with it.
pub(crate) fn in_miniature(life: impl FnOnce() -> Result<Status>) -> Result<Status> {
    let child = make("machine", |parent| {
        begin(parent)?;
        Ok(life()?.code())
    })?;
    released(child)
}

/// A process in a user and a network namespace of its own, which waits to be root there.
pub(crate) fn make(
    role: &'static str,
    life: impl FnOnce(&ToParent) -> Result<u8>,
) -> Result<Child> {
    let namespaces = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNET;
    let mut child = step_giving("make a network namespace", || {
        let why = "have a network with nothing in it, and the power over it";
        spawn(role, Birth { namespaces, cgroup: None }, why, life)
    })?;
    child.beside(map_root)?;
    Ok(child)
}
// ANCHOR_END: machine

/// The beginning of a life in there.
pub(crate) fn begin(parent: &ToParent) -> Result<()> {
    step("tie to the parent", || parent.tie(Signal::SIGKILL, "end when the parent ends"))?;
    step_giving("wait for the maps", || parent.wait("be root in here"))
}

/// Lets it go on, and passes its exit code on.
pub(crate) fn released(mut child: Child) -> Result<Status> {
    step_giving("let it go on", || child.release("tell it that it may go on"))?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn map_root(child: Pid) -> Result<()> {
    let (uid, gid) = own_ids();
    step("map root", || {
        deny_setgroups(Some(child), "be allowed to map a group")?;
        write_uid_map(Some(child), &[IdMap::one(0, uid)], "make root in there the same as us")?;
        write_gid_map(Some(child), &[IdMap::one(0, gid)], "make its group the same as ours")
    })
}

// ANCHOR: alone
/// Runs a program in a network namespace that is connected to nothing.
pub(crate) fn alone(command: &[OsString]) -> Result<Status> {
    let child = make("child", |parent| {
        begin(parent)?;
        step("switch lo on", || link_set_up("lo", "let it reach itself"))?;
        become_it(command)
    })?;
    released(child)
}
// ANCHOR_END: alone

/// Becomes the program that was asked for; when none was, says what there is.
pub(crate) fn become_it(command: &[OsString]) -> Result<u8> {
    if command.is_empty() {
        return look::around();
    }
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
