//! What does this kernel lack, so that a case cannot be tried here?

use std::path::Path;

use crate::places::has_program;

/// A time namespace.
pub fn time_namespaces() -> Option<&'static str> {
    lacks_file("/proc/self/ns/time", "time namespaces in the kernel")
}

/// The cpuset controller.
pub fn cpusets() -> Option<&'static str> {
    match cgroup_controllers().contains("cpuset") {
        true => None,
        false => Some("the cpuset controller in the kernel"),
    }
}

/// Sockets between programs, to hand over a terminal.
pub fn util_linux() -> Option<&'static str> {
    (!has_program("ionice")).then_some("ionice (Debian: util-linux)")
}

fn lacks_file(path: &str, what: &'static str) -> Option<&'static str> {
    (!Path::new(path).exists()).then_some(what)
}

fn cgroup_controllers() -> String {
    let v2 = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
    v2.or_else(|_| std::fs::read_to_string("/proc/cgroups")).unwrap_or_default()
}
