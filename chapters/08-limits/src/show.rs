//! What does a cgroup hold, and what has become of its limits?

use std::path::Path;

use primitives::{Result, Status};

use crate::cgroup::seen::line;
use crate::cgroup::{Group, Machine, Version};

/// What is worth reading, in both versions; a file that is not there is left out.
const FILES: [&str; 20] = [
    "memory.limit_in_bytes",
    "memory.max",
    "memory.memsw.limit_in_bytes",
    "memory.swap.max",
    "memory.usage_in_bytes",
    "memory.current",
    "memory.oom_control",
    "memory.events",
    "cpu.shares",
    "cpu.weight",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "cpu.max",
    "cpu.stat",
    "pids.max",
    "pids.current",
    "pids.events",
    "freezer.state",
    "cgroup.events",
    "cgroup.subtree_control",
];

/// Prints one cgroup, or the one of this process.
pub(crate) fn show(id: Option<&Path>) -> Result<Status> {
    let machine = Machine::find()?;
    let Some(id) = id else {
        own(&machine);
        return Ok(Status::Exited(0));
    };
    let group = Group::existing(&machine, id)?;
    println!("{} ({})", id.display(), version(&machine));
    for place in &group.places {
        let directory = place.directory.path();
        println!("{}", directory.display());
        for file in FILES {
            if let Some(text) = line(directory, file) {
                println!("  {file:<28} {text}");
            }
        }
    }
    let pids: Vec<String> = group.pids().iter().map(ToString::to_string).collect();
    match pids.is_empty() {
        true => println!("nobody is in it"),
        false => println!("in it: {}", pids.join(" ")),
    }
    Ok(Status::Exited(0))
}

/// Prints where this process is, and which of its limits are real ones.
pub(crate) fn own(machine: &Machine) {
    println!("this machine has cgroup {}", version(machine));
    for hierarchy in &machine.hierarchies {
        let home = Path::new("/").join(&hierarchy.home);
        println!("{}: below {}", hierarchy.controllers.join(", "), home.display());
    }
}

fn version(machine: &Machine) -> &'static str {
    match machine.version {
        Version::V1 => "v1",
        Version::V2 => "v2",
    }
}
