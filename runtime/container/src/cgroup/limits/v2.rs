//! What is written for each limit in cgroup v2?
//!
//! The files are described in the kernel's Documentation/admin-guide/cgroup-v2.rst. A configuration
//! counts as v1 does; the conversions are those of runc, so that a container gets the same of a
//! machine from both.

use bundle::{BlockIo, Cgroup, Cpu, DiskRate, Limit, Memory};
use primitives::{Error, Result};

use super::table::{How, Table, Write, or_max};

/// The whole table.
///
/// # Errors
/// Names the limit that v2 does not know. To leave it out in silence would be to run a container
/// that is not held to what its configuration says.
pub(super) fn writes(wanted: &Cgroup) -> Result<Vec<Write>> {
    refuse_unknown(wanted)?;
    let mut table = Table::default();
    cpuset(&mut table, &wanted.cpu);
    memory(&mut table, &wanted.memory);
    cpu(&mut table, &wanted.cpu);
    let pids = wanted.pids.limit.map(or_max);
    table.set_some("pids.limit", "pids.max", pids, "stop a fork bomb");
    block_io(&mut table, &wanted.block_io);
    huge_pages(&mut table, wanted);
    super::rdma(&mut table, wanted);
    for one in &wanted.unified {
        let why = "set what the configuration names by itself";
        table.set("unified", one.file.clone(), &one.value, why);
    }
    Ok(table.done())
}

fn refuse_unknown(wanted: &Cgroup) -> Result<()> {
    let (memory, cpu, io) = (&wanted.memory, &wanted.cpu, &wanted.block_io);
    let leaf = io.leaf_weight.is_some() || io.weights.iter().any(|disk| disk.leaf_weight.is_some());
    let realtime = cpu.realtime_period.is_some() || cpu.realtime_runtime.is_some();
    let unknown = [
        (
            memory.swappiness.is_some(),
            "memory.swappiness",
            "it is one number for the whole machine",
        ),
        (memory.disable_oom_killer, "memory.disableOOMKiller", "the OOM killer is always there"),
        (realtime, "cpu.realtimeRuntime", "real-time processes are not limited"),
        (leaf, "blockIO.leafWeight", "no process is beside a cgroup"),
        (wanted.network_class.is_some(), "network.classID", "eBPF programs match a cgroup itself"),
        (!wanted.network_priorities.is_empty(), "network.priorities", "eBPF programs set them"),
    ];
    match unknown.iter().find(|(asked, ..)| *asked) {
        None => Ok(()),
        Some((_, limit, instead)) => Err(Error::Unusable(format!(
            "linux.resources.{limit} cannot be had on this machine: it has cgroup v2, where {instead}"
        ))),
    }
}

fn cpuset(table: &mut Table, cpu: &Cpu) {
    let why = "keep it to these CPUs";
    table.set_some("cpu.cpus", "cpuset.cpus", super::list(&cpu.cpus), why);
    let why = "keep its memory to these nodes";
    table.set_some("cpu.mems", "cpuset.mems", super::list(&cpu.nodes), why);
}

/// v1 counts memory and swap together, v2 swap alone.
fn memory(table: &mut Table, memory: &Memory) {
    let swap = match (memory.limit, memory.with_swap) {
        (Some(Limit::Of(limit)), Some(Limit::Of(both))) => {
            Some(Limit::Of(both.saturating_sub(limit)))
        }
        (_, Some(both)) => Some(both),
        (Some(Limit::None), None) => Some(Limit::None),
        (_, None) => None,
    };
    if let Some(swap) = swap {
        // A kernel that has no swap has no file for it: none is what it has, and no limit is true.
        let trivial = matches!(swap, Limit::None | Limit::Of(0));
        let how = if trivial { How::IfThere } else { How::Must };
        let why = "let it not have in swap what it may not have in memory";
        table.add(how, "memory.swap", "memory.swap.max", or_max(swap), why);
    }
    let why = "let it have no more memory than this";
    table.set_some("memory.limit", "memory.max", memory.limit.map(or_max), why);
    let why = "leave it this much when the machine has none left";
    table.set_some("memory.reservation", "memory.low", memory.reservation.map(or_max), why);
}

