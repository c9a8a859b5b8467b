//! What cgroup v2 has counted, in the words of v1.

use std::collections::BTreeMap;
use std::path::Path;

use super::{
    Blkio, BlkioEntry, Cpu, CpuUsage, HugePages, Memory, MemoryEntry, Pressure, PressureLine,
    Statistics, Throttling, huge_page_sizes, keyed, number, pids,
};
use crate::cgroup::read;

pub(super) fn statistics(directory: &Path) -> Statistics {
    Statistics {
        cpu: cpu(directory),
        memory: memory(directory),
        pids: pids(directory),
        blkio: blkio(directory),
        hugetlb: huge_pages(directory),
        ..Statistics::default()
    }
}

fn cpu(directory: &Path) -> Cpu {
    let mut told = keyed(directory, "cpu.stat");
    let mut take = |name: &str| told.remove(name).unwrap_or_default();
    let (periods, throttled_periods) = (take("nr_periods"), take("nr_throttled"));
    // Microseconds here, nanoseconds there.
    let mut nanoseconds = |name: &str| take(name).saturating_mul(1000);
    Cpu {
        usage: CpuUsage {
            total: nanoseconds("usage_usec"),
            kernel: nanoseconds("system_usec"),
            user: nanoseconds("user_usec"),
            ..CpuUsage::default()
        },
        throttling: Throttling {
            periods,
            throttled_periods,
            throttled_time: nanoseconds("throttled_usec"),
        },
        psi: pressure(directory, "cpu.pressure"),
    }
}

fn memory(directory: &Path) -> Memory {
    let raw = keyed(directory, "memory.stat");
    let file = |name: &str| number(directory, name);
    let usage = MemoryEntry {
        limit: file("memory.max").unwrap_or_default(),
        usage: file("memory.current").unwrap_or_default(),
        max: file("memory.peak").unwrap_or_default(),
        failcnt: 0,
    };
    // v1 counts memory and swap together. Their peaks are no sum: they were not at one time.
    let swap = MemoryEntry {
        limit: file("memory.swap.max").map_or(0, |limit| limit.saturating_add(usage.limit)),
        usage: file("memory.swap.current").unwrap_or_default().saturating_add(usage.usage),
        max: 0,
        failcnt: 0,
    };
    Memory {
        cache: raw.get("file").copied().unwrap_or_default(),
        usage,
        swap,
        raw,
        psi: pressure(directory, "memory.pressure"),
        ..Memory::default()
    }
}

/// `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`
fn blkio(directory: &Path) -> Blkio {
    let mut io = Blkio { psi: pressure(directory, "io.pressure"), ..Blkio::default() };
    for line in read(directory, "io.stat").unwrap_or_default().lines() {
        let Some((device, rest)) = line.split_once(' ') else { continue };
        let Some((major, minor)) = device.split_once(':') else { continue };
        for (name, value) in rest.split(' ').filter_map(|pair| pair.split_once('=')) {
            let (list, op) = match name {
                "rbytes" => (&mut io.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut io.io_service_bytes_recursive, "Write"),
                "rios" => (&mut io.io_serviced_recursive, "Read"),
                "wios" => (&mut io.io_serviced_recursive, "Write"),
                _ => continue,
            };
            let number = |text: &str| text.parse().unwrap_or_default();
            let (major, minor, value) = (number(major), number(minor), number(value));
            list.push(BlkioEntry { major, minor, op: op.to_string(), value });
        }
    }
    io
}

fn huge_pages(directory: &Path) -> BTreeMap<String, HugePages> {
    let one = |size: String| {
        let usage = number(directory, &format!("hugetlb.{size}.current"))?;
        let failcnt = keyed(directory, &format!("hugetlb.{size}.events")).remove("max");
        Some((size, HugePages { usage, max: 0, failcnt: failcnt.unwrap_or_default() }))
    };
    huge_page_sizes().into_iter().filter_map(one).collect()
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same with `full`.
fn pressure(directory: &Path, file: &str) -> Option<Pressure> {
    let text = read(directory, file).filter(|text| !text.is_empty())?;
    let mut pressure = Pressure::default();
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ')?;
        let told = match kind {
            "some" => &mut pressure.some,
            "full" => &mut pressure.full,
            _ => continue,
        };
        *told = pressure_line(rest);
    }
    Some(pressure)
}

fn pressure_line(text: &str) -> PressureLine {
    let mut line = PressureLine::default();
    for (name, value) in text.split(' ').filter_map(|pair| pair.split_once('=')) {
        match name {
            "avg10" => line.avg10 = value.parse().unwrap_or_default(),
            "avg60" => line.avg60 = value.parse().unwrap_or_default(),
            "avg300" => line.avg300 = value.parse().unwrap_or_default(),
            "total" => line.total = value.parse().unwrap_or_default(),
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::statistics;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes the files that it reads")]
    fn v2_is_told_in_the_words_of_v1() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        file("cpu.stat", "usage_usec 30\nuser_usec 10\nsystem_usec 20\nnr_periods 3\n");
        file("memory.max", "1000\n");
        file("memory.current", "10\n");
        file("memory.swap.max", "max\n");
        file("memory.swap.current", "5\n");
        file("memory.stat", "anon 7\nfile 3\n");
        file("pids.current", "2\n");
        file("pids.max", "max\n");
        file("io.stat", "8:0 rbytes=4096 wbytes=1 rios=2 wios=3 dbytes=4 dios=5\n");
        file("cpu.pressure", "some avg10=0.50 avg60=0.00 avg300=0.00 total=9\n");
        let told = serde_json::to_value(statistics(folder.path())).unwrap();
        let usage = serde_json::json!({ "total": 30_000, "kernel": 20_000, "user": 10_000 });
        assert_eq!(told["cpu"]["usage"], usage);
        assert_eq!(told["cpu"]["psi"]["some"]["avg10"], 0.5);
        assert_eq!(told["cpu"]["throttling"], serde_json::json!({ "periods": 3 }));
        assert_eq!(told["memory"]["cache"], 3);
        assert_eq!(told["memory"]["swap"]["limit"], u64::MAX);
        assert_eq!(told["memory"]["swap"]["usage"], 15);
        assert_eq!(told["pids"], serde_json::json!({ "current": 2 }));
        assert_eq!(told["blkio"]["ioServicedRecursive"][1]["op"], "Write");
        assert_eq!(told["network_interfaces"], serde_json::Value::Null);
    }
}
