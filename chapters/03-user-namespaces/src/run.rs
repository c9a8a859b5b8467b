//! How does an ordinary user become root of something?
//!
//! The child is born in a new user namespace, where at first it is nobody: no id of it has a name in
//! there. The parent, which is outside, writes the maps. The child must wait for that, or it finds
//! out who it is too early; and that is all the synchronising that a container needs to start.

use std::thread::sleep;
use std::time::Duration;

use primitives::{
    Birth, Child, Helper, IdMap, Namespaces, Pid, Result, Signal, Status, ToParent, become_program,
    deny_setgroups, own_ids, run_map_helper, spawn, step, step_giving, write_gid_map,
    write_uid_map,
};

use crate::map::granted;
use crate::{Run, who};

/// The maps that are to be written, and whether somebody else must write them.
struct Maps {
    users: Vec<IdMap>,
    groups: Vec<IdMap>,
    by_helper: bool,
}

// ANCHOR: run
/// Runs a program as root of a new user namespace and ends as it ended.
pub(crate) fn run(wanted: &Run) -> Result<Status> {
    let maps = maps(wanted)?;
    let mut child = step_giving("make a child", || make(wanted))?;
    sleep(Duration::from_millis(wanted.late));
    child.beside(|pid| say_who_is_who(pid, &maps))?;
    step("let it go on", || child.release("tell the child that it is somebody now"))?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn make(wanted: &Run) -> Result<Child> {
    let birth = Birth { namespaces: Namespaces::CLONE_NEWUSER, cgroup: None };
    let why = "have a process in a user namespace of which it is the master";
    spawn("child", birth, why, |parent| live_inside(parent, wanted))
}
// ANCHOR_END: run

// ANCHOR: inside
fn live_inside(parent: &ToParent, wanted: &Run) -> Result<u8> {
    step("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end when the one that watches over it ends")
    })?;
    step("wait for the maps", || parent.wait("not look who we are before it is said"))?;
    match wanted.command.is_empty() {
        true => who::print(),
        false => step_giving("become the program", || {
            become_program(&wanted.command, "run what was asked for")
        }),
    }
}
// ANCHOR_END: inside

// ANCHOR: maps
/// Writes the maps, in the one order that the kernel takes from somebody without privilege.
fn say_who_is_who(child: Pid, maps: &Maps) -> Result<()> {
    if maps.by_helper {
        return ask_the_helpers(child, maps);
    }
    step("deny setgroups", || {
        deny_setgroups(Some(child), "give up what a group map without root could be abused for")
    })?;
    step("map the users", || {
        write_uid_map(Some(child), &maps.users, "say which users out here the users in there are")
    })?;
    step("map the groups", || {
        write_gid_map(Some(child), &maps.groups, "say which groups out here those in there are")
    })
}
// ANCHOR_END: maps

// ANCHOR: helpers
/// More than oneself may be mapped by somebody with privilege only: by two programs that look up
/// which ids this user was given.
fn ask_the_helpers(child: Pid, maps: &Maps) -> Result<()> {
    step("map the users", || {
        let why = "have a range of users mapped that was given to us";
        run_map_helper(Helper::Newuidmap, child, &maps.users, why)
    })?;
    step("map the groups", || {
        let why = "have a range of groups mapped that was given to us";
        run_map_helper(Helper::Newgidmap, child, &maps.groups, why)
    })
}
// ANCHOR_END: helpers

fn maps(wanted: &Run) -> Result<Maps> {
    let (uid, gid) = own_ids();
    let (mut users, mut groups) = (wanted.map_users.clone(), wanted.map_groups.clone());
    if users.is_empty() {
        users.push(IdMap::one(0, uid));
    }
    if groups.is_empty() {
        groups.push(IdMap::one(0, gid));
    }
    if wanted.subids {
        users.push(granted("/etc/subuid", uid)?);
        groups.push(granted("/etc/subgid", uid)?);
    }
    Ok(Maps { users, groups, by_helper: wanted.subids })
}
