//! What can this runtime do, in the words of runtime-spec's features.md?
//!
//! Nothing is claimed here that no test has seen; what a kernel or a machine lacks is another matter,
//! and not told.

use bundle::{Capability, KINDS, Kind, mount_options};
use primitives::{Result, Status};
use serde_json::json;

const ACTIONS: [&str; 9] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

const OPERATORS: [&str; 7] = [
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];

const ARCHS: [&str; 3] = ["SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"];

const FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

/// `features`.
pub(crate) fn print() -> Result<Status> {
    let mut kinds: Vec<String> = KINDS.into_iter().map(name).collect();
    kinds.sort();
    let capabilities: Vec<&str> = Capability::all().map(Capability::name).collect();
    let features = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": container::state::OCI_VERSION,
        "hooks": [
            "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
        ],
        "mountOptions": mount_options().collect::<Vec<_>>(),
        "linux": {
            "namespaces": kinds,
            "capabilities": capabilities,
            "cgroup": {
                "v1": true, "v2": true, "systemd": false,
                "systemdUser": false, "rdma": true,
            },
            "seccomp": {
                "enabled": true,
                "actions": ACTIONS,
                "operators": OPERATORS,
                "archs": ARCHS,
                "knownFlags": FLAGS,
                "supportedFlags": FLAGS,
            },
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "intelRdt": { "enabled": false },
            "mountExtensions": { "idmap": { "enabled": true } },
            "netDevices": { "enabled": false },
        },
        "annotations": {
            "org.porthole.version": env!("CARGO_PKG_VERSION"),
        },
    });
    crate::print_json(&features)?;
    crate::print("\n")
}

/// A kind's name in config.json.
fn name(kind: Kind) -> String {
    format!("{kind:?}").to_lowercase()
}
