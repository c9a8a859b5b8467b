//! config-linux.md, "Sysctl".

use anyhow::{Context, Result};
use serde_json::json;

use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("sysctl/namespaced", "config-linux.md, Sysctl", Fits::Root, namespaced),
    case("sysctl/of-the-host", "what no namespace has is the host's", Fits::Root, hosts),
    case("sysctl/without-namespace", "what is inherited is the host's", Fits::Root, inherited),
];

fn namespaced(bench: &Bench) -> Result<()> {
    let table = [
        ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward", "1"),
        ("net.core.somaxconn", "/proc/sys/net/core/somaxconn", "256"),
        ("kernel.msgmax", "/proc/sys/kernel/msgmax", "4000"),
        ("kernel.shm_rmid_forced", "/proc/sys/kernel/shm_rmid_forced", "1"),
        ("fs.mqueue.msg_max", "/proc/sys/fs/mqueue/msg_max", "20"),
    ];
    let mut config = bench.config();
    let mut probes = Vec::new();
    for (name, file, value) in table {
        config["linux"]["sysctl"][name] = json!(value);
        probes.push(format!("read:{file}"));
    }
    let words: Vec<&str> = probes.iter().map(String::as_str).collect();
    let report = bench.probe(&config, &words)?;
    for ((name, _, value), probe) in table.iter().zip(&probes) {
        bench.equal(name, report.answer(probe).trim_end(), format!("ok {value}"));
    }
    Ok(())
}

fn hosts(bench: &Bench) -> Result<()> {
    let before = std::fs::read_to_string("/proc/sys/vm/swappiness")?;
    for name in ["vm.swappiness", "kernel.core_pattern", "kernel.no_such_thing"] {
        let mut config = bench.config();
        config["linux"]["sysctl"] = json!({name: "33"});
        bench.fails(name, &bench.try_run(&config)?, 1);
    }
    bench.equal("untouched", std::fs::read_to_string("/proc/sys/vm/swappiness")?, before);
    Ok(())
}

fn inherited(bench: &Bench) -> Result<()> {
    let before = std::fs::read_to_string("/proc/sys/kernel/msgmax")?;
    let mut config = bench.config();
    let list = config["linux"]["namespaces"].as_array_mut().context("a list")?;
    list.retain(|space| space["type"] != "ipc");
    config["linux"]["sysctl"] = json!({"kernel.msgmax": "4001"});
    bench.fails("refused", &bench.try_run(&config)?, 1);
    bench.equal("untouched", std::fs::read_to_string("/proc/sys/kernel/msgmax")?, before);
    Ok(())
}
