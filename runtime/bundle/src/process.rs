//! As whom, where and with what does the container's process start?

use std::path::PathBuf;

use oci_spec::runtime::{Box as ConsoleSize, PosixRlimit};
use serde::Serialize;

use crate::at::At;
use crate::capabilities::{Capabilities, capabilities};
use crate::ids::{IdMaps, maps};
use crate::namespaces::{Kind, Namespaces};
use crate::paths::absolute;
use crate::scheduling::Affinity;
use crate::scheduling::{IoPriority, Scheduling, affinity, io_priority, scheduling};

/// The process that a container is made for.
///
/// An `Option` here is something that is done or not done. It is never a value that somebody else
/// has to find a default for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// The program and its arguments; at least one.
    pub args: Vec<String>,
    /// Its environment, `NAME=value`, each name once.
    pub env: Vec<String>,
    /// Its working directory inside the container; absolute.
    pub cwd: PathBuf,
    /// Whether it has a terminal of its own.
    pub terminal: Terminal,
    /// Who it is.
    pub user: User,
    /// What it may do.
    pub capabilities: Capabilities,
    /// Whether no program that it becomes may give it more rights.
    pub no_new_privileges: bool,
    /// Its resource limits, each kind once.
    pub rlimits: Vec<Rlimit>,
    /// How readily the kernel kills it when memory is short; unchanged without.
    pub oom_score_adj: Option<i32>,
    /// How it gets the CPU; unchanged without.
    pub scheduling: Option<Scheduling>,
    /// How it gets the disk; unchanged without.
    pub io_priority: Option<IoPriority>,
    /// On which CPUs a program that joins the container later runs.
    pub exec_affinity: Affinity,
    /// The AppArmor profile, if there is one to enter.
    pub apparmor_profile: Option<String>,
    /// The SELinux label, if there is one to take on.
    pub selinux_label: Option<String>,
}

/// The terminal of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Terminal {
    /// None: it has the runtime's standard input and output.
    None,
    /// A new one, of so many characters; 0 for what the terminal of the runtime has.
    New {
        /// Lines.
        rows: u16,
        /// Characters in a line.
        columns: u16,
    },
}

/// Who a process is, in the container's user namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// All other groups, which replace those of the runtime even if there are none.
    pub groups: Vec<u32>,
    /// The permission bits that its new files do not get.
    pub umask: u32,
}

/// A resource limit: getrlimit(2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rlimit {
    /// `RLIMIT_NOFILE`.
    pub resource: String,
    /// What the kernel enforces; 2^64-1 is no limit.
    pub soft: u64,
    /// How far the process may raise it.
    pub hard: u64,
}

/// `process` (config.md, "Process"). It may be missing from a configuration that is never started;
/// such a container could only wait, so it is required here, as in every runtime there is.
pub(crate) fn process(
    document: &At<'_>,
    namespaces: &Namespaces,
    id_maps: &IdMaps,
) -> Option<Process> {
    let at = document.required("process").filter(At::is_object)?;
    Some(Process {
        args: args(&at),
        env: environment(&at),
        // What follows is looked at even if this is wrong, for the sake of its own complaints.
        cwd: absolute(&at, "cwd").unwrap_or_default(),
        terminal: terminal(&at),
        user: user(&at, namespaces, id_maps),
        capabilities: capabilities(&at),
        no_new_privileges: at.get("noNewPrivileges").unwrap_or(false),
        rlimits: rlimits(&at),
        // proc(5), "/proc/pid/oom_score_adj"
        oom_score_adj: at.within("oomScoreAdj", -1000, 1000).and_then(|n| i32::try_from(n).ok()),
        scheduling: scheduling(&at),
        io_priority: io_priority(&at),
        exec_affinity: affinity(&at),
        apparmor_profile: at.text("apparmorProfile"),
        selinux_label: at.text("selinuxLabel"),
    })
}

fn args(at: &At<'_>) -> Vec<String> {
    let Some(field) = at.required("args") else {
        return Vec::new();
    };
    let Some(items) = field.list() else {
        return Vec::new();
    };
    let args: Vec<String> = items.iter().filter_map(At::read).collect();
    match (items.first(), args.first()) {
        (None, _) => field.wrong("names no program", "the program, then its arguments"),
        (Some(item), Some(name)) if name.is_empty() => {
            item.wrong("is empty", "the name or path of a program");
        }
        _ => {}
    }
    args
}

