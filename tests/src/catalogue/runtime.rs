//! The runtime itself.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("runtime-spec", "runtime", &["spec"]).makes("config.json").per_cgroup_version(),
    case("runtime-spec-nowhere", "runtime", &["spec", "--bundle", "nowhere"])
        .exits(1)
        .per_cgroup_version(),
    case("runtime-plan-nothing", "runtime", &["plan", "--bundle", "nowhere"]).exits(1),
];
