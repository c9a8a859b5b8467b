//! What can this runtime do, in the words of runtime-spec's features.md?
//!
//! Nothing is claimed here that no test has seen; what a kernel or a machine lacks is another matter,
//! and not told.

use bundle::{Capability, KINDS, Kind, mount_options};
use primitives::{Result, Status};
use serde_json::json;

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
                "v1": true, "v2": true, "systemd": true,
                "systemdUser": true, "rdma": true,
            },
            "seccomp": {
                "enabled": true,
                "actions": container::process::SECCOMP_ACTIONS,
                "operators": container::process::SECCOMP_OPERATORS,
                "archs": container::process::SECCOMP_ARCHS,
                "knownFlags": container::process::SECCOMP_FLAGS,
                "supportedFlags": container::process::SECCOMP_FLAGS,
            },
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "intelRdt": { "enabled": true, "schemata": true, "monitoring": true },
            "mountExtensions": { "idmap": { "enabled": true } },
            "netDevices": { "enabled": true },
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
