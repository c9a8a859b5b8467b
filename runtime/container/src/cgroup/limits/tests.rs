//! Every field of `linux.resources`, by what is written for it.

use std::path::Path;

use bundle::Cgroup;
use serde_json::{Value, json};

use super::table::{How, Write};
use super::{asked_for, v1, v2};

/// A plan's cgroup, from what stands in config.json.
fn wanted(resources: Value) -> Cgroup {
    let document = json!({
        "ociVersion": "1.2.0",
        "root": { "path": "rootfs" },
        "process": { "cwd": "/", "args": ["true"], "user": { "uid": 0, "gid": 0 } },
        "linux": { "namespaces": [{ "type": "mount" }], "resources": resources },
    });
    let text = document.to_string();
    bundle::read(text.as_bytes(), Path::new("/bundle")).unwrap().plan.cgroup
}

/// `memory.max=100`; with `?` when it may be missing, `~` when it may be tried again, and `/` before
/// what is written where the first file is not there.
fn told(writes: &[Write]) -> Vec<String> {
    let one = |one: &Write| {
        let line = format!("{}={}", one.file, one.value);
        match &one.how {
            How::Must => line,
            How::IfThere => format!("{line}?"),
            How::Again => format!("{line}~"),
            How::Or(file, value) => format!("{line}/{file}={value}"),
        }
    };
    writes.iter().map(one).collect()
}

fn check(resources: Value, first: &[&str], second: &[&str]) {
    let wanted = wanted(resources.clone());
    assert_eq!(told(&v1::writes(&wanted, None)), first, "v1: {resources}");
    assert_eq!(told(&v2::writes(&wanted).unwrap()), second, "v2: {resources}");
}

#[test]
fn what_is_not_asked_for_is_not_written() {
    check(json!({}), &[], &[]);
    check(json!({ "memory": {}, "cpu": {}, "pids": {}, "blockIO": {} }), &[], &[]);
    check(json!({ "memory": { "limit": 0, "swap": 0 }, "pids": { "limit": 0 } }), &[], &[]);
    assert_eq!(asked_for(&wanted(json!({}))), None);
    assert_eq!(asked_for(&wanted(json!({ "pids": { "limit": 5 } }))), Some("pids.limit"));
    let unified = json!({ "unified": { "memory.high": "5" } });
    assert_eq!(asked_for(&wanted(unified)), Some("unified"));
}

#[test]
fn memory() {
    let soft = "memory.soft_limit_in_bytes";
    check(
        json!({ "memory": { "limit": 1000, "reservation": 500 } }),
        &["memory.limit_in_bytes=1000", &format!("{soft}=500")],
        &["memory.max=1000", "memory.low=500"],
    );
    check(
        json!({ "memory": { "limit": 1000, "swap": 3000 } }),
        &["memory.limit_in_bytes=1000", "memory.memsw.limit_in_bytes=3000"],
        &["memory.swap.max=2000", "memory.max=1000"],
    );
    check(
        json!({ "memory": { "limit": 1000, "swap": 1000 } }),
        &["memory.limit_in_bytes=1000", "memory.memsw.limit_in_bytes=1000"],
        &["memory.swap.max=0?", "memory.max=1000"],
    );
    check(
        json!({ "memory": { "limit": 1000, "swap": -1 } }),
        &["memory.memsw.limit_in_bytes=-1", "memory.limit_in_bytes=1000"],
        &["memory.swap.max=max?", "memory.max=1000"],
    );
    check(
        json!({ "memory": { "limit": -1, "reservation": -1 } }),
        &["memory.memsw.limit_in_bytes=-1?", "memory.limit_in_bytes=-1", &format!("{soft}=-1")],
        &["memory.swap.max=max?", "memory.max=max", "memory.low=max"],
    );
}

#[test]
fn in_v1_memory_and_both_never_cross() {
    let both = wanted(json!({ "memory": { "limit": 2000, "swap": 4000 } }));
    let (memory, swap) = ("memory.limit_in_bytes=2000", "memory.memsw.limit_in_bytes=4000");
    assert_eq!(told(&v1::writes(&both, Some(1000))), [swap, memory]);
    assert_eq!(told(&v1::writes(&both, Some(3999))), [swap, memory]);
    assert_eq!(told(&v1::writes(&both, Some(4000))), [memory, swap]);
    assert_eq!(told(&v1::writes(&both, Some(u64::MAX))), [memory, swap]);
}

#[test]
fn cpu() {
    check(
        json!({ "cpu": { "shares": 512, "quota": 20000, "period": 50000, "burst": 10000 } }),
        &[
            "cpu.shares=512",
            "cpu.cfs_period_us=50000~",
            "cpu.cfs_burst_us=10000~",
            "cpu.cfs_quota_us=20000",
        ],
        &["cpu.weight=59", "cpu.max.burst=10000~", "cpu.max=20000 50000"],
    );
    check(json!({ "cpu": { "quota": 20000 } }), &["cpu.cfs_quota_us=20000"], &["cpu.max=20000"]);
    check(
        json!({ "cpu": { "quota": -1, "period": 50000 } }),
        &["cpu.cfs_period_us=50000~", "cpu.cfs_quota_us=-1"],
        &["cpu.max=max 50000"],
    );
    check(
        json!({ "cpu": { "period": 50000 } }),
        &["cpu.cfs_period_us=50000~"],
        &["cpu.max=max 50000"],
    );
    check(json!({ "cpu": { "idle": 1 } }), &["cpu.idle=1"], &["cpu.idle=1"]);
    check(
        json!({ "cpu": { "cpus": "0-1,3", "mems": "0" } }),
        &["cpuset.cpus=0-1,3", "cpuset.mems=0"],
        &["cpuset.cpus=0-1,3", "cpuset.mems=0"],
    );
}

