//! Is what came back what the configuration says?
//!
//! An image holds a container's ids, capabilities, filters and namespaces, and criu gives back what it
//! holds. One that was changed, or is another container's, would run as somebody else than the
//! configuration allows. So every process is held to it at the last moment before it runs: all of it is
//! there, and it stands still.

use std::path::Path;

use bundle::{Capability, KINDS, Kind, Origin, Plan};
use primitives::{Error, Pid, Result, namespaces_of, read_small};

/// Looks at processes from outside.
///
/// # Errors
/// What is not as it must be, of which process.
pub(crate) fn check(pids: &[Pid], plan: &Plan) -> Result<()> {
    for pid in pids {
        let status = read_small(Path::new(&format!("/proc/{pid}/status")));
        let Ok(status) = status else { continue };
        // One that had ended comes back as that, and will never run.
        if field(&status, "State").starts_with('Z') {
            continue;
        }
        if let Some(wrong) = rights(&status, plan).or_else(|| places(*pid, plan)) {
            return Err(Error::Unusable(format!(
                "what the images hold is not what config.json allows: {wrong} (process {pid}, which has \
                 not run)"
            )));
        }
    }
    Ok(())
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    status.lines().find_map(line).unwrap_or_default().trim()
}

fn rights(status: &str, plan: &Plan) -> Option<String> {
    let process = &plan.process;
    if process.no_new_privileges && field(status, "NoNewPrivs") != "1" {
        return Some(
            "it could gain rights by execve, and noNewPrivileges forbids that".to_string(),
        );
    }
    if plan.seccomp.is_some() && field(status, "Seccomp") != "2" {
        return Some("it has no seccomp filter".to_string());
    }
    let capabilities = &process.capabilities;
    let allowed = |sets: &[&std::collections::BTreeSet<Capability>]| {
        let all = sets.iter().flat_map(|set| set.iter());
        all.fold(0_u64, |mask, capability| mask | 1 << capability.number())
    };
    let (bounding, permitted) = (&capabilities.bounding, &capabilities.permitted);
    for (name, allowed) in [
        ("CapBnd", allowed(&[bounding])),
        ("CapPrm", allowed(&[bounding, permitted])),
        ("CapEff", allowed(&[bounding, permitted])),
        ("CapInh", allowed(&[bounding, permitted, &capabilities.inheritable])),
    ] {
        let has = u64::from_str_radix(field(status, name), 16).unwrap_or(u64::MAX);
        let more = has & !allowed;
        if more != 0 {
            return Some(format!("it has capabilities that it may not have ({name} {more:#x})"));
        }
    }
    None
}

/// A namespace that the container shall have for itself must be another one than this process's, and one
/// that it shall share must be that one.
fn places(pid: Pid, plan: &Plan) -> Option<String> {
    let own = namespaces_of(None).ok()?;
    let its = namespaces_of(Some(pid)).ok()?;
    KINDS.into_iter().find_map(|kind| {
        let name = name(kind);
        let inode = |list: &[primitives::Namespace]| {
            list.iter().find(|one| one.name == name).map(|one| one.inode)
        };
        let (own, its) = (inode(&own)?, inode(&its)?);
        match plan.namespaces.origin(kind) {
            Origin::New if own == its => {
                Some(format!("it shares the {name} namespace of the host"))
            }
            Origin::Joined(path) => {
                use std::os::fd::AsFd;
                let file = primitives::open_namespace(path).ok()?;
                let wanted = primitives::inode_of(file.as_fd()).ok()?;
                (wanted != its)
                    .then(|| format!("it is not in the {name} namespace {}", path.display()))
            }
            // What a program of the container has made for itself is its own affair.
            _ => None,
        }
    })
}

/// The file's name in `/proc/PID/ns`.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "user",
        Kind::Pid => "pid",
        Kind::Network => "net",
        Kind::Mount => "mnt",
        Kind::Ipc => "ipc",
        Kind::Uts => "uts",
        Kind::Cgroup => "cgroup",
        Kind::Time => "time",
    }
}
