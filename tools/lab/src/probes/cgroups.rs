//! Which cgroups are mounted here, what can they limit, and may we use them?

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process;

use super::{Fact, State, read, yes_if};

const IN_THE_LAB: &str = "lab run COMMAND (pure cgroup v2)";

/// The controllers that the chapters and the runtime set limits with.
const WANTED: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

/// What `/proc/mounts` says about cgroups.
#[derive(Debug, PartialEq, Eq)]
struct Mounts {
    /// where version 2 is
    unified: Option<PathBuf>,
    /// how many trees of version 1
    legacy: usize,
}

/// Version, controllers, delegation.
pub(crate) fn facts() -> Vec<Fact> {
    let mounts = mounts(&read("/proc/mounts").unwrap_or_default());
    vec![version(&mounts), version_1(&mounts), controllers(&mounts), delegation(&mounts)]
}

fn mounts(table: &str) -> Mounts {
    let mut mounts = Mounts { unified: None, legacy: 0 };
    for line in table.lines() {
        let mut fields = line.split(' ').skip(1);
        match (fields.next(), fields.next()) {
            (Some(target), Some("cgroup2")) => mounts.unified = Some(PathBuf::from(target)),
            (Some(_), Some("cgroup")) => mounts.legacy += 1,
            _ => {}
        }
    }
    mounts
}

fn version(mounts: &Mounts) -> Fact {
    let (state, found) = match (&mounts.unified, mounts.legacy) {
        (Some(_), 0) => (State::Yes, "version 2 alone"),
        (Some(_), _) => (State::Partly, "hybrid: version 1, and 2 beside it"),
        (None, 1..) => (State::No, "version 1 alone"),
        (None, 0) => (State::No, "nothing is mounted"),
    };
    Fact::new("cgroup-v2", state, found, "limits: one tree for all controllers").or_else(IN_THE_LAB)
}

/// Old, but half of the runtime's tests need a host that still has it.
fn version_1(mounts: &Mounts) -> Fact {
    let found = format!("{} trees", mounts.legacy);
    Fact::new("cgroup-v1", yes_if(mounts.legacy > 0), found, "the old way: a tree a controller")
}

fn controllers(mounts: &Mounts) -> Fact {
    let means = "what version 2 can limit: cpu, cpuset, io, memory, pids";
    let list = mounts.unified.as_ref().map(|root| root.join("cgroup.controllers"));
    let found = list.and_then(|list| fs::read_to_string(list).ok()).unwrap_or_default();
    let found = found.trim();
    let missing = missing(found);
    let state = match missing.len() {
        0 => State::Yes,
        5.. => State::No,
        _ => State::Partly,
    };
    let found = match (found, missing.is_empty()) {
        ("", _) => "none".to_owned(),
        (found, true) => found.to_owned(),
        (found, false) => format!("{found} (without {})", missing.join(", ")),
    };
    Fact::new("controllers", state, found, means).or_else("lab run --kernel qemu COMMAND")
}

fn missing(controllers: &str) -> Vec<&'static str> {
    WANTED.into_iter().filter(|name| !controllers.split(' ').any(|has| has == *name)).collect()
}

/// May we make a cgroup below the one we are in? Tried by making one and removing it.
fn delegation(mounts: &Mounts) -> Fact {
    let means = "cgroups of our own, without asking root";
    let place = read("/proc/self/cgroup").unwrap_or_default();
    let (state, found) = match (&mounts.unified, ours(&place)) {
        (Some(root), Some(path)) => try_delegation(&root.join(path)),
        _ => (State::No, "no version 2 here".to_owned()),
    };
    Fact::new("delegation", state, found, means).or_else(
        "systemd-run --user --scope -p Delegate=yes COMMAND, or lab run --user 1000 COMMAND",
    )
}

/// Our place in version 2's tree: the line of /proc/self/cgroup with the number 0.
fn ours(table: &str) -> Option<&str> {
    table.lines().find_map(|line| line.strip_prefix("0::/"))
}

fn try_delegation(ours: &Path) -> (State, String) {
    let probe = ours.join(format!("porthole-doctor-{}", process::id()));
    if let Err(error) = fs::create_dir(&probe) {
        return (State::No, format!("tried: {error}"));
    }
    let removed = fs::remove_dir(&probe);
    // To move a process, one must be allowed to write here as well. Opening changes nothing.
    let may_move = File::options().write(true).open(ours.join("cgroup.procs"));
    match (removed, may_move) {
        (Ok(()), Ok(_)) => (State::Yes, "tried: works".to_owned()),
        (Ok(()), Err(error)) => (State::Partly, format!("made one, but cannot move in: {error}")),
        (Err(error), _) => (State::Partly, format!("made one, but cannot remove it: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mounts_tell_the_versions_apart() {
        let pure = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        let hybrid = "cgroup /c/cpu cgroup rw,cpu 0 0\ncgroup2 /c/unified cgroup2 rw 0 0\n";
        assert_eq!(version(&mounts(pure)).state, State::Yes);
        assert_eq!(version(&mounts(hybrid)).state, State::Partly);
        assert_eq!(mounts(hybrid).unified, Some("/c/unified".into()));
        assert_eq!(version(&mounts("")).found, "nothing is mounted");
    }

    #[test]
    fn our_cgroup_is_the_line_with_number_0() {
        assert_eq!(ours("3:cpu:/x\n0::/user.slice/a\n"), Some("user.slice/a"));
        assert_eq!(ours("0::/\n"), Some(""));
        assert_eq!(ours("3:cpu:/x\n"), None);
    }

    #[test]
    fn missing_controllers_are_named() {
        assert_eq!(missing("cpuset cpu io memory hugetlb pids rdma misc"), Vec::<&str>::new());
        assert_eq!(missing("cpu io memory pids"), ["cpuset"]);
        assert_eq!(missing("").len(), 5);
    }
}
