//! In which cgroups must a process be, to have the same limits as another one?
//!
//! Cgroups are no namespaces: setns leaves them alone, and a visitor that stays in its own counts for
//! nobody's limit. The way in is a file of the host, so it is taken while that can still be seen.

use std::io;
use std::path::{Path, PathBuf};

use primitives::{CgroupFile, Pid, Result, getpid, read_small, step, write_pid};

/// A cgroup that the target is in, and we are not.
#[derive(Debug)]
pub(crate) struct Membership {
    procs: CgroupFile,
}

/// A line of `/proc/PID/cgroup`: a hierarchy, by its controllers, and a path in it (cgroups(7)).
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'))
}

pub(crate) fn that_differ(pid: Pid) -> io::Result<Vec<Membership>> {
    let theirs = read_small(format!("/proc/{pid}/cgroup").as_ref())?;
    let ours = read_small("/proc/self/cgroup".as_ref())?;
    let mounts = read_small("/proc/self/mountinfo".as_ref())?;
    let shared = |line: &(&str, &str)| lines(&ours).any(|other| other == *line);
    let differing = lines(&theirs).filter(|line| !shared(line));
    let found = differing.filter_map(|(controllers, path)| {
        let (root, mount) = hierarchy(&mounts, controllers)?;
        let below = Path::new(path).strip_prefix(root).ok()?;
        let nowhere = Path::new("");
        Some(Membership { procs: CgroupFile::new(&mount, nowhere, &below.join("cgroup.procs")) })
    });
    Ok(found.collect())
}

/// Where a hierarchy is mounted, and which of its cgroups is seen there as the root; none when it is
/// not mounted here.
fn hierarchy(mountinfo: &str, controllers: &str) -> Option<(PathBuf, PathBuf)> {
    mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        let (kind, options) = (after.split(' ').next()?, after.rsplit(' ').next()?);
        let options: Vec<&str> = options.split(',').collect();
        let is_it = match controllers {
            "" => kind == "cgroup2",
            names => kind == "cgroup" && names.split(',').all(|name| options.contains(&name)),
        };
        is_it.then(|| (root.into(), place.into()))
    })
}

// ANCHOR: enter
/// Moves this process, and all that it makes from now on.
pub(crate) fn enter(memberships: &[Membership]) -> Result<()> {
    if memberships.is_empty() {
        return Ok(());
    }
    step("enter its cgroups", || {
        memberships.iter().try_for_each(|one| {
            write_pid(&one.procs, getpid(), "count for the container, while its files can be seen")
        })
    })
}
// ANCHOR_END: enter

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{hierarchy, lines};

    #[test]
    fn a_path_may_hold_what_parts_the_others() {
        let text = "12:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/x\n";
        let found: Vec<_> = lines(text).collect();
        assert_eq!(found, [("cpu,cpuacct", "/a:b"), ("name=systemd", "/"), ("", "/x")]);
    }

    #[test]
    fn hierarchies_are_found_by_what_they_control() {
        let mounts = "30 20 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                      31 20 0:27 /a /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
        let at = |root: &str, place: &str| Some((PathBuf::from(root), PathBuf::from(place)));
        assert_eq!(hierarchy(mounts, ""), at("/", "/sys/fs/cgroup/unified"));
        assert_eq!(hierarchy(mounts, "cpuacct,cpu"), at("/a", "/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(hierarchy(mounts, "memory"), None);
    }
}
