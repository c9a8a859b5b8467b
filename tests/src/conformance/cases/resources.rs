//! config-linux.md, "Memory", "CPU", "PIDs" and so on: each field, in the file that it belongs to.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::conformance::{Bench, Case, Fits, case, control, kernel};

pub(super) const CASES: &[Case] = &[
    case("resources/memory-v1", "config-linux.md, Memory", Fits::RootV1, memory_v1),
    case("resources/memory-v2", "config-linux.md, Memory", Fits::RootV2, memory_v2),
    case("resources/memory-unlimited", "config-linux.md, Memory: -1", Fits::Root, unlimited),
    case("resources/memory-bites", "config-linux.md, Memory: limit", Fits::Root, memory_bites),
    case("resources/cpu-v1", "config-linux.md, CPU", Fits::RootV1, cpu_v1),
    case("resources/cpu-v2", "config-linux.md, CPU", Fits::RootV2, cpu_v2),
    case("resources/cpu-burst-v1", "config-linux.md, CPU: burst", Fits::RootV1, burst_v1),
    case("resources/cpu-burst-v2", "config-linux.md, CPU: burst", Fits::RootV2, burst_v2),
    case("resources/cpu-idle-v1", "config-linux.md, CPU: idle", Fits::RootV1, idle_v1),
    case("resources/cpu-idle-v2", "config-linux.md, CPU: idle", Fits::RootV2, idle_v2),
    case("resources/cpusets", "config-linux.md, CPU: cpus, mems", Fits::Root, cpusets)
        .needing(kernel::cpusets),
    case("resources/pids", "config-linux.md, PIDs", Fits::Root, pids),
    case("resources/pids-bites", "config-linux.md, PIDs", Fits::Root, pids_bites),
    case("resources/block-v1", "config-linux.md, Block IO", Fits::RootV1, block_v1),
    case(
        "resources/unified",
        "config-linux.md, Unified: MUST still be written",
        Fits::RootV2,
        unified,
    ),
    case(
        "resources/unified-unknown",
        "config-linux.md, Unified: MUST generate an error",
        Fits::RootV2,
        unified_unknown,
    ),
    case(
        "resources/unified-on-v1",
        "config-linux.md, Unified: MUST generate an error",
        Fits::RootV1,
        unified_unknown,
    ),
    case("resources/hugepages-wrong", "config-linux.md, Huge page limits", Fits::Root, hugepages),
    case("resources/update", "runc: update", Fits::Root, update),
    case("resources/update-from-file", "runc: update --resources", Fits::Root, update_from_file),
];

fn running(bench: &Bench, resources: &Value) -> Result<i64> {
    let mut config = bench.config_for(&["report", "sleep"]);
    for (name, value) in resources.as_object().context("an object")? {
        config["linux"]["resources"][name] = value.clone();
    }
    bench.run_detached(&config)?;
    bench.pid()
}

/// Each file must hold this.
fn compare(bench: &Bench, pid: i64, controller: &str, table: &[(&str, &str)]) {
    for (file, right) in table {
        match control::value(pid, controller, file) {
            Ok(value) => bench.equal(file, value, *right),
            Err(error) => bench.holds(file, false, format!("{error:#}")),
        }
    }
}

fn memory_v1(bench: &Bench) -> Result<()> {
    let memory = json!({"memory": {"limit": 67_108_864, "reservation": 33_554_432,
        "swap": 134_217_728, "swappiness": 30, "disableOOMKiller": true}});
    let pid = running(bench, &memory)?;
    let table = [
        ("memory.limit_in_bytes", "67108864"),
        ("memory.soft_limit_in_bytes", "33554432"),
        ("memory.memsw.limit_in_bytes", "134217728"),
        ("memory.swappiness", "30"),
    ];
    compare(bench, pid, "memory", &table);
    let control = control::value(pid, "memory", "memory.oom_control")?;
    bench.holds("memory.oom_control", control.contains("oom_kill_disable 1"), control);
    Ok(())
}

fn memory_v2(bench: &Bench) -> Result<()> {
    let memory =
        json!({"memory": {"limit": 67_108_864, "reservation": 33_554_432, "swap": 134_217_728}});
    let pid = running(bench, &memory)?;
    compare(bench, pid, "memory", &[("memory.max", "67108864"), ("memory.low", "33554432")]);
    // Swap alone, where the older interface counts both.
    if let Ok(swap) = control::value(pid, "memory", "memory.swap.max") {
        bench.equal("memory.swap.max", swap, "67108864");
    }
    Ok(())
}

fn unlimited(bench: &Bench) -> Result<()> {
    let pid = running(bench, &json!({"memory": {"limit": -1}}))?;
    match crate::places::has_unified_cgroups() {
        true => compare(bench, pid, "memory", &[("memory.max", "max")]),
        false => compare(bench, pid, "memory", &[("memory.limit_in_bytes", "9223372036854771712")]),
    }
    Ok(())
}

fn memory_bites(bench: &Bench) -> Result<()> {
    let mut config = bench.config_for(&["burn:64"]);
    config["linux"]["resources"]["memory"] = json!({"limit": 16 << 20, "swap": 16 << 20});
    bench.equal("killed", bench.try_run(&config)?.code, 128 + 9);
    Ok(())
}

fn cpu_v1(bench: &Bench) -> Result<()> {
    let pid = running(bench, &json!({"cpu": {"shares": 512, "quota": 20000, "period": 50000}}))?;
    let table =
        [("cpu.shares", "512"), ("cpu.cfs_quota_us", "20000"), ("cpu.cfs_period_us", "50000")];
    compare(bench, pid, "cpu", &table);
    Ok(())
}

