//! What is written for each limit in cgroup v1?
//!
//! The files are described in the kernel's Documentation/admin-guide/cgroup-v1.

use bundle::{BlockIo, Cgroup, Cpu, DiskRate, Limit, Memory};

use super::table::{How, Table, Write, or_max, or_minus};

/// The whole table. `memory_limit` is the limit that the cgroup has now.
pub(super) fn writes(wanted: &Cgroup, memory_limit: Option<u64>) -> Vec<Write> {
    let mut table = Table::default();
    cpuset(&mut table, &wanted.cpu);
    memory(&mut table, &wanted.memory, memory_limit);
    cpu(&mut table, &wanted.cpu);
    let pids = wanted.pids.limit.map(or_max);
    table.set_some("pids.limit", "pids.max", pids, "stop a fork bomb");
    block_io(&mut table, &wanted.block_io);
    huge_pages(&mut table, wanted);
    network(&mut table, wanted);
    super::rdma(&mut table, wanted);
    table.done()
}

fn cpuset(table: &mut Table, cpu: &Cpu) {
    let why = "keep it to these CPUs";
    table.set_some("cpu.cpus", "cpuset.cpus", super::list(&cpu.cpus), why);
    let why = "keep its memory to these nodes";
    table.set_some("cpu.mems", "cpuset.mems", super::list(&cpu.nodes), why);
}

/// Memory, and memory and swap together, are checked against each other at each write: the first may
/// never be above the second. So what comes first depends on whether they rise or fall.
fn memory(table: &mut Table, memory: &Memory, now: Option<u64>) {
    let falls = |both: u64| now.is_none_or(|now| now >= both);
    match (memory.limit, memory.with_swap) {
        (Some(limit), Some(Limit::Of(both))) if falls(both) => {
            memory_alone(table, limit);
            with_swap(table, How::Must, Limit::Of(both));
        }
        (Some(limit), Some(both)) => {
            with_swap(table, How::Must, both);
            memory_alone(table, limit);
        }
        // No limit of memory needs none of both; where swap is not counted that is so.
        (Some(Limit::None), None) => {
            with_swap(table, How::IfThere, Limit::None);
            memory_alone(table, Limit::None);
        }
        (Some(limit), None) => memory_alone(table, limit),
        (None, Some(both)) => with_swap(table, How::Must, both),
        (None, None) => {}
    }
    let (limit, file) = ("memory.reservation", "memory.soft_limit_in_bytes");
    let why = "have it give memory back first when the machine has none left";
    table.set_some(limit, file, memory.reservation.map(or_minus), why);
    let why = "say how readily its memory goes to swap";
    table.set_some("memory.swappiness", "memory.swappiness", memory.swappiness, why);
    if memory.disable_oom_killer {
        let why = "have it wait for memory instead of being killed";
        table.set("memory.disableOOMKiller", "memory.oom_control", 1, why);
    }
}

fn memory_alone(table: &mut Table, limit: Limit) {
    let why = "let it have no more memory than this";
    table.set("memory.limit", "memory.limit_in_bytes", or_minus(limit), why);
}

fn with_swap(table: &mut Table, how: How, both: Limit) {
    let why = "let it not have in swap what it may not have in memory";
    table.add(how, "memory.swap", "memory.memsw.limit_in_bytes", or_minus(both), why);
}

fn cpu(table: &mut Table, cpu: &Cpu) {
    let why = "give it its share when others want the CPUs too";
    table.set_some("cpu.shares", "cpu.shares", cpu.shares, why);
    let why = "say in which time real-time processes get theirs";
    table.set_some("cpu.realtimePeriod", "cpu.rt_period_us", cpu.realtime_period, why);
    let why = "give real-time processes some time, without which none can be in it";
    table.set_some("cpu.realtimeRuntime", "cpu.rt_runtime_us", cpu.realtime_runtime, why);
    if let Some(period) = cpu.period {
        let why = "say in which time the quota is given anew";
        table.add(How::Again, "cpu.period", "cpu.cfs_period_us", period.to_string(), why);
    }
    super::burst(table, cpu, "cpu.cfs_burst_us");
    let why = "let it have no more CPU time than this in each period";
    table.set_some("cpu.quota", "cpu.cfs_quota_us", cpu.quota.map(or_minus), why);
    super::idle(table, cpu);
}

/// With the CFQ scheduler, gone since Linux 5.0, went its names; BFQ has the same under its own.
fn block_io(table: &mut Table, io: &BlockIo) {
    let (mine, leaf) = ("give it its share of the disks", "weigh it against the cgroups below it");
    if let Some(weight) = io.weight {
        let bfq = How::Or("blkio.bfq.weight", weight.to_string());
        table.add(bfq, "blockIO.weight", "blkio.weight", weight.to_string(), mine);
    }
    table.set_some("blockIO.leafWeight", "blkio.leaf_weight", io.leaf_weight, leaf);
    for disk in &io.weights {
        let value = |weight: u16| format!("{}:{} {weight}", disk.major, disk.minor);
        if let Some(value) = disk.weight.map(value) {
            let bfq = How::Or("blkio.bfq.weight_device", value.clone());
            table.add(bfq, "blockIO.weightDevice", "blkio.weight_device", value, mine);
        }
        let leaf_value = disk.leaf_weight.map(value);
        table.set_some("blockIO.weightDevice", "blkio.leaf_weight_device", leaf_value, leaf);
    }
    let kinds: [(&'static str, &'static str, &[DiskRate]); 4] = [
        ("blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device", &io.read_bytes),
        ("blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device", &io.write_bytes),
        ("blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device", &io.read_requests),
        ("blockIO.throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", &io.write_requests),
    ];
    for (limit, file, rates) in kinds {
        for rate in rates {
            let value = format!("{}:{} {}", rate.major, rate.minor, rate.rate);
            table.set(limit, file, value, "let it use this disk no faster than this");
        }
    }
}

/// What is reserved is counted by itself since Linux 5.7.
fn huge_pages(table: &mut Table, wanted: &Cgroup) {
    for pages in &wanted.huge_pages {
        let (size, limit) = (&pages.size, pages.limit.to_string());
        let why = "let it have no more huge pages than this";
        let file = format!("hugetlb.{size}.limit_in_bytes");
        table.add(How::Must, "hugepageLimits", file, limit.clone(), why);
        let why = "let it reserve no more of them than it may have";
        let file = format!("hugetlb.{size}.rsvd.limit_in_bytes");
        table.add(How::IfThere, "hugepageLimits", file, limit, why);
    }
}

fn network(table: &mut Table, wanted: &Cgroup) {
    let why = "mark its packets for traffic control";
    table.set_some("network.classID", "net_cls.classid", wanted.network_class, why);
    for one in &wanted.network_priorities {
        let value = format!("{} {}", one.interface, one.priority);
        let why = "give its packets their priority on this interface";
        table.set("network.priorities", "net_prio.ifpriomap", value, why);
    }
}
