//! How much of the machine may the container use?
//!
//! A field that is `None`, and a list that is empty, is a limit that is not touched. Zero means the
//! same where the kernel has no use for it, because for a program in Go, which wrote the configuration,
//! zero and nothing are one value; runc takes it so.

use oci_spec::runtime::{LinuxCpu, LinuxInterfacePriority, LinuxMemory, LinuxRdma};
use serde::Serialize;

use crate::at::At;
use crate::block_io::block_io;
use crate::cgroup::{Cgroup, place, unified};
use crate::devices::device_rules;
use crate::lists::{NumberList, number_list};

/// An amount, or as much as there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    /// So much.
    Of(u64),
    /// No limit.
    None,
}

/// Memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Memory.
    pub limit: Option<Limit>,
    /// What the kernel tries to leave it when memory is short.
    pub reservation: Option<Limit>,
    /// Memory and swap together, as cgroup v1 counts it.
    pub with_swap: Option<Limit>,
    /// How readily it swaps, 0 to 100, for cgroup v1.
    pub swappiness: Option<u64>,
    /// Whether it waits for memory instead of being killed, for cgroup v1.
    pub disable_oom_killer: bool,
    /// Whether a limit below what is in use is refused.
    pub check_before_update: bool,
}

/// CPU time in microseconds, and CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cpu {
    /// Its share beside other cgroups, as cgroup v1 counts it: 1024 is one.
    pub shares: Option<u64>,
    /// CPU time in each period.
    pub quota: Option<Limit>,
    /// How much of what it did not use it may use later.
    pub burst: Option<u64>,
    /// The period.
    pub period: Option<u64>,
    /// CPU time of real-time processes in each of their periods.
    pub realtime_runtime: Option<u64>,
    /// Their period.
    pub realtime_period: Option<u64>,
    /// Whether it runs only when nobody else wants to.
    pub idle: Option<bool>,
    /// On which CPUs; an empty list leaves it as it is.
    pub cpus: NumberList,
    /// On which memory nodes; likewise.
    pub nodes: NumberList,
}

/// Processes and threads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pids {
    /// How many.
    pub limit: Option<Limit>,
}

/// Huge pages of one size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HugePages {
    /// `2MB`, as in the names of the kernel's files.
    pub size: String,
    /// Bytes.
    pub limit: u64,
}

/// A priority on one network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InterfacePriority {
    /// The interface.
    pub interface: String,
    /// The priority.
    pub priority: u32,
}

/// Limits of one RDMA device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rdma {
    /// The device.
    pub device: String,
    /// Handles.
    pub handles: Option<u32>,
    /// Objects.
    pub objects: Option<u32>,
}

/// `linux.cgroupsPath` and `linux.resources` (config-linux.md, "Control groups").
pub(crate) fn cgroup(linux: Option<&At<'_>>) -> Cgroup {
    let resources = linux.and_then(|linux| linux.object("resources"));
    let devices = device_rules(resources.as_ref());
    let Some(at) = resources else {
        return Cgroup { place: place(linux), devices, ..Cgroup::default() };
    };
    let network = at.object("network");
    Cgroup {
        place: place(linux),
        devices,
        memory: at.object("memory").map(|at| memory(&at)).unwrap_or_default(),
        cpu: at.object("cpu").map(|at| cpu(&at)).unwrap_or_default(),
        pids: at.object("pids").map(|at| pids(&at)).unwrap_or_default(),
        block_io: at.object("blockIO").map(|at| block_io(&at)).unwrap_or_default(),
        huge_pages: huge_pages(&at),
        network_class: network.as_ref().and_then(|network| network.get("classID")),
        network_priorities: network.map(|network| priorities(&network)).unwrap_or_default(),
        rdma: rdma(&at),
        unified: unified(&at),
    }
}

/// A number where less than zero is no limit.
fn limit(at: &At<'_>, name: &str, value: Option<i64>) -> Option<Limit> {
    let value = value?;
    match u64::try_from(value) {
        Ok(0) => {
            if let Some(field) = at.field(name) {
                field.odd("0 is taken as not set");
            }
            None
        }
        Ok(amount) => Some(Limit::Of(amount)),
        Err(_) => Some(Limit::None),
    }
}

/// As [`limit`], where -1 is the one number below zero.
fn bytes(at: &At<'_>, name: &str, value: Option<i64>) -> Option<Limit> {
    if value.is_some_and(|value| value < -1) {
        at.wrong_field(name, "is less than nothing", "bytes, or -1 for no limit");
    }
    limit(at, name, value)
}

/// config-linux.md, "Memory".
fn memory(at: &At<'_>) -> Memory {
    for name in ["kernel", "kernelTCP"] {
        if let Some(field) = at.field(name) {
            field.odd("no kernel since 5.4 limits this memory by itself, so it is not set");
        }
    }
    if let Some(field) = at.field("useHierarchy") {
        field.odd("no kernel since 5.11 counts in another way, so it is not set");
    }
    let read: LinuxMemory = at.read().unwrap_or_default();
    at.within("swappiness", 0, 100);
    let memory = Memory {
        limit: bytes(at, "limit", read.limit()),
        reservation: bytes(at, "reservation", read.reservation()),
        with_swap: bytes(at, "swap", read.swap()),
        swappiness: read.swappiness(),
        disable_oom_killer: read.disable_oom_killer().unwrap_or(false),
        check_before_update: read.check_before_update().unwrap_or(false),
    };
    match (memory.limit, memory.with_swap) {
        (Some(Limit::Of(limit)), Some(Limit::Of(both))) if both < limit => {
            at.wrong_field(
                "swap",
                format!("{both} is below the limit {limit}"),
                "memory and swap together",
            );
        }
        // Both kernels count swap on top of memory, and have nothing to put it on.
        (None | Some(Limit::None), Some(Limit::Of(_))) => {
            at.wrong_field(
                "swap",
                "there is no limit of memory to add it to",
                "\"limit\" beside it",
            );
        }
        _ => {}
    }
    memory
}

