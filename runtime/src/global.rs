//! What does that which stands before the command mean?

use std::path::PathBuf;

use container::cgroup::Driver;
use primitives::own_ids;

use crate::cli::{CgroupManager, Global};

/// Where containers are remembered.
pub(crate) fn root(global: &Global) -> PathBuf {
    if let Some(root) = &global.root {
        return root.clone();
    }
    let (uid, _) = own_ids();
    let of_the_session = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| uid != 0);
    match of_the_session {
        _ if uid == 0 => PathBuf::from("/run/porthole"),
        Some(session) => PathBuf::from(session).join("porthole"),
        None => PathBuf::from(format!("/tmp/porthole-{uid}")),
    }
}

/// Who makes cgroups.
pub(crate) fn driver(global: &Global) -> Driver {
    match global.systemd_cgroup || global.cgroup_manager == Some(CgroupManager::Systemd) {
        true => Driver::Systemd,
        false => Driver::Files,
    }
}
