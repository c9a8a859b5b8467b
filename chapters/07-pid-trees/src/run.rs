//! What does it take to run a program as if it were the first on its machine?
//!
//! One request makes the process and its namespaces. Our own process stays outside: a process cannot
//! change its number, so whoever is to be number 1 must be born as it.

use std::path::Path;

use primitives::{
    Birth, Child, IdMap, MsFlags, Namespaces, Pid, Result, Signal, Status, ToParent,
    become_program, deny_setgroups, mount_change, own_ids, spawn, step, step_giving, write_gid_map,
    write_uid_map,
};

use crate::demonstration::mount_proc;
use crate::terminal::Terminal;
use crate::{Run, init};

// ANCHOR: run
/// Runs a program in a pid namespace of its own and ends as it ended.
pub(crate) fn run(wanted: &Run) -> Result<Status> {
    let kinds = namespaces(wanted);
    let terminal = Terminal::ours();
    let mut child = step_giving("make the first process", || {
        let why = "have a process that is number 1 in its pid namespace";
        spawn("init", Birth { namespaces: kinds, cgroup: None }, why, |parent| {
            live_inside(parent, wanted, kinds, terminal.as_ref())
        })
    })?;
    if kinds.contains(Namespaces::CLONE_NEWUSER) {
        make_it_root(&mut child)?;
    }
    let status = step_giving("take its status", || child.finish("pass its exit code on"));
    terminal.map_or(Ok(()), |terminal| terminal.take_back())?;
    status
}
// ANCHOR_END: run

/// Root needs no user namespace to make the others; everybody else does.
fn namespaces(wanted: &Run) -> Namespaces {
    let kinds = Namespaces::CLONE_NEWPID | Namespaces::CLONE_NEWNS;
    match own_ids() {
        (0, _) if !wanted.user => kinds,
        _ => kinds | Namespaces::CLONE_NEWUSER,
    }
}

fn make_it_root(child: &mut Child) -> Result<()> {
    child.beside(map_root)?;
    step("let it go on", || child.release("tell it that it is root in there"))
}

fn map_root(child: Pid) -> Result<()> {
    let (uid, gid) = own_ids();
    step("deny setgroups", || deny_setgroups(Some(child), "be allowed to map a group"))?;
    step("map the user", || {
        write_uid_map(Some(child), &[IdMap::one(0, uid)], "make root in there the same as us")
    })?;
    step("map the group", || {
        write_gid_map(Some(child), &[IdMap::one(0, gid)], "make its group the same as ours")
    })
}

// ANCHOR: inside
fn live_inside(
    parent: &ToParent,
    wanted: &Run,
    kinds: Namespaces,
    terminal: Option<&Terminal>,
) -> Result<u8> {
    step("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end, and all others in here with it, when its parent ends")
    })?;
    if kinds.contains(Namespaces::CLONE_NEWUSER) {
        step_giving("wait for the maps", || parent.wait("not run anything before it is somebody"))?;
    }
    step("cut the mount ties", || {
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount_change(Path::new("/"), private, "keep our /proc from covering everybody's")
    })?;
    if !wanted.no_proc {
        step("mount proc", || mount_proc("let programs see the processes in here, and no others"))?;
    }
    match wanted.init {
        true => init::look_after(&wanted.command, terminal).map(Status::code),
        false => step_giving("become the program", || {
            become_program(&wanted.command, "run what was asked for, as process 1")
        }),
    }
}
// ANCHOR_END: inside
