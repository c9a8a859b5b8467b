//! What will be done, when everything was said that had to be?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::at::At;
use crate::cgroup::Cgroup;
use crate::devices::{Device, Link, devices, links};
use crate::hooks::{Hooks, hooks};
use crate::ids::IdMaps;
use crate::kernel::{IntelRdt, NetworkDevice, Personality};
use crate::kernel::{intel_rdt, network_devices, personality};
use crate::mounts::{Mount, Propagation, mounts, root_propagation};
use crate::namespaces::{Kind, Namespaces, TimeOffset};
use crate::namespaces::{machine_name, namespaces, time_offsets, user_maps};
use crate::paths::{GuardedPaths, from_bundle, guarded};
use crate::process::{Process, process};
use crate::resources::cgroup;
use crate::scheduling::{MemoryPolicy, memory_policy};
use crate::seccomp::{Seccomp, seccomp};
use crate::sysctl::{Sysctl, sysctls};

/// A container that can be made: everything resolved, every path absolute, every default filled in.
///
/// An `Option` is something that is done or not done, and `None` always means: leave it alone.
/// The fields stand in the order in which they matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The version of the specification that the configuration keeps to.
    pub oci_version: String,
    /// The directory that it came from; absolute.
    pub bundle: PathBuf,
    /// Where each of its namespaces comes from.
    pub namespaces: Namespaces,
    /// What ids in its user namespace mean outside; empty without one of its own.
    pub id_maps: IdMaps,
    /// How far its clocks are ahead; empty without a time namespace of its own.
    pub time_offsets: Vec<TimeOffset>,
    /// Its cgroup and limits.
    pub cgroup: Cgroup,
    /// Its group of Intel's Resource Director Technology.
    pub intel_rdt: Option<IntelRdt>,
    /// Network devices that become its own.
    pub network_devices: Vec<NetworkDevice>,
    /// Its root directory.
    pub root: Root,
    /// What is mounted in it.
    pub mounts: Vec<Mount>,
    /// Device files in it.
    pub devices: Vec<Device>,
    /// Links in its `/dev`.
    pub links: Vec<Link>,
    /// What its programs may not read, or not write.
    pub guarded_paths: GuardedPaths,
    /// The SELinux context of its mounts.
    pub mount_label: Option<String>,
    /// The name of its machine.
    pub hostname: Option<String>,
    /// The NIS domain of its machine.
    pub domainname: Option<String>,
    /// Kernel parameters.
    pub sysctls: Vec<Sysctl>,
    /// Which Linux it believes to run on.
    pub personality: Option<Personality>,
    /// On which memory nodes its memory lies.
    pub memory_policy: Option<MemoryPolicy>,
    /// Which system calls it may make.
    pub seccomp: Option<Seccomp>,
    /// Its process.
    pub process: Process,
    /// Programs that are told of its life.
    pub hooks: Hooks,
    /// What engines write for themselves. Nothing here acts on it.
    pub annotations: BTreeMap<String, String>,
}

/// The root directory of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// Where it is on the host; absolute.
    pub path: PathBuf,
    /// Whether it is mounted read-only.
    pub readonly: bool,
    /// Whom its mount shares mounts with.
    pub propagation: Propagation,
}

/// Reads the whole document. Everybody complains for themselves; nothing is held back because
/// something else is wrong.
pub(crate) fn plan(document: &At<'_>, bundle: &Path) -> Option<Plan> {
    if !document.is_object() {
        return None;
    }
    for name in ["root", "process", "mounts", "hostname", "domainname", "hooks", "linux"] {
        if let Some(at) = document.field(name) {
            at.no_zero_bytes();
        }
    }
    let linux = document.object("linux");
    let linux = linux.as_ref();
    let namespaces = namespaces(linux);
    let id_maps = linux.map(|at| user_maps(at, &namespaces)).unwrap_or_default();
    let oci_version = oci_version(document);
    let root = root(document, linux, bundle, &namespaces);
    let process = process(document, &namespaces, &id_maps);
    let none = GuardedPaths { masked: Vec::new(), readonly: Vec::new() };
    let plan = Plan {
        oci_version: oci_version.unwrap_or_default(),
        bundle: bundle.to_path_buf(),
        time_offsets: linux.map(|at| time_offsets(at, &namespaces)).unwrap_or_default(),
        cgroup: cgroup(linux),
        intel_rdt: linux.and_then(intel_rdt),
        network_devices: linux.map(|at| network_devices(at, &namespaces)).unwrap_or_default(),
        mounts: mounts(document, bundle, &namespaces),
        devices: devices(linux),
        links: links(),
        guarded_paths: linux.map_or(none, |at| guarded(at, &namespaces)),
        mount_label: linux.and_then(|at| at.text("mountLabel")),
        hostname: machine_name(document, "hostname", &namespaces),
        domainname: machine_name(document, "domainname", &namespaces),
        sysctls: linux.map(|at| sysctls(at, &namespaces)).unwrap_or_default(),
        personality: linux.and_then(personality),
        memory_policy: linux.and_then(memory_policy),
        seccomp: linux.and_then(|at| seccomp(at, bundle)),
        hooks: hooks(document),
        annotations: annotations(document),
        namespaces,
        id_maps,
        root: root?,
        process: process?,
    };
    Some(plan)
}

/// config.md, "Specification version": SemVer 2.0.0, and compatible within a major version.
fn oci_version(document: &At<'_>) -> Option<String> {
    const NEWEST: u64 = 3;
    let at = document.required("ociVersion")?;
    let text: String = at.read()?;
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    let number = |part: &str| {
        let plain = part == "0" || !part.starts_with('0');
        let digits = !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
        part.parse::<u64>().ok().filter(|_| plain && digits)
    };
    let numbers: Vec<Option<u64>> = numbers.split('.').map(number).collect();
    match numbers.as_slice() {
        [Some(1), Some(minor), Some(_)] => {
            if *minor > NEWEST {
                at.odd(format!(
                    "{text} is newer than 1.{NEWEST}: what it has added is not known here"
                ));
            }
        }
        [Some(_), Some(_), Some(_)] => {
            at.wrong(format!("{text} is another specification"), "1.x.y")
        }
        _ => at.wrong(format!("{text:?} is no version"), "three numbers, as in \"1.3.0\""),
    }
    Some(text)
}

/// config.md, "Root". Whether there is a directory can only be seen on the machine.
fn root(
    document: &At<'_>,
    linux: Option<&At<'_>>,
    bundle: &Path,
    namespaces: &Namespaces,
) -> Option<Root> {
    let at = document.required("root").filter(At::is_object);
    let propagation = root_propagation(linux);
    let at = at?;
    let readonly = at.get("readonly").unwrap_or(false);
    if readonly && namespaces.inherits(Kind::Mount) {
        let right = "a namespace of type \"mount\" in linux.namespaces";
        at.wrong_field("readonly", "needs a mount namespace of the container's own", right);
    }
    let path: String = at.need("path")?;
    if path.is_empty() {
        at.wrong_field("path", "is empty", "a directory, absolute or from the bundle on");
        return None;
    }
    Some(Root { path: from_bundle(bundle, &path), readonly, propagation })
}

/// config.md, "Annotations": text by names that are not empty.
fn annotations(document: &At<'_>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, at) in document.entries("annotations") {
        if name.is_empty() {
            at.wrong("has an empty name", "a name");
        }
        if let Some(value) = at.read() {
            all.insert(name.to_string(), value);
        }
    }
    all
}
