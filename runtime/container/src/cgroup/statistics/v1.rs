//! What cgroup v1 has counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{
    Blkio, BlkioEntry, Cpu, CpuUsage, Cpuset, HugePages, Memory, MemoryEntry, Statistics,
    Throttling, huge_page_sizes, keyed, number, pids,
};
use crate::cgroup::{Cgroups, read};

/// `cpuacct.stat` counts in ticks of the clock, 100 a second on every architecture that Linux has left.
const TICK: u64 = 10_000_000;

pub(super) fn statistics(cgroups: &Cgroups) -> Statistics {
    let at = |controller: &str| cgroups.with(controller).map(|hierarchy| hierarchy.path());
    let (cpu, cpuacct) = (at("cpu"), at("cpuacct"));
    let throttling = cpu.as_deref().map(throttling).unwrap_or_default();
    let usage = cpuacct.as_deref().map(cpu_usage).unwrap_or_default();
    Statistics {
        cpu: Cpu { usage, throttling, psi: None },
        cpuset: at("cpuset").map(cpuset).unwrap_or_default(),
        memory: at("memory").map(memory).unwrap_or_default(),
        pids: at("pids").as_deref().map(pids).unwrap_or_default(),
        blkio: at("blkio").as_deref().map(blkio).unwrap_or_default(),
        hugetlb: at("hugetlb").map(huge_pages).unwrap_or_default(),
        ..Statistics::default()
    }
}

fn throttling(directory: &Path) -> Throttling {
    let mut told = keyed(directory, "cpu.stat");
    let mut take = |name: &str| told.remove(name).unwrap_or_default();
    Throttling {
        periods: take("nr_periods"),
        throttled_periods: take("nr_throttled"),
        throttled_time: take("throttled_time"),
    }
}

fn cpu_usage(directory: &Path) -> CpuUsage {
    let mut told = keyed(directory, "cpuacct.stat");
    let mut take = |name: &str| told.remove(name).unwrap_or_default().saturating_mul(TICK);
    let all = read(directory, "cpuacct.usage_all").unwrap_or_default();
    // "cpu user system", and then a line for each processor.
    let column = |index: usize| {
        let number = |line: &str| line.split(' ').nth(index)?.parse().ok();
        all.lines().skip(1).filter_map(number).collect::<Vec<u64>>()
    };
    let each = read(directory, "cpuacct.usage_percpu").unwrap_or_default();
    CpuUsage {
        total: number(directory, "cpuacct.usage").unwrap_or_default(),
        percpu: each.split_whitespace().filter_map(|number| number.parse().ok()).collect(),
        percpu_kernel: column(2),
        percpu_user: column(1),
        kernel: take("system"),
        user: take("user"),
    }
}

fn cpuset(directory: PathBuf) -> Cpuset {
    let flag = |name: &str| number(&directory, &format!("cpuset.{name}")).unwrap_or_default();
    let list = |name: &str| list(&read(&directory, name).unwrap_or_default());
    let level = read(&directory, "cpuset.sched_relax_domain_level").unwrap_or_default();
    Cpuset {
        cpus: list("cpuset.cpus"),
        cpu_exclusive: flag("cpu_exclusive"),
        mems: list("cpuset.mems"),
        mem_hardwall: flag("mem_hardwall"),
        mem_exclusive: flag("mem_exclusive"),
        memory_migrate: flag("memory_migrate"),
        memory_spread_page: flag("memory_spread_page"),
        memory_spread_slab: flag("memory_spread_slab"),
        memory_pressure: flag("memory_pressure"),
        sched_load_balance: flag("sched_load_balance"),
        sched_relax_domain_level: level.trim().parse().unwrap_or_default(),
    }
}

/// `0-3,7`, number by number.
fn list(text: &str) -> Vec<u16> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u16>().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

