//! The whole script as one command: cgroup, limits, namespaces, host name, root, program, and the
//! clean-up.
//!
//! It reads like the script. What the script cannot do is clean up when it is killed in the middle;
//! here every way to end, also `kill -9` at any line, leaves nothing behind.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use primitives::{
    Birth, Child, Error, IdMap, Namespaces, Pid, Result, Status, deny_setgroups, own_ids, spawn,
    step, step_giving, write_gid_map, write_uid_map,
};

use crate::cgroup::keys::{Setting, Write};
use crate::cgroup::{Group, Machine, Version, limit, name, number, size};
use crate::{inside, keeper};

/// What the container shall be. Without limits it needs no cgroup, and has none of its own.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Container {
    /// The most memory, in bytes or as 100M (memory.limit_in_bytes, memory.max)
    #[arg(long, value_name = "SIZE", value_parser = limit)]
    pub(crate) memory: Option<u64>,
    /// The most memory and swap together, -1 for no limit (memory.memsw.limit_in_bytes)
    #[arg(long, value_name = "SIZE", value_parser = swap, allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    /// Its share of the processors when they are short: 2 to 262144, others have 1024 (cpu.shares)
    #[arg(long, value_name = "N", value_parser = |text: &str| number(text, 2, 262_144, "shares"))]
    pub(crate) cpu_shares: Option<u64>,
    /// How long a round is, in microseconds (cpu.cfs_period_us)
    #[arg(long, value_name = "US", value_parser = |text: &str| number(text, 1000, 1_000_000, "a period"))]
    pub(crate) cpu_period: Option<u64>,
    /// How much time it has in each round, of all processors together (cpu.cfs_quota_us)
    #[arg(long, value_name = "US", value_parser = |text: &str| number(text, 1000, i64::MAX as u64, "a quota"))]
    pub(crate) cpu_quota: Option<u64>,
    /// The most processes (pids.max)
    #[arg(long, value_name = "N", value_parser = |text: &str| number(text, 1, 4_194_304, "a number of processes"))]
    pub(crate) pids: Option<u64>,
    /// Its host name, and the name of its cgroup
    #[arg(long, value_name = "ID")]
    pub(crate) hostname: Option<String>,
    /// Its root: a directory with proc and dev in it, or a tar; without it one is made from this machine
    #[arg(long, value_name = "DIR")]
    pub(crate) rootfs: Option<PathBuf>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

fn swap(text: &str) -> std::result::Result<String, String> {
    size(text).map(|_| text.to_string())
}

// ANCHOR: run
/// Runs a program in a container and ends as it ended.
pub(crate) fn run(wanted: &Container) -> Result<Status> {
    inside::check_root(wanted.rootfs.as_deref())?;
    let Some((group, limits)) = plan(wanted)? else {
        return contain(wanted, None);
    };
    let keeper = keeper::post(group.remains())?;
    // Declared after the keeper, so that it goes before the keeper does.
    let mut group = group;
    step_giving("make the cgroup", || group.make())?;
    step("set the limits", || group.set(&limits))?;
    let status = contain(wanted, Some(&group))?;
    tell_what_the_limits_did(&group);
    step_giving("remove the cgroup", || group.remove())?;
    keeper::dismiss(keeper)?;
    Ok(status)
}
// ANCHOR_END: run

// ANCHOR: contain
fn contain(wanted: &Container, group: Option<&Group>) -> Result<Status> {
    let mut child = step_giving("make a child", || make(wanted, group))?;
    child.beside(map_root)?;
    step("let it go on", || child.release("tell it that it is root"))?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

/// In v2 a process can be born in its cgroup, and there is no moment in which it has no limits. In v1
/// it moves itself before it is anybody.
fn make(wanted: &Container, group: Option<&Group>) -> Result<Child> {
    let directory = match group.filter(|group| group.version == Version::V2) {
        Some(group) => Some(group.open()?),
        None => None,
    };
    let cgroup = directory.as_ref().map(std::os::fd::AsFd::as_fd);
    let why = "have a process that sees, and is, nobody else";
    spawn("child", Birth { namespaces: namespaces(), cgroup }, why, |parent| {
        inside::live(parent, wanted, group)
    })
}
// ANCHOR_END: contain

/// Those of `unshare -uinpU --mount-proc`. That for cgroups comes later, from inside.
fn namespaces() -> Namespaces {
    Namespaces::CLONE_NEWUSER
        | Namespaces::CLONE_NEWNS
        | Namespaces::CLONE_NEWPID
        | Namespaces::CLONE_NEWUTS
        | Namespaces::CLONE_NEWIPC
        | Namespaces::CLONE_NEWNET
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

/// The cgroup and what is written into it. Without a limit there is nothing for a cgroup to do.
fn plan(wanted: &Container) -> Result<Option<(Group, Vec<Write>)>> {
    let settings = settings(wanted);
    if settings.is_empty() {
        return Ok(None);
    }
    let machine = Machine::find()?;
    let named =
        wanted.hostname.clone().unwrap_or_else(|| format!("porthole-{}", std::process::id()));
    let id = name(&named).map_err(Error::Unusable)?;
    let mut controllers = vec!["cpu", "memory"];
    if wanted.pids.is_some() {
        controllers.push("pids");
    }
    let group = Group::with(&machine, &id, &controllers)?;
    if let Some(why) = machine.forbids(&group.hierarchies()) {
        return Err(Error::Unusable(why));
    }
    group.refuse_if_there()?;
    let limits = group.plan(&settings)?;
    Ok(Some((group, limits)))
}

/// The limits in the words of v1, which is what the flags are called after.
fn settings(wanted: &Container) -> Vec<Setting> {
    let number = |key, value: Option<u64>| value.map(|value| Setting::new(key, value));
    [
        number("memory.limit_in_bytes", wanted.memory),
        wanted.memory_swap.as_ref().map(|text| Setting::new("memory.memsw.limit_in_bytes", text)),
        number("cpu.shares", wanted.cpu_shares),
        number("cpu.cfs_period_us", wanted.cpu_period),
        number("cpu.cfs_quota_us", wanted.cpu_quota),
        number("pids.max", wanted.pids),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A program that is killed for want of memory cannot say so itself, and 137 says only "killed".
fn tell_what_the_limits_did(group: &Group) {
    match group.oom_kills() {
        0 => {}
        kills => eprintln!(
            "note: out of memory: the kernel has killed {kills} of its processes ({})",
            group.oom_file()
        ),
    }
    match group.rounds_throttled() {
        0 => {}
        rounds => eprintln!("note: its time was used up in {rounds} rounds (cpu.stat)"),
    }
    match group.forks_refused() {
        0 => {}
        refused => {
            eprintln!("note: the limit of processes has refused {refused} of them (pids.events)")
        }
    }
}
