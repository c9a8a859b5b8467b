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

/// A file system for temporary files that can show other owners: tmpfs since 6.3.
pub fn idmapped_mounts() -> Option<&'static str> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (version < (6, 3)).then_some("idmapped mounts of a tmpfs (Linux 6.3)")
}

/// A `ps` that works: under User-Mode Linux it does not find out when the machine was booted.
pub fn ps() -> Option<&'static str> {
    let output = std::process::Command::new("ps").arg("-ef").output();
    let works = output.is_ok_and(|output| output.status.success());
    (!works).then_some("a ps that works (Debian: procps; not under User-Mode Linux)")
}

/// What tells of the disk priority of a process.
pub fn util_linux() -> Option<&'static str> {
    (!has_program("ionice")).then_some("ionice (Debian: util-linux)")
}

/// What makes network devices, and describes them.
pub fn iproute2() -> Option<&'static str> {
    (!has_program("ip")).then_some("ip (Debian: iproute2)")
}

/// What maps the ids of others.
pub fn uidmap() -> Option<&'static str> {
    (!has_program("newuidmap")).then_some("newuidmap (Debian: uidmap)")
}

fn lacks_file(path: &str, what: &'static str) -> Option<&'static str> {
    (!Path::new(path).exists()).then_some(what)
}

fn cgroup_controllers() -> String {
    let v2 = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
    v2.or_else(|_| std::fs::read_to_string("/proc/cgroups")).unwrap_or_default()
}
