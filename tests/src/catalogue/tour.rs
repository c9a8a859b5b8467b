//! Every primitive, also those that no chapter uses yet.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("tour-processes", "tour", &["processes"]),
    case("tour-jobs", "tour", &["jobs"]),
    case("tour-namespaces", "tour", &["namespaces"]),
    case("tour-files", "tour", &["files"]),
    case("tour-metadata", "tour", &["metadata"]),
    case("tour-mounts", "tour", &["mounts"]),
    case("tour-mount-api", "tour", &["mount-api"]),
    case("tour-root", "tour", &["root"]),
    case("tour-capabilities", "tour", &["capabilities"]),
    case("tour-device", "tour", &["device"]).exits_as_user(125),
    case("tour-cgroup", "tour", &["cgroup"]).exits_as_user(125),
    case("tour-doors", "tour", &["doors"]),
    case("tour-landlock", "tour", &["landlock"]),
    case("tour-wires", "tour", &["wires"]),
];
