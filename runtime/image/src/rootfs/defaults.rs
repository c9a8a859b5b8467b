//! What does a container get that nobody has said anything about?
//!
//! Never more than Docker, containerd or Podman would give: of what is allowed, what all three allow;
//! of what is hidden, what any of them hides. Docker's list is moby's `DefaultLinuxSpec`, containerd's
//! is `populateDefaultUnixSpec` of version 2, Podman's are those of containers-common.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// containerd's nine. Podman gives CAP_SETFCAP and CAP_SYS_CHROOT as well, Docker besides these
/// CAP_AUDIT_WRITE, CAP_MKNOD and CAP_NET_RAW.
pub(super) const CAPABILITIES: [&str; 9] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
];

/// What shows, or changes, the machine and not the container.
const MASKED: [&str; 14] = [
    // All three.
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    // Docker and containerd: side channels to what other programs do (GHSA-jq35-85cj-fj4p,
    // GHSA-6fw5-f8r9-fgfm).
    "/proc/interrupts",
    "/sys/devices/virtual/powercap",
    // Podman.
    "/sys/dev/block",
    "/sys/fs/selinux",
];

/// All three; Podman has `/proc/asound` here, which is hidden above.
pub(super) const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What is hidden on this machine: Docker hides how often each processor was too hot, too.
pub(super) fn masked() -> Vec<String> {
    let mut masked: Vec<String> = MASKED.map(str::to_string).to_vec();
    let processors = fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    let throttles = processors
        .map(|entry| entry.path().join("thermal_throttle"))
        .filter(|path| path.is_dir())
        .map(|path| path.display().to_string());
    masked.extend(throttles);
    masked.sort();
    masked
}

/// Docker's mounts. containerd has a `/run` of its own beside them, which would hide the image's.
pub(super) fn mounts(is_ordinary: bool) -> Vec<Value> {
    let mount = |destination: &str, kind: &str, options: &[&str]| {
        let source = if kind == "tmpfs" { "tmpfs" } else { kind };
        json!({ "destination": destination, "type": kind, "source": source, "options": options })
    };
    // The group "tty" of the machine, which an ordinary user may not have inside.
    let terminals: &[&str] = match is_ordinary {
        true => &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        false => &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    };
    let shared = ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"];
    let readonly = ["nosuid", "noexec", "nodev", "ro"];
    vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", terminals),
        mount("/dev/shm", "tmpfs", &shared),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", &readonly),
        mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ]
}

/// No device but those that every container has; Podman lets there be 2048 processes.
pub(super) fn resources() -> Value {
    json!({
        "devices": [{ "allow": false, "access": "rwm" }],
        "pids": { "limit": 2048 },
    })
}

/// containerd's, and far from what breaks programs that close every descriptor there may be.
pub(super) fn limits() -> Value {
    json!([{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }])
}

/// A directory for programs that the image has not said anything about.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether this machine has cgroups that a container may be limited by.
pub(super) fn has_cgroups() -> bool {
    Path::new("/sys/fs/cgroup").read_dir().is_ok_and(|mut entries| entries.next().is_some())
}
