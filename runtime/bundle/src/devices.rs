//! Which device files does the container have, and which drivers may it talk to?
//!
//! Two different things: a file is made below `/dev`, and a rule of the cgroup says whether the driver
//! behind its numbers may be used, through this file or another one.

use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxDeviceType;
use serde::Serialize;

use crate::at::At;
use crate::paths::absolute;

/// A device file, or a named pipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Where, inside the container.
    pub path: PathBuf,
    /// What.
    pub node: Node,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner, in the container's user namespace.
    pub uid: u32,
    /// Its group there.
    pub gid: u32,
}

/// What a file of mknod(2) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Node {
    /// A driver that takes bytes one after the other.
    Character {
        /// Which driver.
        major: u32,
        /// Which of its devices.
        minor: u32,
    },
    /// A driver that takes blocks.
    Block {
        /// Which driver.
        major: u32,
        /// Which of its devices.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// A symbolic link that programs rely on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Where, inside the container.
    pub path: PathBuf,
    /// What it holds.
    pub target: PathBuf,
}

/// A rule of the devices cgroup. They apply in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceRule {
    /// Whether it allows or forbids.
    pub allow: bool,
    /// Which kind of device.
    pub kind: RuleKind,
    /// Which driver; without, all.
    pub major: Option<u32>,
    /// Which of its devices; without, all.
    pub minor: Option<u32>,
    /// `r`, `w` and `m`: reading, writing, making a file for it.
    pub access: String,
}

/// Kinds of devices that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum RuleKind {
    All,
    Character,
    Block,
}

/// config-linux.md, "Default Devices": MUST be there. `/dev/ptmx` is a link, `/dev/console` is there
/// with a terminal.
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// runtime-linux.md, "Dev symbolic links", and `/dev/ptmx`.
const LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// The links that every container has.
pub(crate) fn links() -> Vec<Link> {
    let link = |(path, target)| Link { path: PathBuf::from(path), target: PathBuf::from(target) };
    LINKS.into_iter().map(link).collect()
}

/// The default devices, then those of `linux.devices` (config-linux.md, "Devices").
pub(crate) fn devices(linux: Option<&At<'_>>) -> Vec<Device> {
    let default = |(path, major, minor)| Device {
        path: PathBuf::from(path),
        node: Node::Character { major, minor },
        mode: 0o666,
        uid: 0,
        gid: 0,
    };
    let mut all: Vec<Device> = DEFAULT.into_iter().map(default).collect();
    for at in linux.map(|linux| linux.objects("devices")).unwrap_or_default() {
        if let Some(new) = device(&at) {
            add(&at, &mut all, new);
        }
    }
    all
}

fn add(at: &At<'_>, all: &mut Vec<Device>, new: Device) {
    if LINKS.iter().any(|(path, _)| new.path == Path::new(path)) {
        // `docker run --privileged` lists all devices of the host, /dev/ptmx among them: that one
        // would open terminals of the host.
        at.odd("is a link in every container, so this file is not made");
        return;
    }
    let same = |other: &&mut Device| other.path == new.path;
    if let Some(other) = all.iter_mut().find(same) {
        let is_default = DEFAULT.iter().any(|(path, ..)| new.path == Path::new(path));
        if is_default && other.node == new.node {
            // Said again, perhaps with another owner: the configuration's word counts.
            *other = new;
        } else if is_default {
            // Masked paths are covered with this very device, so it must be what it seems.
            at.wrong(
                "a default device has other numbers",
                "the numbers of the real one, or no entry",
            );
        } else {
            at.wrong_field("path", "is the path of another device too", "one device at each path");
        }
        return;
    }
    if new.node != Node::Fifo && all.iter().any(|other| other.node == new.node) {
        at.odd("another file has the same numbers");
    }
    all.push(new);
}

