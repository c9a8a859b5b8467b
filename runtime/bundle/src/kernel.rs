//! What else is asked of the kernel: network devices, cache and memory bandwidth, personality?

use oci_spec::runtime::{LinuxIntelRdt, LinuxPersonality, LinuxPersonalityDomain};
use serde::Serialize;

use crate::at::At;
use crate::namespaces::{Kind, Namespaces};
use crate::resources::{INTERFACE, is_interface};

/// A network device that moves into the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkDevice {
    /// Its name on the host.
    pub host_name: String,
    /// Its name inside; with `%d` in it the kernel finds a number.
    pub name: String,
}

/// A group of Intel's Resource Director Technology.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IntelRdt {
    /// Its class of service; without, one is made that is named after the container.
    pub class: Option<String>,
    /// The lines for its `schemata` file, in the order in which they are written.
    pub schemata: Vec<String>,
    /// Whether it is also measured.
    pub monitoring: bool,
}

/// Which Linux a process believes to run on: personality(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Personality {
    /// This one.
    Linux,
    /// One of 32 bits: uname(2) says i686.
    Linux32,
}

/// `linux.netDevices` (config-linux.md, "Network Devices").
pub(crate) fn network_devices(linux: &At<'_>, namespaces: &Namespaces) -> Vec<NetworkDevice> {
    let mut all: Vec<NetworkDevice> = Vec::new();
    for (host_name, at) in linux.entries("netDevices") {
        if !at.is_object() {
            continue;
        }
        if namespaces.inherits(Kind::Network) {
            let right = "a namespace of type \"network\" in linux.namespaces";
            at.wrong("has no network namespace to move to", right);
        }
        let name = at.text("name").unwrap_or_else(|| host_name.to_string());
        for name in [host_name, &name] {
            if !is_interface(name) {
                at.wrong(format!("{name:?} is no name of a network device"), INTERFACE);
            }
        }
        if !name.contains("%d") && all.iter().any(|other| other.name == name) {
            at.wrong(format!("{name:?} is the name of another device too"), "each name once");
        }
        all.push(NetworkDevice { host_name: host_name.to_string(), name });
    }
    all
}

/// `linux.intelRdt` (config-linux.md, "IntelRdt").
pub(crate) fn intel_rdt(linux: &At<'_>) -> Option<IntelRdt> {
    let at = linux.object("intelRdt")?;
    let read: LinuxIntelRdt = at.read()?;
    let class = read.clos_id().clone().filter(|class| !class.is_empty());
    // It becomes a directory.
    if class.as_ref().is_some_and(|class| class == "." || class == ".." || class.contains('/')) {
        at.wrong_field("closID", "is no name of a directory", "one name, without a slash");
    }
    for name in ["enableCMT", "enableMBM"] {
        if let Some(field) = at.field(name) {
            field.odd("replaced by enableMonitoring in runtime-spec 1.3, which is what counts");
        }
    }
    let schemata = schemata(&at, &read);
    Some(IntelRdt { class, schemata, monitoring: read.enable_monitoring().unwrap_or(false) })
}

/// The two old fields first, without lines of the first that belong to the second, then `schemata`.
fn schemata(at: &At<'_>, read: &LinuxIntelRdt) -> Vec<String> {
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let mut lines: Vec<String> = Vec::new();
    let memory = set(read.mem_bw_schema());
    if let Some(cache) = set(read.l3_cache_schema()) {
        if !cache.starts_with("L3:") {
            at.odd("l3CacheSchema should begin with \"L3:\"");
        }
        let other = |line: &&str| memory.is_none() || !line.starts_with("MB:");
        lines.extend(cache.lines().filter(other).map(str::to_string));
    }
    if let Some(memory) = memory {
        if !memory.starts_with("MB:") || memory.contains('\n') {
            let right = "one line that begins with \"MB:\"";
            at.wrong_field("memBwSchema", format!("{memory:?} is no such schema"), right);
        }
        lines.push(memory);
    }
    for line in read.schemata().iter().flatten() {
        if line.contains('\n') || line.is_empty() {
            at.wrong_field("schemata", format!("{line:?} is no line"), "one line each");
        }
        lines.push(line.clone());
    }
    lines
}

/// `linux.personality` (config-linux.md, "Personality").
pub(crate) fn personality(linux: &At<'_>) -> Option<Personality> {
    let at = linux.object("personality")?;
    at.required("domain")?;
    let read: LinuxPersonality = at.read()?;
    if read.flags().as_ref().is_some_and(|flags| !flags.is_empty()) {
        at.odd("the specification has no flags for it yet, so they do nothing");
    }
    Some(match read.domain() {
        LinuxPersonalityDomain::PerLinux => Personality::Linux,
        LinuxPersonalityDomain::PerLinux32 => Personality::Linux32,
    })
}
