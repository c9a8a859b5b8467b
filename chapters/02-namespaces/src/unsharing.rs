//! What does `unshare -uinpUrf --mount-proc CMD` do, request by request?
//!
//! Our own process stays outside and watches. Its child leaves the shared namespaces, says who is
//! who in the new user namespace, and, with `--fork`, makes the process that is pid 1 in the new pid
//! namespace; without it, it becomes the program itself.

use std::ffi::OsString;
use std::path::Path;

use primitives::{
    Birth, Error, IdMap, MsFlags, Namespaces, Result, Signal, Status, ToParent, become_program,
    chdir, chroot, deny_setgroups, mount_change, mount_new, own_ids, setgroups, setresgid,
    setresuid, spawn, step, step_giving, unshare, write_gid_map, write_uid_map,
};

use crate::flags::{Setgroups, Unshare};

// ANCHOR: outside
/// Runs a program in new namespaces and ends as it ended.
pub(crate) fn unshare_and_run(wanted: &Unshare) -> Result<Status> {
    check(wanted)?;
    let child = step_giving("make a child", || {
        let why = "have somebody to leave, while we stay and watch";
        spawn("child", Birth::default(), why, |parent| leave_and_run(parent, wanted))
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}
// ANCHOR_END: outside

// ANCHOR: leave
fn leave_and_run(parent: &ToParent, wanted: &Unshare) -> Result<u8> {
    let (uid, gid) = own_ids();
    step("tie to the parent", || parent.tie(Signal::SIGKILL, TIE))?;
    leave(wanted.namespaces())?;
    map_ids(wanted, uid, gid)?;
    if wanted.namespaces().contains(Namespaces::CLONE_NEWNS) {
        cut_mount_ties(wanted)?;
    }
    if !wanted.forks() {
        return set_up_and_become(parent, wanted);
    }
    let init = step_giving("make the first process", || {
        let why = "have a process that is born in the new pid namespace, as number 1";
        spawn("init", Birth::default(), why, |parent| live_inside(parent, wanted))
    })?;
    let status =
        step_giving("take the first one's status", || init.finish("pass its exit code on"))?;
    Ok(status.code())
}
// ANCHOR_END: leave

fn live_inside(parent: &ToParent, wanted: &Unshare) -> Result<u8> {
    step("tie to the parent", || parent.tie(kill_signal(wanted)?, TIE))?;
    set_up_and_become(parent, wanted)
}

const TIE: &str = "end when the one that watches over it ends";

fn leave(namespaces: Namespaces) -> Result<()> {
    if namespaces.is_empty() {
        return Ok(());
    }
    step("leave what is shared", || unshare(namespaces, "have names of its own from now on"))
}

// ANCHOR: map
/// Says who is who, where it was asked for. The order is the kernel's: without privilege the group
/// map is only accepted when changing groups has been given up.
fn map_ids(wanted: &Unshare, uid: u32, gid: u32) -> Result<()> {
    let (user, group) = (wanted.user_inside(uid), wanted.group_inside(gid));
    if wanted.setgroups.unwrap_or(default_setgroups(group)) == Setgroups::Deny {
        step("deny setgroups", || deny_setgroups(None, "be allowed to map a group without root"))?;
    }
    if let Some(inside) = user {
        step("map the user", || {
            write_uid_map(None, &[IdMap::one(inside, uid)], "say who we are in there")
        })?;
    }
    if let Some(inside) = group {
        step("map the group", || {
            write_gid_map(None, &[IdMap::one(inside, gid)], "say which group we are in there")
        })?;
    }
    Ok(())
}
// ANCHOR_END: map

fn default_setgroups(group: Option<u32>) -> Setgroups {
    if group.is_some() { Setgroups::Deny } else { Setgroups::Allow }
}

fn cut_mount_ties(wanted: &Unshare) -> Result<()> {
    let Some(flags) = wanted.propagation.flags() else {
        return Ok(());
    };
    step("cut the mount ties", || {
        mount_change(Path::new("/"), flags, "keep our mounts from spreading to everybody")
    })
}

// ANCHOR: set_up
fn set_up_and_become(parent: &ToParent, wanted: &Unshare) -> Result<u8> {
    if let Some(root) = &wanted.root {
        step("change the root", || chroot(root, "see that directory as the root"))?;
        step("enter the root", || chdir(Path::new("/"), "not keep a foot outside of it"))?;
    }
    if let Some(directory) = &wanted.wd {
        step("change the directory", || chdir(directory, "start where it was asked for"))?;
    }
    if let Some(place) = &wanted.mount_proc {
        step("mount proc", || mount_proc(place))?;
    }
    change_ids(parent, wanted)?;
    let command = command(wanted);
    step_giving("become the program", || become_program(&command, "run what was asked for"))
}

fn mount_proc(place: &Path) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_new("proc", place, "proc", flags, None, "let programs see the processes in here only")
}
// ANCHOR_END: set_up

/// Groups first: who is not root any more may not change them.
fn change_ids(parent: &ToParent, wanted: &Unshare) -> Result<()> {
    if let Some(gid) = wanted.setgid {
        step("drop the groups", || setgroups(&[], "keep no right of a group we had outside"))?;
        step("change the group", || setresgid(gid, "run as the group that was asked for"))?;
    }
    if let Some(uid) = wanted.setuid {
        step("change the user", || setresuid(uid, "run as the user that was asked for"))?;
    }
    if wanted.setgid.is_none() && wanted.setuid.is_none() {
        return Ok(());
    }
    // The kernel has forgotten the tie with the change: whoever gets other rights is its own master.
    step("tie again", || parent.tie(kill_signal(wanted)?, TIE))
}

fn command(wanted: &Unshare) -> Vec<OsString> {
    match wanted.command.is_empty() {
        false => wanted.command.clone(),
        true => vec![std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into())],
    }
}

/// The signal that ends the program when its parent ends. util-linux sends none unless asked to; here
/// nothing outlives the one that watches.
fn kill_signal(wanted: &Unshare) -> Result<Signal> {
    let name = wanted.kill_child.as_deref().unwrap_or("SIGKILL");
    let full = if name.starts_with("SIG") { name.to_string() } else { format!("SIG{name}") };
    full.parse().map_err(|_| {
        Error::Unusable(format!("--kill-child={name}: write the signal as in signal(7): SIGTERM"))
    })
}

/// Finds what cannot work before anything is done.
fn check(wanted: &Unshare) -> Result<()> {
    let refuse = |what: &str| Err(Error::Unusable(what.to_string()));
    kill_signal(wanted)?;
    let denies = wanted.setgroups == Some(Setgroups::Deny);
    if denies && !wanted.namespaces().contains(Namespaces::CLONE_NEWUSER) {
        return refuse("--setgroups=deny is said of a new user namespace: add --user");
    }
    if wanted.setgroups == Some(Setgroups::Allow) && wanted.group_inside(0).is_some() {
        return refuse(
            "--setgroups=allow: a group is mapped here by the one who gives up changing groups for it",
        );
    }
    Ok(())
}
