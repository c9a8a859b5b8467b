//! config.md, "Linux Process": scheduler, ioPriority, execCPUAffinity; config-linux.md: personality.

use std::process::Command;

use anyhow::Result;
use serde_json::json;

use crate::conformance::{Bench, Case, Fits, case, kernel};

pub(super) const CASES: &[Case] = &[
    case("scheduling/policy", "config.md, Linux Process: scheduler", Fits::Root, policy),
    case("scheduling/nice", "config.md, Linux Process: scheduler.nice", Fits::Root, nice),
    case("scheduling/wrong", "config.md, Linux Process: scheduler.policy", Fits::Root, wrong),
    case("scheduling/io", "config.md, Linux Process: ioPriority", Fits::All, io)
        .needing(kernel::util_linux),
    case("scheduling/exec-affinity", "config.md, execCPUAffinity: final", Fits::All, affinity),
    case("scheduling/memory-policy", "config-linux.md, Memory Policy", Fits::All, memory_policy),
    case("scheduling/memory-policy-wrong", "config-linux.md, Memory Policy", Fits::All, no_policy),
    case("scheduling/personality", "config-linux.md, Personality", Fits::All, personality),
    case("scheduling/personality-wrong", "config-linux.md, Personality", Fits::All, unknown),
];

/// Policies that need no privilege, and their numbers.
fn policy(bench: &Bench) -> Result<()> {
    for (policy, number) in [("SCHED_OTHER", "0"), ("SCHED_BATCH", "3"), ("SCHED_IDLE", "5")] {
        let mut config = bench.config();
        config["process"]["scheduler"] = json!({"policy": policy});
        bench.equal(policy, bench.run(&config)?.stat("policy"), number);
    }
    Ok(())
}

fn nice(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["process"]["scheduler"] = json!({"policy": "SCHED_OTHER", "nice": 7});
    bench.equal("nice", bench.run(&config)?.stat("nice"), "7");
    Ok(())
}

fn wrong(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["process"]["scheduler"] = json!({"policy": "SCHED_SOON"});
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn io(bench: &Bench) -> Result<()> {
    let table = [("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"), ("IOPRIO_CLASS_IDLE", 0, "idle")];
    for (class, priority, right) in table {
        let mut config = bench.config_for(&["report", "sleep"]);
        config["process"]["ioPriority"] = json!({"class": class, "priority": priority});
        bench.run_detached(&config)?;
        let output = Command::new("ionice").arg("-p").arg(bench.pid()?.to_string()).output()?;
        bench.equal(class, String::from_utf8_lossy(&output.stdout).trim(), right);
        bench.command(&["delete", "--force", bench.id()])?.good()?;
    }
    Ok(())
}

/// It is for programs that come later, and not for the first.
fn affinity(bench: &Bench) -> Result<()> {
    let mut config = bench.config_for(&["report", "sleep"]);
    config["process"]["execCPUAffinity"] = json!({"initial": "0", "final": "0"});
    let first = bench.run_detached(&config)?;
    let all = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
    bench.equal("not the first", first.status("Cpus_allowed_list"), all.trim());
    let done = bench.command(&["exec", bench.id(), "/bin/payload", "report"])?.good()?;
    let report = crate::conformance::report::Report::read(&done.stdout)?;
    bench.equal("those that come later", report.status("Cpus_allowed_list"), "0");
    Ok(())
}

fn memory_policy(bench: &Bench) -> Result<()> {
    const MAPS: &str = "read:/proc/self/numa_maps";
    for (mode, word) in [("MPOL_BIND", " bind:0 "), ("MPOL_PREFERRED", " prefer:0 ")] {
        let mut config = bench.config();
        config["linux"]["memoryPolicy"] = json!({"mode": mode, "nodes": "0"});
        let report = bench.probe(&config, &[MAPS])?;
        bench.holds(mode, report.answer(MAPS).contains(word), report.answer(MAPS));
    }
    Ok(())
}

fn no_policy(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_SOMEWHERE", "nodes": "0"});
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn personality(bench: &Bench) -> Result<()> {
    for (domain, right) in [("LINUX32", "00000008"), ("LINUX", "00000000")] {
        let mut config = bench.config();
        config["linux"]["personality"] = json!({"domain": domain});
        bench.equal(domain, bench.run(&config)?.word("personality"), right);
    }
    Ok(())
}

fn unknown(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["linux"]["personality"] = json!({"domain": "MINIX"});
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}
