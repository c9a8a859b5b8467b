//! Which kernel is this, and which of its interfaces can be used here?

use super::{Attempt, Fact, State, read, yes_if};

/// The namespaces a container is made of, as /proc/self/ns names them.
const NAMESPACES: [&str; 7] = ["mnt", "uts", "ipc", "pid", "net", "user", "cgroup"];

/// Calls that have come since 2019, and the release that brought each. A program of this workspace
/// uses every one of them.
const CALLS: [(&str, (u32, u32), &str); 6] = [
    ("mount-api", (5, 2), "fsopen, fsmount, move_mount: mounts by file descriptor"),
    ("pidfd", (5, 3), "a process by descriptor: no number that could be reused"),
    ("clone3", (5, 7), "one call makes a process, its namespaces and its cgroup"),
    ("openat2", (5, 6), "paths that cannot leave the container's root"),
    ("idmapped-mounts", (5, 12), "mount_setattr: one file tree, other owners"),
    ("cgroup-kill", (5, 14), "cgroup.kill: end a whole container with one write"),
];

/// The release and everything that follows from it.
pub(crate) fn facts() -> Vec<Fact> {
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = version(&release);
    let mut facts = vec![
        Fact::new("kernel", State::Yes, &release, "the kernel that all programs here talk to"),
        namespaces(),
        time_namespace(),
    ];
    facts.extend(CALLS.iter().map(|(name, since, means)| call(name, version, *since, means)));
    facts.extend([overlay(), seccomp(), landlock(), pressure()]);
    facts
}

/// "6.1.0-56-amd64" → (6, 1); (0, 0) for something else.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|sign: char| !sign.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => (0, 0),
    }
}

fn call(name: &'static str, has: (u32, u32), since: (u32, u32), means: &'static str) -> Fact {
    let found = format!("by version: since {}.{}", since.0, since.1);
    Fact::new(name, yes_if(has >= since), found, means)
        .or_else("run it in the lab: lab run COMMAND")
}

fn namespaces() -> Fact {
    let there = |name: &&str| std::path::Path::new("/proc/self/ns").join(name).exists();
    let found: Vec<&str> = NAMESPACES.into_iter().filter(there).collect();
    let state = yes_if(found.len() == NAMESPACES.len());
    Fact::new("namespaces", state, found.join(" "), "the walls of a container")
        .or_else("run it in the lab: lab run COMMAND")
}

fn time_namespace() -> Fact {
    let there = std::path::Path::new("/proc/self/ns/time").exists();
    let found = if there { "time" } else { "no /proc/self/ns/time" };
    Fact::new("time-namespace", yes_if(there), found, "a boot clock of its own")
        .or_else("lab run --kernel qemu COMMAND")
}

/// Trying is the only truth: the module may be missing, or the filesystem below may not do.
fn overlay() -> Fact {
    let attempt = Attempt::at(&["unshare", "--mount", "sh", "-c", MOUNT_OVERLAY]);
    Fact::new("overlay", attempt.state(), attempt.found(), "image layers, stacked by root")
        .or_else("lab run COMMAND (root is not needed there)")
}

/// Mounts on top of /mnt in a mount namespace that ends with the shell.
pub(super) const MOUNT_OVERLAY: &str = "mount -t tmpfs none /mnt && cd /mnt && \
    mkdir lower upper work merged && \
    mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged && \
    touch merged/file";

fn seccomp() -> Fact {
    let means = "filters for system calls";
    let Some(actions) = read("/proc/sys/kernel/seccomp/actions_avail") else {
        return Fact::new("seccomp", State::No, "no list of actions in /proc/sys/kernel", means)
            .or_else("run it in the lab: lab run COMMAND");
    };
    let status = read("/proc/self/status").unwrap_or_default();
    let filtered = status_field(&status, "Seccomp:") == Some("2");
    let note = if filtered { "; we are under a filter ourselves" } else { "" };
    Fact::new("seccomp", State::Yes, format!("{actions}{note}"), means)
}

/// The value of one field of /proc/PID/status.
pub(super) fn status_field<'a>(status: &'a str, field: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(field)).map(str::trim)
}

/// setpriv can try it since util-linux 2.39; before, only the list of security modules tells.
fn landlock() -> Fact {
    let attempt = Attempt::at(&["setpriv", "--landlock-access", "fs:make-sock", "true"]);
    let (state, found) = match (&attempt, read("/sys/kernel/security/lsm")) {
        (Attempt::Worked, _) => (State::Yes, attempt.found()),
        (_, Some(modules)) => (yes_if(modules.split(',').any(|name| name == "landlock")), modules),
        // The list needs securityfs, which not everybody mounts. The call is in the kernel or not;
        // whether it was switched on at boot stays open.
        (_, None) => {
            match read("/proc/kallsyms").is_some_and(|all| all.contains("landlock_create")) {
                true => (State::Unknown, "compiled in; securityfs is not mounted".to_owned()),
                false => (State::No, "not compiled in".to_owned()),
            }
        }
    };
    Fact::new("landlock", state, found, "a sandbox that a process puts around itself")
        .or_else("lab run --kernel qemu COMMAND")
}

fn pressure() -> Fact {
    let there = read("/proc/pressure/cpu").is_some();
    let found = if there { "/proc/pressure" } else { "no /proc/pressure" };
    Fact::new("pressure", yes_if(there), found, "how long processes wait (PSI)")
        .or_else("lab run --kernel qemu COMMAND")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_a_version() {
        assert_eq!(version("6.1.0-56-amd64"), (6, 1));
        assert_eq!(version("5.15"), (5, 15));
        assert_eq!(version("nonsense"), (0, 0));
    }

    #[test]
    fn a_call_is_there_from_its_release_on() {
        assert_eq!(call("x", (5, 6), (5, 6), "").state, State::Yes);
        assert_eq!(call("x", (6, 0), (5, 6), "").state, State::Yes);
        assert_eq!(call("x", (4, 19), (5, 6), "").state, State::No);
    }

    #[test]
    fn a_status_field_is_found_by_its_name() {
        let status = "Name:\tcat\nNoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        assert_eq!(status_field(status, "Seccomp:"), Some("2"));
        assert_eq!(status_field(status, "CapEff:"), None);
    }
}
