//! What happens to a process that wants more memory than its cgroup may have?
//!
//! It gets it, as a promise; and when it uses what it was promised, the kernel finds nothing to give
//! and ends a process of the cgroup. That is the demonstration.

use std::path::{Path, PathBuf};

use primitives::{
    Birth, Child, Error, Result, Signal, Status, ToParent, mkdir, spawn, step, step_giving,
};

use crate::cgroup::keys::Setting;
use crate::cgroup::{Group, Machine, Version};
use crate::{keeper, show};

const MEGABYTE: usize = 1 << 20;
/// What the cgroup may have, in megabytes.
const LIMIT: usize = 32;
/// What the process wants: not so much that it would hurt if nothing stopped it.
const WANTED: usize = 2 * LIMIT;

// ANCHOR: demonstrate
/// Lets a process eat memory in a cgroup that has little of it.
pub(crate) fn demonstrate(id: Option<&Path>, keep_swap: bool) -> Result<Status> {
    let machine = Machine::find()?;
    let name = id.map_or_else(|| format!("porthole-{}", std::process::id()).into(), PathBuf::from);
    let group = Group::with(&machine, &name, &["memory"])?;
    if machine.forbids(&group.hierarchies()).is_some() {
        return be_refused(&machine, &group);
    }
    group.refuse_if_there()?;
    let limits = group.plan(&limits(&group, keep_swap))?;
    let keeper = keeper::post(group.remains())?;
    let mut group = group;
    step_giving("make the cgroup", || group.make())?;
    step("set the limits", || group.set(&limits))?;
    let status = eat_in(&group)?;
    let killed = report(&group, status);
    step_giving("remove the cgroup", || group.remove())?;
    keeper::dismiss(keeper)?;
    Ok(if killed { Status::Exited(0) } else { status })
}
// ANCHOR_END: demonstrate

/// Where there is swap, memory that a limit takes away goes there, and nothing ends for a long time.
fn limits(group: &Group, keep_swap: bool) -> Vec<Setting> {
    let bytes = (LIMIT * MEGABYTE).to_string();
    let mut limits = vec![Setting::new("memory.limit_in_bytes", &bytes)];
    let accounted = match group.version {
        Version::V1 => "memory.memsw.limit_in_bytes",
        Version::V2 => "memory.swap.max",
    };
    let home = group.places[0].hierarchy.at("");
    // The root of v2 has no limits itself, but its children have.
    let there = group.version == Version::V2 || home.join(accounted).path().exists();
    if there && !keep_swap {
        limits.push(Setting::new("memory.memsw.limit_in_bytes", &bytes));
    }
    limits
}

// ANCHOR: eat
fn eat_in(group: &Group) -> Result<Status> {
    let child = step_giving("make a child", || make(group))?;
    step_giving("take its status", || child.finish("learn how it ended"))
}

fn make(group: &Group) -> Result<Child> {
    let directory = match group.version {
        Version::V1 => None,
        Version::V2 => Some(group.open()?),
    };
    let cgroup = directory.as_ref().map(std::os::fd::AsFd::as_fd);
    let birth = Birth { cgroup, ..Birth::default() };
    spawn("child", birth, "have a process that wants too much", |parent| eat(parent, group))
}

fn eat(parent: &ToParent, group: &Group) -> Result<u8> {
    step("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end when the one that watches over it ends")
    })?;
    if group.version == Version::V1 {
        step("enter the cgroup", || group.enter())?;
    }
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    while eaten.len() < WANTED {
        // A page that is only promised costs nothing: each has to be written to.
        eaten.push(vec![1; MEGABYTE]);
    }
    println!("{} MB eaten, and nobody minded", std::hint::black_box(&eaten).len());
    Ok(0)
}
// ANCHOR_END: eat

/// Says how it ended; whether it was the limit that ended it.
fn report(group: &Group, status: Status) -> bool {
    println!("it may have {LIMIT} MB and wanted {WANTED}: {status}, exit code {}", status.code());
    println!("{}: oom_kill {}", group.oom_file(), group.oom_kills());
    group.oom_kills() > 0
}

// ANCHOR: refused
/// Without a cgroup that was handed to this user, all that can be seen is the refusal.
fn be_refused(machine: &Machine, group: &Group) -> Result<Status> {
    show::own(machine);
    let attempt = step_giving("try to make a cgroup", || {
        match mkdir(&group.places[0].directory, 0o755, "see what the kernel says to that") {
            Err(Error::Request(refusal)) if !refusal.here => Ok(Some(refusal)),
            other => other.map(|()| None),
        }
    })?;
    match attempt {
        Some(refusal) => println!("a cgroup of our own: {:?}", refusal.errno),
        // Nobody expected that, and it must not stay.
        None => primitives::clean_up::rmdir(&group.places[0].directory, "leave no cgroup behind")?,
    }
    println!("{}", machine.forbids(&group.hierarchies()).unwrap_or_default());
    Ok(Status::Exited(0))
}
// ANCHOR_END: refused
