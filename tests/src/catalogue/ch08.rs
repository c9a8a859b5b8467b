//! Chapter 8: limits.

use super::{Case, case};

/// The limits of the course's script.
const SCRIPT: &[&str] = &[
    "container",
    "--memory",
    "100000000",
    "--cpu-shares",
    "512",
    "--cpu-period",
    "1000000",
    "--cpu-quota",
    "2000000",
    "--pids",
    "100",
    "--hostname",
    "{id}",
    "--",
    "true",
];

/// A string that doubles until there is no memory left.
const EATER: &str = "a=x; while :; do a=$a$a; done";

const SETTINGS: &[&str] = &[
    "set",
    "-r",
    "memory.limit_in_bytes=100M",
    "-r",
    "cpu.shares=512",
    "-r",
    "cpu.cfs_quota_us=50000",
    "-r",
    "pids.max=100",
    "{cgroup}",
];

pub(super) const CASES: &[Case] = &[
    case("ch8-default", "chapter8", &[]).varies().per_cgroup_version(),
    case("ch8-oom", "chapter8", &["oom", "{id}"]).varies().per_cgroup_version(),
    case("ch8-create", "chapter8", &["create", "-g", "cpu,memory:{id}"])
        .exits_as_user(125)
        .varies()
        .keeps_cgroups()
        .per_cgroup_version(),
    case("ch8-create-below", "chapter8", &["create", "{id}/inner"])
        .exits_as_user(125)
        .varies()
        .keeps_cgroups()
        .per_cgroup_version(),
    case("ch8-set", "chapter8", SETTINGS).exits_as_user(125).per_cgroup_version(),
    case(
        "ch8-set-library",
        "chapter8",
        &[
            "set",
            "--by",
            "library",
            "-r",
            "memory.limit_in_bytes=100M",
            "-r",
            "cpu.shares=512",
            "-r",
            "pids.max=100",
            "{cgroup}",
        ],
    )
    .exits_as_user(125)
    .per_cgroup_version(),
    case("ch8-set-unknown", "chapter8", &["set", "-r", "memory.limit_in_byte=1M", "{cgroup}"])
        .exits(125)
        .per_cgroup_version(),
    case("ch8-exec", "chapter8", &["exec", "-g", "cpu,memory:{cgroup}", "true"])
        .exits_as_user(125)
        .per_cgroup_version(),
    case("ch8-exec-code", "chapter8", &["exec", "{cgroup}", "sh", "-c", "exit 7"])
        .exits(7)
        .exits_as_user(125)
        .per_cgroup_version(),
    case("ch8-freeze", "chapter8", &["freeze", "{cgroup}"]).exits_as_user(125).per_cgroup_version(),
    case("ch8-freeze-library", "chapter8", &["freeze", "--by", "library", "{cgroup}"])
        .exits_as_user(125)
        .per_cgroup_version(),
    case("ch8-thaw", "chapter8", &["thaw", "{cgroup}"]).exits_as_user(125).per_cgroup_version(),
    case("ch8-show", "chapter8", &["show"]).varies(),
    case("ch8-show-one", "chapter8", &["show", "{cgroup}"]).varies(),
    case("ch8-delete", "chapter8", &["delete", "{cgroup}"]).exits_as_user(125).per_cgroup_version(),
    case("ch8-container", "chapter8", SCRIPT).exits_as_user(125).varies().per_cgroup_version(),
    case(
        "ch8-container-bare",
        "chapter8",
        &[
            "container",
            "--hostname",
            "{id}",
            "--",
            "sh",
            "-c",
            "echo $$; id -u; ls -d /proc/[0-9]*",
        ],
    )
    .per_cgroup_version(),
    case(
        "ch8-container-oom",
        "chapter8",
        &["container", "--memory", "20M", "--hostname", "{id}", "--", "sh", "-c", EATER],
    )
    .exits(137)
    .exits_as_user(125)
    .varies()
    .per_cgroup_version(),
];
