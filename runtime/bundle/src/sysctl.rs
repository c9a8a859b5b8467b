//! Which of the kernel's parameters does the container set?
//!
//! `/proc/sys` is one tree, and only parts of it belong to a namespace. A parameter that does not, or
//! whose namespace the container shares, would be changed for the whole machine: CVE-2022-0811 began
//! with `kernel.core_pattern`. So there is a list of what may be set, and the rest is refused.

use std::path::PathBuf;

use serde::Serialize;

use crate::at::At;
use crate::namespaces::{Kind, Namespaces, Origin};

/// A parameter and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sysctl {
    /// Its file below `/proc/sys`.
    pub path: PathBuf,
    /// What is written into it.
    pub value: String,
    /// The namespace it belongs to. One that is joined by a path may still be the machine's own,
    /// which can be seen only there: who writes has to look.
    pub namespace: Kind,
}

/// Parameters of an IPC namespace: the kernel's `ipc/ipc_sysctl.c`.
const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

/// `linux.sysctl` (config-linux.md, "Sysctl").
pub(crate) fn sysctls(linux: &At<'_>, namespaces: &Namespaces) -> Vec<Sysctl> {
    let mut all: Vec<Sysctl> = Vec::new();
    for (key, at) in linux.entries("sysctl") {
        let value: Option<String> = at.read();
        let Some(path) = path(&at, key) else {
            continue;
        };
        let namespace = namespace(&at, &path, namespaces);
        let (Some(value), Some(namespace)) = (value, namespace) else {
            continue;
        };
        if value.contains('\n') {
            at.wrong(format!("{value:?} is more than one value"), "a value of one line");
        }
        let path = PathBuf::from(path);
        if all.iter().any(|other| other.path == path) {
            at.wrong("is set twice, with dots and with slashes", "each parameter once");
        }
        all.push(Sysctl { path, value, namespace });
    }
    all
}

/// As for sysctl(8): what separates the first two parts separates all of them, and the other
/// character stands for itself, as in `net/ipv4/conf/eth0.100/rp_filter`.
fn path(at: &At<'_>, key: &str) -> Option<String> {
    let swap = |c: char| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let path: String = match key.find(['.', '/']).map(|index| &key[index..=index]) {
        Some("/") => key.to_string(),
        _ => key.chars().map(swap).collect(),
    };
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    let letter = |c: char| !c.is_whitespace() && !c.is_control() && !"=+".contains(c);
    if !path.split('/').all(part) || !path.chars().all(letter) {
        at.wrong(format!("{key:?} is no parameter"), "a name as in \"net.ipv4.ip_forward\"");
        return None;
    }
    Some(path)
}

fn namespace(at: &At<'_>, path: &str, namespaces: &Namespaces) -> Option<Kind> {
    let kind = if IPC.contains(&path) || path.starts_with("fs/mqueue/") {
        Kind::Ipc
    } else if path.starts_with("net/") {
        Kind::Network
    } else if path == "kernel/domainname" {
        Kind::Uts
    } else if path == "kernel/hostname" {
        at.wrong("has a field of its own", "\"hostname\" at the top");
        return None;
    } else {
        let right = "net.*, fs.mqueue.*, kernel.domainname, or one of the IPC namespace";
        at.wrong("belongs to the whole machine", right);
        return None;
    };
    if *namespaces.origin(kind) == Origin::Inherited {
        let wrong = "would be set for everybody who shares the namespace with the runtime";
        let name = format!("{kind:?}").to_lowercase();
        at.wrong(wrong, format!("a namespace of type {name:?} in linux.namespaces"));
        return None;
    }
    Some(kind)
}