/// Of two values of one name the last one counts, as in runc.
fn environment(at: &At<'_>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for item in at.items("env") {
        let Some(entry) = variable(&item) else {
            continue;
        };
        let name = entry.split_inclusive('=').next().unwrap_or_default();
        all.retain(|other| !other.starts_with(name));
        all.push(entry);
    }
    all
}

/// One variable, as environ(7) has them.
pub(crate) fn variable(at: &At<'_>) -> Option<String> {
    let entry: String = at.read()?;
    match entry.find('=') {
        Some(end) if end > 0 => Some(entry),
        _ => {
            at.wrong(format!("{entry:?} is no variable"), "NAME=value");
            None
        }
    }
}

/// Without a terminal its size MUST be ignored.
fn terminal(at: &At<'_>) -> Terminal {
    if !at.get("terminal").unwrap_or(false) {
        return Terminal::None;
    }
    let Some(size) = at.object("consoleSize") else {
        return Terminal::New { rows: 0, columns: 0 };
    };
    for name in ["height", "width"] {
        size.required(name);
    }
    let side = |name: &str, value: u64| {
        u16::try_from(value).unwrap_or_else(|_| {
            size.wrong_field(
                name,
                format!("{value} is out of range"),
                "0 to 65535, as in tty_ioctl(4)",
            );
            0
        })
    };
    let read: ConsoleSize = size.read().unwrap_or_default();
    Terminal::New { rows: side("height", read.height()), columns: side("width", read.width()) }
}

/// `process.user` (config.md, "POSIX-platform User"). Without it the process is root, as in runc;
/// half a user is a mistake.
fn user(process: &At<'_>, namespaces: &Namespaces, id_maps: &IdMaps) -> User {
    // What runc and crun set where nothing is said. The specification would have a file's bits
    // depend on how the runtime was started.
    const UMASK: i64 = 0o022;
    let Some(at) = process.object("user") else {
        return User { uid: 0, gid: 0, groups: Vec::new(), umask: 0o022 };
    };
    let check = |at: &At<'_>, map: &[crate::ids::IdRange]| {
        let id: u32 = at.read()?;
        // -1 in the calls that set ids: "leave it as it is", so the process would stay root.
        if id == u32::MAX {
            at.wrong(format!("{id} is no id"), "0 to 4294967294");
        } else if namespaces.makes(Kind::User) && !map.is_empty() && !maps(map, id) {
            at.wrong(format!("{id} is not mapped"), "an id of the container's id maps");
        }
        Some(id)
    };
    let uid = at.required("uid").and_then(|at| check(&at, &id_maps.uids));
    let gid = at.required("gid").and_then(|at| check(&at, &id_maps.gids));
    let groups = at.items("additionalGids");
    let mut groups: Vec<u32> = groups.iter().filter_map(|at| check(at, &id_maps.gids)).collect();
    groups.sort_unstable();
    groups.dedup();
    let umask = at.within("umask", 0, 0o777).unwrap_or(UMASK);
    User {
        uid: uid.unwrap_or(0),
        gid: gid.unwrap_or(0),
        groups,
        umask: u32::try_from(umask).unwrap_or(0o022),
    }
}

/// `process.rlimits` (config.md, "POSIX process"): of one type there MUST NOT be two.
fn rlimits(process: &At<'_>) -> Vec<Rlimit> {
    let mut all: Vec<Rlimit> = Vec::new();
    for at in process.objects("rlimits") {
        // oci-spec takes a missing limit for 0, which is the hardest there is.
        let complete = ["type", "soft", "hard"].map(|name| at.required(name).is_some());
        if complete.contains(&false) {
            continue;
        }
        let Some(limit) = at.read::<PosixRlimit>() else {
            continue;
        };
        let (soft, hard) = (limit.soft(), limit.hard());
        let resource = limit.typ().to_string();
        if soft > hard {
            at.wrong_field(
                "soft",
                format!("{soft} is above the hard limit {hard}"),
                "at most that",
            );
        }
        if all.iter().any(|other| other.resource == resource) {
            at.wrong_field("type", format!("{resource} has a limit already"), "each type once");
        }
        all.push(Rlimit { resource, soft, hard });
    }
    all
}