/// 1 + (shares - 2) * 9999 / 262142, as all runtimes of the time of the specification compute it.
fn cpu_v2(bench: &Bench) -> Result<()> {
    let pid = running(bench, &json!({"cpu": {"shares": 512, "quota": 20000, "period": 50000}}))?;
    compare(bench, pid, "cpu", &[("cpu.max", "20000 50000")]);
    // Newer ones use a curve through 1024 = 100.
    let weight = control::value(pid, "cpu", "cpu.weight")?;
    bench.holds("cpu.weight", ["20", "59"].contains(&weight.as_str()), weight);
    Ok(())
}

const BURST: fn() -> Value = || json!({"cpu": {"quota": 20000, "period": 50000, "burst": 10000}});

fn burst_v1(bench: &Bench) -> Result<()> {
    let pid = running(bench, &BURST())?;
    compare(bench, pid, "cpu", &[("cpu.cfs_burst_us", "10000")]);
    Ok(())
}

fn burst_v2(bench: &Bench) -> Result<()> {
    let pid = running(bench, &BURST())?;
    compare(bench, pid, "cpu", &[("cpu.max.burst", "10000")]);
    Ok(())
}

fn idle_v1(bench: &Bench) -> Result<()> {
    let pid = running(bench, &json!({"cpu": {"idle": 1}}))?;
    compare(bench, pid, "cpu", &[("cpu.idle", "1")]);
    Ok(())
}

fn idle_v2(bench: &Bench) -> Result<()> {
    idle_v1(bench)
}

fn cpusets(bench: &Bench) -> Result<()> {
    let pid = running(bench, &json!({"cpu": {"cpus": "0", "mems": "0"}}))?;
    compare(bench, pid, "cpuset", &[("cpuset.cpus", "0"), ("cpuset.mems", "0")]);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    bench.holds("it runs there", status.contains("Cpus_allowed_list:\t0\n"), "elsewhere");
    Ok(())
}

fn pids(bench: &Bench) -> Result<()> {
    let pid = running(bench, &json!({"pids": {"limit": 17}}))?;
    compare(bench, pid, "pids", &[("pids.max", "17")]);
    Ok(())
}

fn pids_bites(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["linux"]["resources"]["pids"] = json!({"limit": 1});
    // A runtime with threads may need more than one itself, and then says so.
    let seen = bench.probe(&config, &["run:/bin/payload exit:0"]);
    let bites =
        seen.as_ref().map_or(true, |report| report.answer("run:/bin/payload exit:0") == "errno 11");
    bench.holds("no second process", bites, seen);
    Ok(())
}

fn block_v1(bench: &Bench) -> Result<()> {
    let limit = |rate: u64| json!([{"major": 1, "minor": 0, "rate": rate}]);
    let Some((major, minor)) = a_disk() else { return Ok(()) };
    let limit = |rate: u64| {
        let mut limit = limit(rate);
        (limit[0]["major"], limit[0]["minor"]) = (json!(major), json!(minor));
        limit
    };
    let block = json!({"blockIO": {
        "throttleReadBpsDevice": limit(600), "throttleWriteBpsDevice": limit(700),
        "throttleReadIOPSDevice": limit(800), "throttleWriteIOPSDevice": limit(900)}});
    let pid = running(bench, &block)?;
    let table = [
        ("blkio.throttle.read_bps_device", format!("{major}:{minor} 600")),
        ("blkio.throttle.write_bps_device", format!("{major}:{minor} 700")),
        ("blkio.throttle.read_iops_device", format!("{major}:{minor} 800")),
        ("blkio.throttle.write_iops_device", format!("{major}:{minor} 900")),
    ];
    let table: Vec<_> = table.iter().map(|(file, right)| (*file, right.as_str())).collect();
    compare(bench, pid, "blkio", &table);
    Ok(())
}

/// The numbers of any block device: limits can be set for a whole disk only.
fn a_disk() -> Option<(u64, u64)> {
    let entry = std::fs::read_dir("/sys/block").ok()?.flatten().next()?;
    let numbers = std::fs::read_to_string(entry.path().join("dev")).ok()?;
    let (major, minor) = numbers.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn unified(bench: &Bench) -> Result<()> {
    let files =
        json!({"unified": {"memory.high": "33554432", "pids.max": "19", "cgroup.max.depth": "3"}});
    let pid = running(bench, &files)?;
    let table = [("memory.high", "33554432"), ("pids.max", "19"), ("cgroup.max.depth", "3")];
    compare(bench, pid, "", &table);
    Ok(())
}

fn unified_unknown(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["linux"]["resources"]["unified"] = json!({"weather.max": "1"});
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn hugepages(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["linux"]["resources"]["hugepageLimits"] = json!([{"pageSize": "3MB", "limit": 1}]);
    bench.fails("a size that is not there", &bench.try_run(&config)?, 1);
    Ok(())
}

fn update(bench: &Bench) -> Result<()> {
    let pid = running(bench, &json!({"pids": {"limit": 17}, "memory": {"limit": 67_108_864}}))?;
    bench.command(&["update", "--memory", "33554432", "--pids-limit", "20", bench.id()])?.good()?;
    compare(bench, pid, "pids", &[("pids.max", "20")]);
    let file =
        if crate::places::has_unified_cgroups() { "memory.max" } else { "memory.limit_in_bytes" };
    compare(bench, pid, "memory", &[(file, "33554432")]);
    Ok(())
}

fn update_from_file(bench: &Bench) -> Result<()> {
    let pid = running(bench, &json!({"pids": {"limit": 17}}))?;
    let file = bench.path("resources.json");
    std::fs::write(&file, json!({"pids": {"limit": 23}}).to_string())?;
    bench.command(&["update", "--resources", &file.to_string_lossy(), bench.id()])?.good()?;
    compare(bench, pid, "pids", &[("pids.max", "23")]);
    Ok(())
}