fn device(at: &At<'_>) -> Option<Device> {
    let kind: Option<LinuxDeviceType> = at.need("type");
    let path = absolute(at, "path");
    let numbers = if kind == Some(LinuxDeviceType::P) { Some((0, 0)) } else { numbers(at) };
    let node = match (kind?, numbers) {
        (LinuxDeviceType::P, _) => Node::Fifo,
        (LinuxDeviceType::A, _) => {
            at.wrong_field("type", "\"a\" is no type of file", "c, b, u or p, as for mknod(1)");
            return None;
        }
        (LinuxDeviceType::B, Some((major, minor))) => Node::Block { major, minor },
        (LinuxDeviceType::C | LinuxDeviceType::U, Some((major, minor))) => {
            Node::Character { major, minor }
        }
        (_, None) => return None,
    };
    // Podman writes what stat(2) says, the type of the file with it.
    let mode = at.get::<u32>("fileMode").unwrap_or(0o666) & 0o7777;
    let id = |name: &str| at.within(name, 0, i64::from(u32::MAX) - 1).unwrap_or(0);
    let (uid, gid) = (id("uid"), id("gid"));
    let id = |id: i64| u32::try_from(id).unwrap_or(0);
    Some(Device { path: path?, node, mode, uid: id(uid), gid: id(gid) })
}

/// MINORBITS of the kernel's `include/linux/kdev_t.h` is 20, which leaves 12 for the driver.
const LARGEST_MAJOR: i64 = (1 << 12) - 1;
const LARGEST_MINOR: i64 = (1 << 20) - 1;

/// `major` and `minor` of a device that has to have both.
pub(crate) fn numbers(at: &At<'_>) -> Option<(u32, u32)> {
    let (major, minor) = (at.required("major"), at.required("minor"));
    major.zip(minor)?;
    let major = at.within("major", 0, LARGEST_MAJOR)?;
    let minor = at.within("minor", 0, LARGEST_MINOR)?;
    Some((u32::try_from(major).ok()?, u32::try_from(minor).ok()?))
}

/// `linux.resources.devices` (config-linux.md, "Allowed Device list"), between a rule that forbids all
/// and those that the container cannot live without.
///
/// The first one makes it a list of what is allowed, whatever the configuration begins with
/// (GHSA-g54h-m393-cpwq). The last ones are those of runc and crun; `/dev/net/tun`, which runc has
/// too, is not in them: whoever needs it can say so.
pub(crate) fn device_rules(resources: Option<&At<'_>>) -> Vec<DeviceRule> {
    let rule = |allow, kind, major, minor, access: &str| DeviceRule {
        allow,
        kind,
        major,
        minor,
        access: access.to_string(),
    };
    let mut all = vec![rule(false, RuleKind::All, None, None, "rwm")];
    let asked_for = resources.map(|resources| resources.objects("devices")).unwrap_or_default();
    all.extend(asked_for.iter().filter_map(device_rule));
    // To make a file is not to use the driver behind it.
    all.push(rule(true, RuleKind::Character, None, None, "m"));
    all.push(rule(true, RuleKind::Block, None, None, "m"));
    for (_, major, minor) in DEFAULT {
        all.push(rule(true, RuleKind::Character, Some(major), Some(minor), "rwm"));
    }
    // Terminals, and the door through which they are made.
    all.push(rule(true, RuleKind::Character, Some(136), None, "rwm"));
    all.push(rule(true, RuleKind::Character, Some(5), Some(2), "rwm"));
    all
}

fn device_rule(at: &At<'_>) -> Option<DeviceRule> {
    let allow: Option<bool> = at.need("allow");
    let kind = match at.get::<LinuxDeviceType>("type") {
        None | Some(LinuxDeviceType::A) => RuleKind::All,
        Some(LinuxDeviceType::C | LinuxDeviceType::U) => RuleKind::Character,
        Some(LinuxDeviceType::B) => RuleKind::Block,
        Some(LinuxDeviceType::P) => {
            at.wrong_field("type", "a pipe has no driver", "a, b or c");
            return None;
        }
    };
    // -1 is how Go programs write "all".
    let number = |name: &str, largest| {
        at.within(name, -1, largest).and_then(|number| u32::try_from(number).ok())
    };
    let (major, minor) = (number("major", LARGEST_MAJOR), number("minor", LARGEST_MINOR));
    let access = at.text("access").unwrap_or_else(|| "rwm".to_string());
    if access.chars().any(|c| !"rwm".contains(c)) {
        at.wrong_field("access", format!("{access:?} is no access"), "letters out of r, w and m");
    }
    Some(DeviceRule { allow: allow?, kind, major, minor, access })
}