fn cpu(table: &mut Table, cpu: &Cpu) {
    let why = "give it its share when others want the CPUs too";
    table.set_some("cpu.shares", "cpu.weight", cpu.shares.map(weight_of_shares), why);
    super::idle(table, cpu);
    super::burst(table, cpu, "cpu.max.burst");
    if cpu.quota.is_none() && cpu.period.is_none() {
        return;
    }
    let quota = or_max(cpu.quota.unwrap_or(Limit::None));
    let value = match (cpu.quota, cpu.period) {
        // One number leaves the period as it is.
        (Some(_), None) => quota,
        (_, period) => format!("{quota} {}", period.unwrap_or(DEFAULT_PERIOD)),
    };
    let limit = if cpu.quota.is_some() { "cpu.quota" } else { "cpu.period" };
    table.set(limit, "cpu.max", value, "let it have no more CPU time than this in each period");
}

/// In microseconds; the kernel's own.
const DEFAULT_PERIOD: u64 = 100_000;

fn block_io(table: &mut Table, io: &BlockIo) {
    let why = "give it its share of the disks";
    if let Some(weight) = io.weight {
        let other = How::Or("io.weight", weight_of_io(weight).to_string());
        table.add(other, "blockIO.weight", "io.bfq.weight", weight.to_string(), why);
    }
    for disk in &io.weights {
        let Some(weight) = disk.weight else { continue };
        let on_disk = |weight: u64| format!("{}:{} {weight}", disk.major, disk.minor);
        let other = How::Or("io.weight", on_disk(weight_of_io(weight)));
        let value = on_disk(u64::from(weight));
        table.add(other, "blockIO.weightDevice", "io.bfq.weight", value, why);
    }
    let kinds: [(&'static str, &str, &[DiskRate]); 4] = [
        ("blockIO.throttleReadBpsDevice", "rbps", &io.read_bytes),
        ("blockIO.throttleWriteBpsDevice", "wbps", &io.write_bytes),
        ("blockIO.throttleReadIOPSDevice", "riops", &io.read_requests),
        ("blockIO.throttleWriteIOPSDevice", "wiops", &io.write_requests),
    ];
    for (limit, key, rates) in kinds {
        for rate in rates {
            // What v1 reads as no limit, v2 refuses.
            let amount = or_max(if rate.rate == 0 { Limit::None } else { Limit::Of(rate.rate) });
            let value = format!("{}:{} {key}={amount}", rate.major, rate.minor);
            table.set(limit, "io.max", value, "let it use this disk no faster than this");
        }
    }
}

fn huge_pages(table: &mut Table, wanted: &Cgroup) {
    for pages in &wanted.huge_pages {
        let (size, limit) = (&pages.size, pages.limit.to_string());
        let why = "let it have no more huge pages than this";
        table.set("hugepageLimits", format!("hugetlb.{size}.max"), &limit, why);
        let why = "let it reserve no more of them than it may have";
        let file = format!("hugetlb.{size}.rsvd.max");
        table.add(How::IfThere, "hugepageLimits", file, limit, why);
    }
}

/// The weight for v1's shares, as runc has it since 1.3.2 and crun since 1.23: a curve through the
/// least, the most, and the default of both (1024 shares are a weight of 100).
///
/// The straight line that came before made 39 of 1024 shares: containers lost against everything
/// outside. See kubernetes issue 131216 and opencontainers/runc pull request 4785.
pub(in crate::cgroup) fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        ..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let l = (shares as f64).log2();
            10_f64.powf((l * l + 125.0 * l) / 612.0 - 7.0 / 34.0).ceil() as u64
        }
    }
}

/// The weight for v1's 10 to 1000: 1 to 10000.
fn weight_of_io(weight: u16) -> u64 {
    1 + (u64::from(weight).saturating_sub(10)) * 9999 / 990
}
