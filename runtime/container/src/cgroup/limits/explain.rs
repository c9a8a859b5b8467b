//! Why can a limit not be had?
//!
//! The kernel says as much as one errno. Here is looked for what the reader can do about it.

use std::path::Path;

use primitives::{Errno, Error, read_small};

use super::table::Write;
use crate::cgroup::kill::pids_in;
use crate::cgroup::{Cgroups, read};

/// The error with its cause, where that can be found.
pub(super) fn explained(cgroups: &Cgroups, one: &Write, error: Error) -> Error {
    let Error::Request(refusal) = &error else { return error };
    if refusal.here {
        return error;
    }
    let cause = match refusal.errno {
        Errno::ENOENT if cgroups.is_v2() => without_controller(cgroups, one),
        Errno::EBUSY if one.limit == "memory.limit" => in_use(cgroups, one),
        _ => None,
    };
    match cause {
        Some(cause) => Error::Unusable(format!("linux.resources.{}: {cause}", one.limit)),
        None => error,
    }
}

/// v1: the kernel has the controller, but nobody has mounted it, or it has not.
pub(super) fn no_hierarchy(one: &Write) -> Error {
    Error::Unusable(format!(
        "linux.resources.{} cannot be had on this machine: {}",
        one.limit,
        unknown_or(&one.controller, "its hierarchy is not mounted")
    ))
}

fn unknown_or(controller: &str, otherwise: &str) -> String {
    let known = read_small("/proc/cgroups".as_ref()).unwrap_or_default();
    let line = known.lines().find(|line| line.split_whitespace().next() == Some(controller));
    let why = match line.map(|line| line.ends_with('0')) {
        None => "this kernel does not know it",
        Some(true) => "it was switched off when the kernel started (cgroup_disable=)",
        Some(false) => otherwise,
    };
    format!("there is no controller {controller}: {why}")
}

/// v2: somewhere above it is not handed down.
fn without_controller(cgroups: &Cgroups, one: &Write) -> Option<String> {
    let unified = cgroups.unified.as_ref()?;
    let directory = unified.directory();
    if has(&read(directory.path(), "cgroup.controllers")?, &one.controller) {
        let file = &one.file;
        return Some(format!("this kernel has no file {file} for its controller"));
    }
    let above = directory.path().ancestors().skip(1);
    let holder = above
        .take_while(|path| path.starts_with(unified.mount()))
        .find(|path| has(&read(path, "cgroup.controllers").unwrap_or_default(), &one.controller));
    Some(match holder {
        None => {
            let v1 = "it is used by cgroup v1, or was not handed down to this machine's root";
            unknown_or(&one.controller, v1)
        }
        Some(path) => why_not_handed_down(path, &one.controller),
    })
}

fn why_not_handed_down(path: &Path, controller: &str) -> String {
    let (place, inside) = (path.display(), pids_in(path).len());
    match inside {
        0 => format!(
            "{place} has the controller {controller} but does not hand it down: root has to write \
             +{controller} into its cgroup.subtree_control"
        ),
        _ => format!(
            "{place} cannot hand down the controller {controller}, because {inside} processes are in \
             it: in cgroup v2 processes are only in cgroups that have none below them. Move them to \
             one beside the container's, or take another cgroupsPath"
        ),
    }
}

fn has(controllers: &str, name: &str) -> bool {
    controllers.split_whitespace().any(|other| other == name)
}

/// v1 first tries to get the memory back, and then says that it is busy.
fn in_use(cgroups: &Cgroups, one: &Write) -> Option<String> {
    let memory = cgroups.with("memory")?;
    let used = read(memory.directory().path(), "memory.usage_in_bytes")?;
    Some(format!(
        "{} is below the {} bytes that the container uses, and the kernel could not get them back",
        one.value,
        used.trim()
    ))
}