#[test]
fn pids() {
    check(json!({ "pids": { "limit": 7 } }), &["pids.max=7"], &["pids.max=7"]);
    check(json!({ "pids": { "limit": -1 } }), &["pids.max=max"], &["pids.max=max"]);
}

#[test]
fn block_io() {
    check(
        json!({ "blockIO": { "weight": 10 } }),
        &["blkio.weight=10/blkio.bfq.weight=10"],
        &["io.bfq.weight=10/io.weight=1"],
    );
    check(
        json!({ "blockIO": { "weightDevice": [{ "major": 8, "minor": 16, "weight": 1000 }] } }),
        &["blkio.weight_device=8:16 1000/blkio.bfq.weight_device=8:16 1000"],
        &["io.bfq.weight=8:16 1000/io.weight=8:16 10000"],
    );
    let rate = |rate: u64| json!([{ "major": 8, "minor": 0, "rate": rate }]);
    check(
        json!({ "blockIO": {
            "throttleReadBpsDevice": rate(600), "throttleWriteBpsDevice": rate(0),
            "throttleReadIOPSDevice": rate(60), "throttleWriteIOPSDevice": rate(6),
        } }),
        &[
            "blkio.throttle.read_bps_device=8:0 600",
            "blkio.throttle.write_bps_device=8:0 0",
            "blkio.throttle.read_iops_device=8:0 60",
            "blkio.throttle.write_iops_device=8:0 6",
        ],
        &[
            "io.max=8:0 rbps=600",
            "io.max=8:0 wbps=max",
            "io.max=8:0 riops=60",
            "io.max=8:0 wiops=6",
        ],
    );
}

#[test]
fn huge_pages_and_rdma() {
    check(
        json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4096 }] }),
        &["hugetlb.2MB.limit_in_bytes=4096", "hugetlb.2MB.rsvd.limit_in_bytes=4096?"],
        &["hugetlb.2MB.max=4096", "hugetlb.2MB.rsvd.max=4096?"],
    );
    let line = "rdma.max=mlx5_1 hca_handle=3 hca_object=10000";
    check(
        json!({ "rdma": { "mlx5_1": { "hcaHandles": 3, "hcaObjects": 10000 } } }),
        &[line],
        &[line],
    );
    let line = "rdma.max=rxe3 hca_object=1000";
    check(json!({ "rdma": { "rxe3": { "hcaObjects": 1000 } } }), &[line], &[line]);
}

#[test]
fn what_v1_alone_knows() {
    let only_v1 = [
        (json!({ "memory": { "swappiness": 60 } }), "memory.swappiness=60", "memory.swappiness"),
        (
            json!({ "memory": { "disableOOMKiller": true } }),
            "memory.oom_control=1",
            "memory.disableOOMKiller",
        ),
        (json!({ "cpu": { "realtimeRuntime": 950 } }), "cpu.rt_runtime_us=950", "cpu.realtime"),
        (json!({ "cpu": { "realtimePeriod": 1000 } }), "cpu.rt_period_us=1000", "cpu.realtime"),
        (json!({ "blockIO": { "leafWeight": 10 } }), "blkio.leaf_weight=10", "blockIO.leafWeight"),
        (
            json!({ "network": { "classID": 1048577 } }),
            "net_cls.classid=1048577",
            "network.classID",
        ),
        (
            json!({ "network": { "priorities": [{ "name": "lo", "priority": 5 }] } }),
            "net_prio.ifpriomap=lo 5",
            "network.priorities",
        ),
    ];
    for (resources, line, name) in only_v1 {
        let wanted = wanted(resources);
        assert_eq!(told(&v1::writes(&wanted, None)), [line]);
        let error = v2::writes(&wanted).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("cgroup v2"), "{error}");
    }
}

#[test]
fn what_v2_is_told_by_name_comes_last() {
    let wanted = wanted(json!({
        "unified": { "memory.high": "900", "io.max": "8:0 rbps=1" },
        "memory": { "limit": 1000 },
        "pids": { "limit": 3 },
    }));
    let writes = v2::writes(&wanted).unwrap();
    assert_eq!(writes[0].controller, "memory");
    let expected = ["memory.max=1000", "pids.max=3", "io.max=8:0 rbps=1", "memory.high=900"];
    assert_eq!(told(&writes), expected);
}

#[test]
fn shares_and_weight_have_the_same_default() {
    // The values of opencontainers/cgroups, utils_test.go.
    let pairs = [(2, 1), (512, 59), (1024, 100), (2000, 170), (262_144, 10_000), (1, 1)];
    for (shares, weight) in pairs {
        assert_eq!(v2::weight_of_shares(shares), weight);
    }
}