fn memory(directory: PathBuf) -> Memory {
    let raw = keyed(&directory, "memory.stat");
    let entry = |kind: &str| {
        let file = |end: &str| number(&directory, &format!("memory.{kind}{end}"));
        MemoryEntry {
            limit: file("limit_in_bytes").unwrap_or_default(),
            usage: file("usage_in_bytes").unwrap_or_default(),
            max: file("max_usage_in_bytes").unwrap_or_default(),
            failcnt: file("failcnt").unwrap_or_default(),
        }
    };
    Memory {
        cache: raw.get("cache").copied().unwrap_or_default(),
        usage: entry(""),
        swap: entry("memsw."),
        kernel: entry("kmem."),
        kernel_tcp: entry("kmem.tcp."),
        raw,
        psi: None,
    }
}

/// Where a field comes from, in each of the ways that kernels have counted: the first that has counted
/// anything is taken, as in runc.
type Kinds = [(&'static str, fn(&mut Blkio) -> &mut Vec<BlkioEntry>)];

const BYTES: fn(&mut Blkio) -> &mut Vec<BlkioEntry> = |io| &mut io.io_service_bytes_recursive;
const REQUESTS: fn(&mut Blkio) -> &mut Vec<BlkioEntry> = |io| &mut io.io_serviced_recursive;

const WAYS: [&Kinds; 4] = [
    &[
        ("blkio.bfq.sectors_recursive", |io| &mut io.sectors_recursive),
        ("blkio.bfq.io_service_time_recursive", |io| &mut io.io_service_time_recursive),
        ("blkio.bfq.io_wait_time_recursive", |io| &mut io.io_wait_time_recursive),
        ("blkio.bfq.io_merged_recursive", |io| &mut io.io_merged_recursive),
        ("blkio.bfq.io_queued_recursive", |io| &mut io.io_queued_recursive),
        ("blkio.bfq.time_recursive", |io| &mut io.io_time_recursive),
        ("blkio.bfq.io_serviced_recursive", REQUESTS),
        ("blkio.bfq.io_service_bytes_recursive", BYTES),
    ],
    &[
        ("blkio.bfq.io_serviced_recursive", REQUESTS),
        ("blkio.bfq.io_service_bytes_recursive", BYTES),
    ],
    &[
        ("blkio.throttle.io_serviced_recursive", REQUESTS),
        ("blkio.throttle.io_service_bytes_recursive", BYTES),
    ],
    &[("blkio.throttle.io_serviced", REQUESTS), ("blkio.throttle.io_service_bytes", BYTES)],
];

fn blkio(directory: &Path) -> Blkio {
    let mut io = Blkio::default();
    for kinds in WAYS {
        let (first, _) = kinds[0];
        if entries(directory, first).is_empty() {
            continue;
        }
        for (file, field) in kinds {
            *field(&mut io) = entries(directory, file);
        }
        break;
    }
    io
}

/// `8:0 Read 4096`; the last line, a sum over all disks, is left out.
fn entries(directory: &Path, file: &str) -> Vec<BlkioEntry> {
    let line = |line: &str| {
        let (device, rest) = line.split_once(' ')?;
        let (major, minor) = device.split_once(':')?;
        let (op, value) = rest.split_once(' ').unwrap_or(("", rest));
        Some(BlkioEntry {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
            op: op.to_string(),
            value: value.parse().ok()?,
        })
    };
    read(directory, file).unwrap_or_default().lines().filter_map(line).collect()
}

fn huge_pages(directory: PathBuf) -> BTreeMap<String, HugePages> {
    let one = |size: String| {
        let file = |end: &str| number(&directory, &format!("hugetlb.{size}.{end}"));
        let pages = HugePages {
            usage: file("usage_in_bytes")?,
            max: file("max_usage_in_bytes").unwrap_or_default(),
            failcnt: file("failcnt").unwrap_or_default(),
        };
        Some((size, pages))
    };
    huge_page_sizes().into_iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn lists_are_told_number_by_number() {
        assert_eq!(list("0-2,7\n"), [0, 1, 2, 7]);
        assert_eq!(list("\n"), [0_u16; 0]);
    }
}
