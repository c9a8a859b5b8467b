//! In which cgroup does the container live?

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::at::At;
use crate::block_io::BlockIo;
use crate::devices::DeviceRule;
use crate::resources::{Cpu, HugePages, InterfacePriority, Memory, Pids, Rdma};

/// The cgroup and its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cgroup {
    /// Where it is.
    pub place: Place,
    /// Which devices may be used.
    pub devices: Vec<DeviceRule>,
    /// Memory.
    pub memory: Memory,
    /// CPU time and CPUs.
    pub cpu: Cpu,
    /// Processes.
    pub pids: Pids,
    /// Disks.
    pub block_io: BlockIo,
    /// Huge pages, each size once.
    pub huge_pages: Vec<HugePages>,
    /// The class of its network packets, for cgroup v1.
    pub network_class: Option<u32>,
    /// The priorities of its network packets, for cgroup v1.
    pub network_priorities: Vec<InterfacePriority>,
    /// RDMA devices.
    pub rdma: Vec<Rdma>,
    /// Files of cgroup v2 and what is written into them, last, and as it stands.
    pub unified: Vec<Unified>,
}

/// A file of cgroup v2 that is named by the configuration itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unified {
    /// `memory.high`
    pub file: String,
    /// What is written into it.
    pub value: String,
}

/// Where a cgroup is. Who makes it, the runtime or systemd, is said on the command line; both forms
/// can be used for both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// Where the runtime puts a container of this id.
    #[default]
    Default,
    /// Below the mount point of the cgroup file system.
    FromMount(PathBuf),
    /// Below a place that the runtime chooses.
    FromRuntime(PathBuf),
    /// A unit of systemd: `slice:prefix:name`.
    Unit {
        /// The slice; empty for systemd's own choice.
        slice: String,
        /// What the unit's name begins with.
        prefix: String,
        /// The rest of it.
        name: String,
    },
}

/// `linux.cgroupsPath` (config-linux.md, "Cgroups Path").
pub(crate) fn place(linux: Option<&At<'_>>) -> Place {
    let Some(at) = linux else {
        return Place::Default;
    };
    let Some(text) = at.text("cgroupsPath") else {
        return Place::Default;
    };
    if text.split('/').any(|part| part == "..") {
        let wrong = format!("{text:?} leads upwards");
        at.wrong_field("cgroupsPath", wrong, "a path without \"..\"");
        return Place::Default;
    }
    if text.contains('\n') {
        // The kernel cannot show such a name in /proc/PID/cgroup.
        at.wrong_field("cgroupsPath", "has a line break in it", "a path of one line");
    }
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [slice, prefix, name] if is_slice(slice) && !text.contains('/') => {
            unit(at, slice, prefix, name)
        }
        _ => path(at, &text),
    }
}

/// Without one systemd has a choice of its own. Other names with colons are paths like any other.
fn is_slice(text: &str) -> bool {
    text.is_empty() || text.ends_with(".slice")
}

fn unit(at: &At<'_>, slice: &str, prefix: &str, name: &str) -> Place {
    if name.is_empty() {
        at.wrong_field("cgroupsPath", "names no unit", "slice:prefix:name");
    }
    let [slice, prefix, name] = [slice, prefix, name].map(str::to_string);
    Place::Unit { slice, prefix, name }
}

fn path(at: &At<'_>, text: &str) -> Place {
    let inner: PathBuf = Path::new(text.trim_start_matches('/')).components().collect();
    if inner.as_os_str().is_empty() || inner == Path::new(".") {
        // Limits of the first cgroup are limits of the whole machine.
        at.wrong_field(
            "cgroupsPath",
            format!("{text:?} is no cgroup of its own"),
            "a path with a name",
        );
    }
    match text.starts_with('/') {
        true => Place::FromMount(inner),
        false => Place::FromRuntime(inner),
    }
}

/// `linux.resources.unified` (config-linux.md, "Unified").
pub(crate) fn unified(resources: &At<'_>) -> Vec<Unified> {
    let mut all = Vec::new();
    for (file, at) in resources.entries("unified") {
        // It becomes the last part of a path, so it must be one.
        if file.contains('/') || !file.contains('.') || file.starts_with('.') {
            at.wrong(format!("{file:?} is no file of a cgroup"), "a name as in \"memory.high\"");
        }
        if let Some(value) = at.read() {
            all.push(Unified { file: file.to_string(), value });
        }
    }
    all
}