/// config-linux.md, "CPU". The ranges are those of the kernel's `kernel/sched/core.c`.
fn cpu(at: &At<'_>) -> Cpu {
    let read: LinuxCpu = at.read().unwrap_or_default();
    let set = |value: Option<u64>| value.filter(|value| *value != 0);
    let cpu = Cpu {
        shares: set(read.shares()),
        quota: limit(at, "quota", read.quota()),
        burst: read.burst(),
        period: set(read.period()),
        realtime_runtime: read.realtime_runtime().and_then(|n| u64::try_from(n).ok()),
        realtime_period: set(read.realtime_period()),
        idle: at.within("idle", 0, 1).map(|idle| idle == 1),
        cpus: number_list(at, "cpus").unwrap_or_default(),
        nodes: number_list(at, "mems").unwrap_or_default(),
    };
    if cpu.shares.is_some_and(|shares| !(2..=262_144).contains(&shares)) {
        at.odd("the kernel takes 2 to 262144 shares, and the nearest of them for others");
    }
    if cpu.period.is_some_and(|period| !(1_000..=1_000_000).contains(&period)) {
        at.wrong_field("period", "is out of range", "1000 to 1000000 microseconds");
    }
    quota(at, &cpu);
    if let (Some(runtime), Some(period)) = (cpu.realtime_runtime, cpu.realtime_period)
        && runtime > period
    {
        let wrong = format!("{runtime} is more than the period {period}");
        at.wrong_field("realtimeRuntime", wrong, "at most that");
    }
    cpu
}

fn quota(at: &At<'_>, cpu: &Cpu) {
    let Some(Limit::Of(quota)) = cpu.quota else {
        return;
    };
    if quota < 1_000 {
        at.wrong_field(
            "quota",
            format!("{quota} is too small"),
            "1000 microseconds or more, or -1",
        );
    }
    if let Some(burst) = cpu.burst.filter(|burst| *burst > quota) {
        at.wrong_field("burst", format!("{burst} is more than the quota {quota}"), "at most that");
    }
}

/// config-linux.md, "PIDs". An empty object sets nothing; `oci-spec` would read a limit of 0.
fn pids(at: &At<'_>) -> Pids {
    Pids { limit: limit(at, "limit", at.get("limit")) }
}

/// config-linux.md, "Huge page limits". `oci-spec` takes the limit as signed; it is not.
fn huge_pages(resources: &At<'_>) -> Vec<HugePages> {
    let mut all: Vec<HugePages> = Vec::new();
    for at in resources.objects("hugepageLimits") {
        let (size, limit) = (at.need::<String>("pageSize"), at.need("limit"));
        let (Some(size), Some(limit)) = (size, limit) else {
            continue;
        };
        // The pattern of the specification's schema. It becomes part of a file's name.
        let digits =
            size.strip_suffix("KB").or(size.strip_suffix("MB")).or(size.strip_suffix("GB"));
        let number = |digits: &str| {
            digits.chars().all(|c| c.is_ascii_digit()) && digits.starts_with(|c: char| c != '0')
        };
        if !digits.is_some_and(number) {
            at.wrong_field(
                "pageSize",
                format!("{size:?} is no size"),
                "a size as in 64KB, 2MB or 1GB",
            );
        }
        if all.iter().any(|other| other.size == size) {
            at.wrong_field("pageSize", format!("{size} has a limit already"), "each size once");
        }
        all.push(HugePages { size, limit });
    }
    all
}

/// config-linux.md, "Network".
fn priorities(network: &At<'_>) -> Vec<InterfacePriority> {
    let mut all = Vec::new();
    for at in network.objects("priorities") {
        let complete = at.required("name").is_some() & at.required("priority").is_some();
        if let Some(read) = at.read::<LinuxInterfacePriority>().filter(|_| complete) {
            let interface = read.name().clone();
            if !is_interface(&interface) {
                at.wrong_field("name", format!("{interface:?} is no interface"), INTERFACE);
            }
            all.push(InterfacePriority { interface, priority: read.priority() });
        }
    }
    all
}

pub(crate) const INTERFACE: &str = "1 to 15 bytes without spaces, / or :, and not . or ..";

/// `dev_valid_name` of the kernel's `net/core/dev.c`.
pub(crate) fn is_interface(name: &str) -> bool {
    let fits = (1..=15).contains(&name.len()) && name != "." && name != "..";
    fits && !name.chars().any(|c| c == '/' || c == ':' || c.is_whitespace())
}

/// config-linux.md, "RDMA".
fn rdma(resources: &At<'_>) -> Vec<Rdma> {
    let mut all = Vec::new();
    for (device, at) in resources.entries("rdma") {
        let Some(read) = at.read::<LinuxRdma>() else {
            continue;
        };
        if device.is_empty() || device.contains(char::is_whitespace) {
            at.wrong(format!("{device:?} is no device"), "a name without spaces");
        }
        let (handles, objects) = (read.hca_handles(), read.hca_objects());
        if handles.or(objects).is_none() {
            at.wrong("limits nothing", "\"hcaHandles\", \"hcaObjects\" or both");
        }
        all.push(Rdma { device: device.to_string(), handles, objects });
    }
    all
}
