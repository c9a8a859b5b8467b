//! What a machine does not have is refused, and not left out: who asked for it believes in it.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("lacking/apparmor", "config.md, Linux Process: apparmorProfile", Fits::Root, apparmor),
    case("lacking/selinux", "config.md, Linux Process: selinuxLabel", Fits::Root, selinux),
    case("lacking/mount-label", "config-linux.md, Mount Label", Fits::Root, mount_label),
    case("lacking/resctrl", "config-linux.md, IntelRdt", Fits::Root, resctrl),
    case("lacking/rdma", "config-linux.md, RDMA", Fits::Root, rdma),
    case("lacking/hugepages", "config-linux.md, Huge page limits", Fits::Root, hugepages),
    case("lacking/memory-node", "config-linux.md, Memory Policy", Fits::Root, memory_node),
];

/// Refused where the machine lacks it; where it has it, that is for another test on another machine.
fn refused(bench: &Bench, has_it: bool, change: impl FnOnce(&mut Value)) -> Result<()> {
    if has_it {
        return Ok(());
    }
    let mut config = bench.config();
    change(&mut config);
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn has_module(name: &str) -> bool {
    let modules = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    modules.split(',').any(|module| module.trim() == name)
}

fn apparmor(bench: &Bench) -> Result<()> {
    refused(bench, has_module("apparmor"), |config| {
        config["process"]["apparmorProfile"] = json!("porthole-no-such-profile");
    })
}

fn selinux(bench: &Bench) -> Result<()> {
    refused(bench, has_module("selinux"), |config| {
        config["process"]["selinuxLabel"] = json!("system_u:system_r:container_t:s0:c1,c2");
    })
}

fn mount_label(bench: &Bench) -> Result<()> {
    refused(bench, has_module("selinux"), |config| {
        config["linux"]["mountLabel"] = json!("system_u:object_r:container_file_t:s0:c1,c2");
    })
}

fn resctrl(bench: &Bench) -> Result<()> {
    refused(bench, Path::new("/sys/fs/resctrl/schemata").exists(), |config| {
        config["linux"]["intelRdt"] = json!({"closID": "porthole", "l3CacheSchema": "L3:0=f"});
    })
}

fn has_controller(name: &str) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let v2 = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    let v1 = mounts
        .lines()
        .filter_map(|line| line.split_once(" - cgroup "))
        .any(|(_, rest)| rest.split([' ', ',']).any(|word| word == name));
    v1 || v2.split_whitespace().any(|word| word == name)
}

fn rdma(bench: &Bench) -> Result<()> {
    refused(bench, has_controller("rdma"), |config| {
        config["linux"]["resources"]["rdma"] = json!({"mlx5_1": {"hcaHandles": 3}});
    })
}

fn hugepages(bench: &Bench) -> Result<()> {
    refused(bench, has_controller("hugetlb"), |config| {
        config["linux"]["resources"]["hugepageLimits"] = json!([{"pageSize": "2MB", "limit": 0}]);
    })
}

fn memory_node(bench: &Bench) -> Result<()> {
    refused(bench, Path::new("/sys/devices/system/node/node63").exists(), |config| {
        config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": "63"});
    })
}
