//! Which namespaces does the container get, and what are its names and ids in them?

use std::collections::BTreeMap;
use std::path::PathBuf;

use oci_spec::runtime::{LinuxNamespaceType, LinuxTimeOffset};
use serde::Serialize;

use crate::at::At;
use crate::ids::{IdMaps, id_maps};
use crate::paths::absolute;

/// A kind of namespace, under its name in config.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "namespaces(7) says what each is")]
pub enum Kind {
    User,
    Pid,
    Network,
    Mount,
    Ipc,
    Uts,
    Cgroup,
    Time,
}

/// All kinds; the user namespace first, because it owns the others that are made with it.
pub const KINDS: [Kind; 8] = [
    Kind::User,
    Kind::Pid,
    Kind::Network,
    Kind::Mount,
    Kind::Ipc,
    Kind::Uts,
    Kind::Cgroup,
    Kind::Time,
];

/// Where a namespace comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It is made for the container.
    New,
    /// It is there already, behind this file.
    Joined(PathBuf),
    /// It is the runtime's own.
    Inherited,
}

/// All eight, each with its origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Namespaces(BTreeMap<Kind, Origin>);

impl Namespaces {
    /// Where the namespace of this kind comes from.
    pub fn origin(&self, kind: Kind) -> &Origin {
        self.0.get(&kind).unwrap_or(&Origin::Inherited)
    }

    /// Whether the container shares the runtime's.
    pub fn inherits(&self, kind: Kind) -> bool {
        *self.origin(kind) == Origin::Inherited
    }

    /// Whether one is made for the container.
    pub fn makes(&self, kind: Kind) -> bool {
        *self.origin(kind) == Origin::New
    }

    /// All kinds, in the order of [`KINDS`].
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &Origin)> {
        KINDS.into_iter().map(|kind| (kind, self.origin(kind)))
    }
}

/// How far the clocks of a new time namespace are ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeOffset {
    /// Which clock.
    pub clock: Clock,
    /// Whole seconds, negative for behind.
    pub seconds: i64,
    /// Nanoseconds on top of them.
    pub nanoseconds: u32,
}

/// A clock that a time namespace can move, by the name that `/proc/PID/timens_offsets` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// CLOCK_MONOTONIC
    Monotonic,
    /// CLOCK_BOOTTIME
    Boottime,
}

/// `linux.namespaces` (config-linux.md, "Namespaces"). Two of one kind MUST be refused.
pub(crate) fn namespaces(linux: Option<&At<'_>>) -> Namespaces {
    let mut all: BTreeMap<Kind, Origin> =
        KINDS.into_iter().map(|kind| (kind, Origin::Inherited)).collect();
    for at in linux.map(|linux| linux.objects("namespaces")).unwrap_or_default() {
        let Some(kind) = at.need("type").map(kind) else {
            continue;
        };
        let origin = match at.text("path") {
            None => Origin::New,
            Some(_) => match absolute(&at, "path") {
                Some(path) => Origin::Joined(path),
                None => continue,
            },
        };
        if let Some(Origin::New | Origin::Joined(_)) = all.insert(kind, origin) {
            at.wrong("is the second namespace of its type", "one namespace of each type");
        }
    }
    Namespaces(all)
}

fn kind(named: LinuxNamespaceType) -> Kind {
    match named {
        LinuxNamespaceType::User => Kind::User,
        LinuxNamespaceType::Pid => Kind::Pid,
        LinuxNamespaceType::Network => Kind::Network,
        LinuxNamespaceType::Mount => Kind::Mount,
        LinuxNamespaceType::Ipc => Kind::Ipc,
        LinuxNamespaceType::Uts => Kind::Uts,
        LinuxNamespaceType::Cgroup => Kind::Cgroup,
        LinuxNamespaceType::Time => Kind::Time,
    }
}

/// `linux.uidMappings` and `linux.gidMappings` (config-linux.md, "User namespace mappings").
pub(crate) fn user_maps(linux: &At<'_>, namespaces: &Namespaces) -> IdMaps {
    let maps = id_maps(linux);
    let right = "a namespace of type \"user\" in linux.namespaces, without a path";
    match namespaces.origin(Kind::User) {
        Origin::Inherited if !maps.is_empty() => {
            linux.wrong_field(
                "uidMappings",
                "needs a user namespace of the container's own",
                right,
            );
        }
        Origin::New => {
            for name in ["uidMappings", "gidMappings"] {
                if linux.items(name).is_empty() {
                    let wrong = "is empty, so nobody would be anybody in the new user namespace";
                    linux.wrong_field(name, wrong, "at least one range");
                }
            }
        }
        // containerd and CRI-O say both. Whether the namespace has these maps can only be seen on
        // the machine, so whoever joins it has to look.
        Origin::Joined(_) if !maps.is_empty() => {
            linux.odd(
                "the user namespace that is joined has its id maps already: they must be these",
            );
        }
        _ => {}
    }
    maps
}

/// A name of the machine in the UTS namespace: config.md, "Hostname" and "Domainname".
pub(crate) fn machine_name(
    document: &At<'_>,
    field: &str,
    namespaces: &Namespaces,
) -> Option<String> {
    // The kernel's __NEW_UTS_LEN.
    const LONGEST: usize = 64;
    let name = document.text(field)?;
    if name.len() > LONGEST {
        let wrong = format!("has {} bytes", name.len());
        document.wrong_field(field, wrong, format!("at most {LONGEST}, as the kernel takes"));
    }
    if namespaces.inherits(Kind::Uts) {
        let wrong = "would rename the machine";
        document.wrong_field(field, wrong, "a namespace of type \"uts\" in linux.namespaces");
    }
    Some(name)
}

/// `linux.timeOffsets` (config-linux.md, "Offset for Time Namespace").
pub(crate) fn time_offsets(linux: &At<'_>, namespaces: &Namespaces) -> Vec<TimeOffset> {
    let mut offsets = Vec::new();
    for (name, at) in linux.entries("timeOffsets") {
        // time_namespaces(7): offsets can be written only until a process is in the namespace.
        if !namespaces.makes(Kind::Time) {
            at.wrong(
                "a clock can only be moved in a new time namespace",
                "a namespace of type \"time\" in linux.namespaces, without a path",
            );
        }
        let clock = match name {
            "monotonic" => Clock::Monotonic,
            "boottime" => Clock::Boottime,
            _ => {
                at.wrong("is no clock that can be moved", "\"monotonic\" or \"boottime\"");
                continue;
            }
        };
        let Some(offset) = at.read::<LinuxTimeOffset>() else {
            continue;
        };
        let nanoseconds = offset.nanosecs().unwrap_or(0);
        if nanoseconds >= 1_000_000_000 {
            at.wrong_field(
                "nanosecs",
                format!("{nanoseconds} is a second or more"),
                "0 to 999999999",
            );
        }
        offsets.push(TimeOffset { clock, seconds: offset.secs().unwrap_or(0), nanoseconds });
    }
    offsets
}
