//! What is refused, where, and in which words?
//!
//! Each row changes one thing in a configuration that has everything, and names the places that must
//! be complained about: exactly those. The words are in a snapshot, to be read by people.

#![expect(clippy::unwrap_used, reason = "a table that makes no sense fails the test")]

use std::path::Path;

use bundle::{Complaints, Place, Reading};
use insta::assert_snapshot;
use serde_json::{Value, json};

/// A row whose value this is takes the field away.
const GONE: &str = "gone";

/// Where, what stands there instead, and which complaints there are.
type Row = (&'static str, &'static str, &'static str);

const TOP: &[Row] = &[
    ("/ociVersion", GONE, "ociVersion"),
    ("/ociVersion", "1", "ociVersion"),
    ("/ociVersion", r#""1.0""#, "ociVersion"),
    ("/ociVersion", r#""01.0.0""#, "ociVersion"),
    ("/ociVersion", r#""2.0.0""#, "ociVersion"),
    ("/root", GONE, "root"),
    ("/root", r#""rootfs""#, "root"),
    ("/root/path", GONE, "root.path"),
    ("/root/path", r#""""#, "root.path"),
    ("/root/path", r#""a\u0000b""#, "root.path"),
    ("/root/readonly", r#""yes""#, "root.readonly"),
    ("/hostname", "5", "hostname"),
    (
        "/hostname",
        r#""0123456789012345678901234567890123456789012345678901234567890123456789""#,
        "hostname",
    ),
    ("/annotations", r#"{"": "x"}"#, r#"annotations[""]"#),
    ("/annotations/number", "5", "annotations.number"),
    ("/linux", "[]", "linux root.readonly hostname domainname"),
    ("/hooks/poststop/0/path", r#""bin/hook""#, "hooks.poststop[0].path"),
    ("/hooks/poststop/0/path", GONE, "hooks.poststop[0].path"),
    ("/hooks/createRuntime/0/timeout", "0", "hooks.createRuntime[0].timeout"),
    ("/hooks/createRuntime/0/timeout", "-1", "hooks.createRuntime[0].timeout"),
    ("/hooks/createRuntime/0/env/0", r#""novalue""#, "hooks.createRuntime[0].env[0]"),
    ("/hooks/poststart", r#""/bin/true""#, "hooks.poststart"),
];

const PROCESS: &[Row] = &[
    ("/process", GONE, "process"),
    ("/process/args", GONE, "process.args"),
    ("/process/args", "[]", "process.args"),
    ("/process/args", r#""sh""#, "process.args"),
    ("/process/args/0", r#""""#, "process.args[0]"),
    ("/process/args/1", "7", "process.args[1]"),
    ("/process/args/1", r#""a\u0000""#, "process.args[1]"),
    ("/process/env/0", r#""PATH""#, "process.env[0]"),
    ("/process/env/0", r#""=x""#, "process.env[0]"),
    ("/process/cwd", GONE, "process.cwd"),
    ("/process/cwd", r#""""#, "process.cwd"),
    ("/process/cwd", r#""work""#, "process.cwd"),
    ("/process/terminal", "1", "process.terminal"),
    ("/process/consoleSize/height", "65536", "process.consoleSize.height"),
    ("/process/consoleSize/width", GONE, "process.consoleSize.width"),
    ("/process/consoleSize/width", "-1", "process.consoleSize.width"),
    ("/process/user/uid", GONE, "process.user.uid"),
    ("/process/user/uid", "-1", "process.user.uid"),
    ("/process/user/uid", "4294967295", "process.user.uid"),
    ("/process/user/uid", "4294967296", "process.user.uid"),
    ("/process/user/uid", "70000", "process.user.uid"),
    ("/process/user/uid", r#""1000""#, "process.user.uid"),
    ("/process/user/gid", "1010", "process.user.gid"),
    ("/process/user/additionalGids/1", "5000", "process.user.additionalGids[1]"),
    ("/process/user/umask", "512", "process.user.umask"),
    ("/process/capabilities", r#"["CAP_KILL"]"#, "process.capabilities"),
    ("/process/capabilities/bounding/0", "5", "process.capabilities.bounding[0]"),
    ("/process/rlimits/0/soft", "1", "process.rlimits[0].soft"),
    ("/process/rlimits/0/hard", GONE, "process.rlimits[0].hard"),
    ("/process/rlimits/0/type", r#""RLIMIT_FILES""#, "process.rlimits[0].type"),
    ("/process/rlimits/0/type", r#""RLIMIT_NICE""#, "process.rlimits[1].type"),
    ("/process/oomScoreAdj", "1001", "process.oomScoreAdj"),
    ("/process/oomScoreAdj", "1.5", "process.oomScoreAdj"),
    ("/process/scheduler/policy", GONE, "process.scheduler.policy"),
    ("/process/scheduler/policy", r#""SCHED_FAIR""#, "process.scheduler.policy"),
    ("/process/scheduler/nice", "20", "process.scheduler.nice"),
    ("/process/scheduler/priority", "1", "process.scheduler.priority"),
    ("/process/scheduler/flags/0", r#""SCHED_FLAG_D_L_OVERRUN""#, "process.scheduler.flags[0]"),
    ("/process/scheduler/runtime", "1000", "process.scheduler"),
    ("/process/scheduler/deadline", "50000000", "process.scheduler"),
    ("/process/scheduler", r#"{"policy": "SCHED_OTHER", "period": 5}"#, "process.scheduler.period"),
    ("/process/scheduler", r#"{"policy": "SCHED_FIFO"}"#, "process.scheduler.priority"),
    (
        "/process/scheduler",
        r#"{"policy": "SCHED_RR", "priority": 100}"#,
        "process.scheduler.priority",
    ),
    ("/process/ioPriority/priority", "8", "process.ioPriority.priority"),
    ("/process/ioPriority/class", r#""IOPRIO_CLASS_NONE""#, "process.ioPriority.class"),
    ("/process/execCPUAffinity/initial", r#""0-""#, "process.execCPUAffinity.initial"),
    ("/process/execCPUAffinity/final", r#""3-1""#, "process.execCPUAffinity.final"),
];

const MOUNTS: &[Row] = &[
    ("/mounts", "{}", "mounts"),
    ("/mounts/0", r#""/proc""#, "mounts[0]"),
    ("/mounts/0/destination", GONE, "mounts[0].destination"),
    ("/mounts/0/destination", r#""""#, "mounts[0].destination"),
    ("/mounts/0/destination", r#""/a\u0000""#, "mounts[0].destination"),
    ("/mounts/0/type", GONE, "mounts[0].type"),
    ("/mounts/0/type", r#""bind""#, "mounts[0].type"),
    ("/mounts/0/options", r#"["tmpcopyup"]"#, "mounts[0].options"),
    ("/mounts/0/options", r#"["idmap"]"#, "mounts[0].options"),
    ("/mounts/0/options", r#""ro""#, "mounts[0].options"),
    ("/mounts/2/source", GONE, "mounts[2].source"),
    ("/mounts/2/options/1", r#""mode=700""#, "mounts[2].options"),
    ("/mounts/3/gidMappings", GONE, "mounts[3].gidMappings"),
    ("/mounts/3/uidMappings/0/size", "0", "mounts[3].uidMappings[0].size"),
];

const NAMESPACES: &[Row] = &[
    (
        "/linux/namespaces/0/type",
        r#""net""#,
        "linux.namespaces[0].type linux.timeOffsets.boottime linux.timeOffsets.monotonic",
    ),
    ("/linux/namespaces/1/type", GONE, "linux.namespaces[1].type"),
    ("/linux/namespaces/1/type", r#""pid""#, "linux.namespaces[6]"),
    ("/linux/namespaces/1/path", r#""ns/cgroup""#, "linux.namespaces[1].path"),
    (
        "/linux/namespaces/0/path",
        r#""/proc/1/ns/time""#,
        "linux.timeOffsets.boottime linux.timeOffsets.monotonic",
    ),
    (
        "/linux/namespaces/2",
        r#"{"type": "cgroup", "path": "/x"}"#,
        "linux.namespaces[2] hostname domainname linux.sysctl[\"kernel.domainname\"]",
    ),
    (
        "/linux/namespaces/4",
        r#"{"type": "mount", "path": "mnt"}"#,
        "linux.namespaces[4].path root.readonly linux.maskedPaths linux.readonlyPaths",
    ),
    ("/linux/uidMappings", "[]", "linux.uidMappings"),
    ("/linux/uidMappings/0/hostID", GONE, "linux.uidMappings[0].hostID"),
    ("/linux/uidMappings/0/size", "4294967295", "linux.uidMappings[0].hostID"),
    ("/linux/gidMappings/1/containerID", "999", "linux.gidMappings[1]"),
    ("/linux/gidMappings/1/hostID", "100999", "linux.gidMappings[1]"),
    ("/linux/timeOffsets/realtime", "{}", "linux.timeOffsets.realtime"),
    ("/linux/timeOffsets/boottime/nanosecs", "1000000000", "linux.timeOffsets.boottime.nanosecs"),
    ("/linux/timeOffsets/boottime/nanosecs", "-1", "linux.timeOffsets.boottime.nanosecs"),
    (
        "/linux/sysctl/kernel.core_pattern",
        r#""|/bin/evil""#,
        r#"linux.sysctl["kernel.core_pattern"]"#,
    ),
    ("/linux/sysctl/kernel.hostname", r#""x""#, r#"linux.sysctl["kernel.hostname"]"#),
    ("/linux/sysctl/net.core.somaxconn", r#""1""#, r#"linux.sysctl["net/core/somaxconn"]"#),
    ("/linux/sysctl/net.core.x", r#""1\nkernel.core_pattern=x""#, r#"linux.sysctl["net.core.x"]"#),
    (
        "/linux/sysctl/net.core.x+kernel.core_pattern",
        r#""1""#,
        r#"linux.sysctl["net.core.x+kernel.core_pattern"]"#,
    ),
    (
        "/linux/sysctl/net....kernel.core_pattern",
        r#""1""#,
        r#"linux.sysctl["net....kernel.core_pattern"]"#,
    ),
    ("/linux/sysctl/net.core.x", "1", r#"linux.sysctl["net.core.x"]"#),
    ("/linux/netDevices/eth2/name", r#""uplink""#, "linux.netDevices.eth2"),
    ("/linux/netDevices/eth2/name", r#""a/b""#, "linux.netDevices.eth2"),
    ("/linux/netDevices/eth2/name", r#""sixteen-bytes-xx""#, "linux.netDevices.eth2"),
    ("/linux/rootfsPropagation", r#""public""#, "linux.rootfsPropagation"),
    ("/linux/maskedPaths/0", r#""proc/kcore""#, "linux.maskedPaths[0]"),
    ("/linux/readonlyPaths/0", r#""""#, "linux.readonlyPaths[0]"),
];

const DEVICES: &[Row] = &[
    ("/linux/devices/0/type", r#""a""#, "linux.devices[0].type"),
    ("/linux/devices/0/type", r#""x""#, "linux.devices[0].type"),
    ("/linux/devices/0/path", r#""fuse""#, "linux.devices[0].path"),
    ("/linux/devices/0/path", r#""/dev/sda""#, "linux.devices[1].path"),
    ("/linux/devices/0/major", GONE, "linux.devices[0].major"),
    ("/linux/devices/0/minor", "1048576", "linux.devices[0].minor"),
    ("/linux/devices/0/major", "-1", "linux.devices[0].major"),
    ("/linux/devices/0/uid", "4294967295", "linux.devices[0].uid"),
    ("/linux/devices/3/minor", "5", "linux.devices[3]"),
    ("/linux/resources/devices/0/allow", GONE, "linux.resources.devices[0].allow"),
    ("/linux/resources/devices/0/type", r#""p""#, "linux.resources.devices[0].type"),
    ("/linux/resources/devices/0/access", r#""rx""#, "linux.resources.devices[0].access"),
    ("/linux/resources/devices/0/major", "-2", "linux.resources.devices[0].major"),
];

const RESOURCES: &[Row] = &[
    ("/linux/cgroupsPath", r#""/a/../../b""#, "linux.cgroupsPath"),
    ("/linux/cgroupsPath", r#""/""#, "linux.cgroupsPath"),
    ("/linux/cgroupsPath", r#""system.slice:runc:""#, "linux.cgroupsPath"),
    ("/linux/cgroupsPath", r#""a\nb""#, "linux.cgroupsPath"),
    ("/linux/resources/memory/limit", "-2", "linux.resources.memory.limit"),
    ("/linux/resources/memory/limit", r#""64M""#, "linux.resources.memory.limit"),
    ("/linux/resources/memory/swap", "1000", "linux.resources.memory.swap"),
    ("/linux/resources/memory", r#"{"swap": 1000}"#, "linux.resources.memory.swap"),
    ("/linux/resources/memory/swappiness", "101", "linux.resources.memory.swappiness"),
    ("/linux/resources/cpu/quota", "999", "linux.resources.cpu.quota linux.resources.cpu.burst"),
    ("/linux/resources/cpu/burst", "100001", "linux.resources.cpu.burst"),
    ("/linux/resources/cpu/period", "999", "linux.resources.cpu.period"),
    ("/linux/resources/cpu/shares", "-1", "linux.resources.cpu.shares"),
    ("/linux/resources/cpu/realtimeRuntime", "1000001", "linux.resources.cpu.realtimeRuntime"),
    ("/linux/resources/cpu/idle", "2", "linux.resources.cpu.idle"),
    ("/linux/resources/cpu/cpus", r#""0,a""#, "linux.resources.cpu.cpus"),
    ("/linux/resources/cpu/mems", r#""+1""#, "linux.resources.cpu.mems"),
    ("/linux/resources/pids/limit", r#""10""#, "linux.resources.pids.limit"),
    ("/linux/resources/blockIO/weight", "9", "linux.resources.blockIO.weight"),
    (
        "/linux/resources/blockIO/weightDevice/1/weight",
        GONE,
        "linux.resources.blockIO.weightDevice[1]",
    ),
    (
        "/linux/resources/blockIO/weightDevice/1/major",
        GONE,
        "linux.resources.blockIO.weightDevice[1].major",
    ),
    (
        "/linux/resources/blockIO/throttleReadBpsDevice/0/rate",
        GONE,
        "linux.resources.blockIO.throttleReadBpsDevice[0].rate",
    ),
    (
        "/linux/resources/blockIO/throttleReadBpsDevice/0/rate",
        "-1",
        "linux.resources.blockIO.throttleReadBpsDevice[0].rate",
    ),
    (
        "/linux/resources/hugepageLimits/0/pageSize",
        r#""2M""#,
        "linux.resources.hugepageLimits[0].pageSize",
    ),
    (
        "/linux/resources/hugepageLimits/0/pageSize",
        r#""64KB""#,
        "linux.resources.hugepageLimits[1].pageSize",
    ),
    (
        "/linux/resources/hugepageLimits/0/limit",
        "18446744073709551616",
        "linux.resources.hugepageLimits[0].limit",
    ),
    (
        "/linux/resources/network/priorities/0/name",
        r#""a b""#,
        "linux.resources.network.priorities[0].name",
    ),
    (
        "/linux/resources/network/priorities/0/priority",
        GONE,
        "linux.resources.network.priorities[0].priority",
    ),
    ("/linux/resources/rdma/mlx4_0", "{}", "linux.resources.rdma.mlx4_0"),
    (
        "/linux/resources/unified/..~1escape.max",
        r#""1""#,
        r#"linux.resources.unified["../escape.max"]"#,
    ),
    ("/linux/resources/unified/io.max", "1", r#"linux.resources.unified["io.max"]"#),
    ("/linux/intelRdt/closID", r#""..""#, "linux.intelRdt.closID"),
    ("/linux/intelRdt/memBwSchema", r#""MB:0=1\nL3:0=f""#, "linux.intelRdt.memBwSchema"),
    ("/linux/intelRdt/schemata/0", r#""""#, "linux.intelRdt.schemata"),
    ("/linux/memoryPolicy/mode", r#""MPOL_BEST""#, "linux.memoryPolicy.mode"),
    ("/linux/memoryPolicy/nodes", GONE, "linux.memoryPolicy.nodes"),
    ("/linux/memoryPolicy/mode", r#""MPOL_LOCAL""#, "linux.memoryPolicy.nodes"),
    ("/linux/memoryPolicy/flags/1", r#""MPOL_F_RELATIVE_NODES""#, "linux.memoryPolicy.flags"),
    ("/linux/personality/domain", r#""BSD""#, "linux.personality.domain"),
    ("/linux/personality/domain", GONE, "linux.personality.domain"),
];

const SECCOMP: &[Row] = &[
    ("/linux/seccomp/defaultAction", GONE, "linux.seccomp.defaultAction"),
    ("/linux/seccomp/defaultAction", r#""SCMP_ACT_MAYBE""#, "linux.seccomp.defaultAction"),
    ("/linux/seccomp/defaultAction", r#""SCMP_ACT_NOTIFY""#, "linux.seccomp.defaultAction"),
    ("/linux/seccomp/defaultErrnoRet", "1", "linux.seccomp.defaultErrnoRet"),
    ("/linux/seccomp/architectures/0", r#""SCMP_ARCH_VAX""#, "linux.seccomp.architectures[0]"),
    ("/linux/seccomp/flags/0", r#""SECCOMP_FILTER_FLAG_FAST""#, "linux.seccomp.flags[0]"),
    ("/linux/seccomp/listenerPath", GONE, "linux.seccomp.listenerMetadata linux.seccomp"),
    ("/linux/seccomp/syscalls/7/action", r#""SCMP_ACT_LOG""#, "linux.seccomp.flags"),
    ("/linux/seccomp/syscalls/7/names/0", r#""write""#, "linux.seccomp.syscalls"),
    ("/linux/seccomp/syscalls/0/names", "[]", "linux.seccomp.syscalls[0].names"),
    ("/linux/seccomp/syscalls/0/names", GONE, "linux.seccomp.syscalls[0].names"),
    ("/linux/seccomp/syscalls/0/errnoRet", "1", "linux.seccomp.syscalls[0].errnoRet"),
    ("/linux/seccomp/syscalls/13/errnoRet", "4096", "linux.seccomp.syscalls[13].errnoRet"),
    ("/linux/seccomp/syscalls/8/errnoRet", "65536", "linux.seccomp.syscalls[8].errnoRet"),
    ("/linux/seccomp/syscalls/0/args/0/index", "6", "linux.seccomp.syscalls[0].args[0].index"),
    (
        "/linux/seccomp/syscalls/0/args/0/op",
        r#""SCMP_CMP_IS""#,
        "linux.seccomp.syscalls[0].args[0].op",
    ),
    ("/linux/seccomp/syscalls/0/args/0/value", GONE, "linux.seccomp.syscalls[0].args[0].value"),
];

fn everything() -> Value {
    serde_json::from_str(include_str!("configs/everything.json")).unwrap()
}

fn read(value: &Value) -> Result<Reading, Complaints> {
    bundle::read(value.to_string().as_bytes(), Path::new("/srv/bundle"))
}

/// Puts a value at a JSON pointer, whose last part may be new.
fn put(document: &mut Value, pointer: &str, text: &str) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/");
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    match (parent, text) {
        (Value::Object(map), GONE) => drop(map.remove(&last)),
        (Value::Object(map), text) => drop(map.insert(last, serde_json::from_str(text).unwrap())),
        (Value::Array(list), text) => {
            let index: usize = last.parse().unwrap();
            list.resize(list.len().max(index + 1), Value::Null);
            list[index] = serde_json::from_str(text).unwrap();
        }
        (other, _) => panic!("{other} has no fields"),
    }
}

#[test]
fn each_mistake_is_found_where_it_is() {
    let tables = [TOP, PROCESS, MOUNTS, NAMESPACES, DEVICES, RESOURCES, SECCOMP];
    let (mut shown, mut wrong) = (String::new(), String::new());
    for (pointer, text, expected) in tables.into_iter().flatten() {
        let mut document = everything();
        put(&mut document, pointer, text);
        let complaints = match read(&document) {
            Ok(_) => Vec::new(),
            Err(complaints) => complaints.all().to_vec(),
        };
        let paths: Vec<&str> = complaints.iter().map(|one| one.path.as_str()).collect();
        if paths.join(" ") != *expected {
            wrong.push_str(&format!("{pointer} = {text}: {complaints:?}\n"));
        }
        shown.push_str(&format!("{pointer} = {text}\n"));
        for complaint in &complaints {
            shown.push_str(&format!("    {complaint}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_snapshot!(shown);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let mut document = everything();
    for (pointer, text) in [
        ("/process/cwd", r#""work""#),
        ("/process/user/uid", r#""root""#),
        ("/mounts/0/type", GONE),
        ("/mounts/2/options", r#""ro""#),
        ("/linux/namespaces/3/type", r#""network""#),
        ("/linux/resources/cpu/idle", "true"),
        ("/linux/seccomp/syscalls/0/action", "1"),
    ] {
        put(&mut document, pointer, text);
    }
    assert_snapshot!(read(&document).unwrap_err());
}

#[test]
fn what_is_no_json_is_told_with_its_place() {
    let say = |text: &[u8]| bundle::read(text, Path::new("/b")).unwrap_err().to_string();
    assert_snapshot!(say(b"{\n  \"ociVersion\": 1.0.2\n}"), @r"config.json: no JSON: expected `,` or `}`, in line 2, column 20; right would be one JSON object, and nothing after it");
    assert_snapshot!(say(b""), @"config.json: no JSON: EOF while parsing a value, in line 1, column 0; right would be one JSON object, and nothing after it");
    assert_snapshot!(say(b"{} {}"), @"config.json: no JSON: trailing characters, in line 1, column 4; right would be one JSON object, and nothing after it");
    assert_snapshot!(say(b"[1]"), @"config.json: is a list; right would be an object");
    assert!(say(b"{\"a\": \"\xff\"}").contains("line 1"));
    assert!(say("[".repeat(100_000).as_bytes()).contains("recursion limit"));
}

#[test]
fn without_namespaces_nothing_of_the_machine_is_touched() {
    let mut document = everything();
    document["linux"]["namespaces"] = json!([]);
    let complaints = read(&document).unwrap_err();
    let paths: Vec<&str> = complaints.all().iter().map(|one| one.path.as_str()).collect();
    for path in [
        "hostname",
        "domainname",
        "root.readonly",
        "linux.maskedPaths",
        "linux.readonlyPaths",
        "linux.uidMappings",
        "linux.timeOffsets.monotonic",
        "linux.netDevices.eth1",
        "linux.sysctl[\"kernel.shmmax\"]",
        "linux.sysctl[\"fs.mqueue.msg_max\"]",
        "linux.sysctl[\"net/core/somaxconn\"]",
        "linux.sysctl[\"kernel.domainname\"]",
    ] {
        assert!(paths.contains(&path), "{path} is not among {paths:?}");
    }
}

#[test]
fn what_the_specification_tolerates_is_tolerated() {
    let mut document = everything();
    document["somethingNew"] = json!({ "a": [1, "\u{0}"] });
    document["process"]["somethingNew"] = json!(5);
    document["linux"]["resources"]["somethingNew"] = json!(null);
    document["process"]["capabilities"]["bounding"] = json!(["CAP_OF_THE_FUTURE", "CAP_KILL"]);
    document["ociVersion"] = json!("1.9.0-rc.1+build");
    let seccomp = document["linux"].as_object_mut().unwrap().remove("seccomp").unwrap();
    document["linux"]["Seccomp"] = seccomp;
    document["linux"]["cgroupsPath"] = json!("not-a-slice:but:a-path");
    let ptmx = json!({ "path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2 });
    document["linux"]["devices"].as_array_mut().unwrap().push(ptmx);
    let reading = read(&document).unwrap();
    assert_eq!(reading.plan.cgroup.place, Place::FromRuntime("not-a-slice:but:a-path".into()));
    let said = |path: &str| reading.remarks.iter().any(|remark| remark.path == path);
    assert!(said("process.capabilities.bounding[0]"));
    assert!(said("ociVersion"));
    assert!(said("linux.devices[5]"));
    // In runc these two would be one field.
    assert!(said("linux.Seccomp"));
    assert!(reading.plan.seccomp.is_none());
}
