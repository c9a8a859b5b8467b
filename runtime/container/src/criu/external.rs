//! What of a container belongs to the host, and so into no image?
//!
//! What is bound from the host, the cgroups where they are shown as a part of the host's, namespaces
//! that were joined; and the container's streams, which are [`super::streams`]. criu must be told of each
//! when it writes, and what stands for it when it reads. Of what the image says of it nothing is
//! believed: at restore all of it comes from the configuration.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use bundle::{Flag, Kind, Mount, Origin, Plan, What};
use primitives::{
    Error, Pid, Result, inode_of, mount_of, open_namespace, open_path, openat2_in_root, read_small,
};

use crate::cgroup::Inside;

/// A path in the container, and what stands for it: at dump its name in the image, at restore the path on
/// the host.
pub(crate) type Pair = (String, String);

/// One line of `/proc/PID/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: u64,
    above: u64,
    point: PathBuf,
    kind: String,
}

/// What is mounted from the host in a container that runs: where, and the name that it gets in the
/// image, which is its destination in the configuration. A link of the container's own may lead
/// somewhere else, so it is looked up as the container would.
///
/// # Errors
/// The container has ended.
pub(crate) fn mounts_of(pid: Pid, plan: &Plan, cgroups: &Inside) -> Result<Vec<Pair>> {
    let path = format!("/proc/{pid}/mountinfo");
    let text = read_small(Path::new(&path))
        .map_err(|error| Error::Unusable(format!("{path}: {error}")))?;
    let root = open_path(&format!("/proc/{pid}/root"), "see its mounts as it does")?;
    let mut places = Vec::new();
    for destination in destinations(plan, cgroups) {
        let why = "know which mount this is, wherever links of the container lead";
        // It may have been unmounted since.
        let Ok(place) = openat2_in_root(root.as_fd(), &destination.path, why) else { continue };
        if let Some(id) = mount_of(place.as_fd()) {
            places.push((id, destination));
        }
    }
    let guarded = &plan.guarded_paths;
    let is_guarded = |point: &Path| {
        guarded.masked.iter().any(|path| path == point)
            || guarded.readonly.iter().any(|path| path == point)
    };
    let table = table(&text);
    let mut pairs = belonging(&table, &places, is_guarded);
    pairs.extend(table.iter().filter(|line| is_null_of_host(line, plan)).map(|line| {
        let name = NULL_OF_HOST.to_string();
        (shown(&line.point), name)
    }));
    Ok(pairs)
}

/// What a file is masked with where the container's own null device is the host's, shown by a mount; the
/// name is runc's, for whom it always is.
const NULL_OF_HOST: &str = "/dev/null";

fn is_null_of_host(line: &Line, plan: &Plan) -> bool {
    line.kind == "devtmpfs" && plan.guarded_paths.masked.contains(&line.point)
}

/// Where something of the configuration is mounted, and whether it is the host's.
#[derive(Clone, Debug)]
struct Destination {
    path: PathBuf,
    is_hosts: bool,
}

fn destinations(plan: &Plan, cgroups: &Inside) -> Vec<Destination> {
    let all = plan.mounts.iter().filter(|mount| !mount.set.contains(&Flag::Remount));
    let mut found: Vec<Destination> = all
        .map(|mount| Destination {
            path: mount.destination.clone(),
            is_hosts: matches!(mount.what, What::Bind { .. }),
        })
        .collect();
    let of_cgroups = parts_of_host(plan, cgroups);
    found.extend(of_cgroups.into_iter().map(|(path, _)| Destination { path, is_hosts: true }));
    // A device is the host's where it was shown by a mount; else this names the mount that it lies in,
    // which is another one's.
    found.extend(
        plan.devices.iter().map(|device| Destination { path: device.path.clone(), is_hosts: true }),
    );
    found
}

/// The mounts of the host in the table: those of the list, and those that came along below them.
fn belonging(
    table: &[Line],
    places: &[(u64, Destination)],
    is_guarded: impl Fn(&Path) -> bool,
) -> Vec<Pair> {
    let place_of = |line: &Line| {
        // The last one wins: it may cover another.
        let here = places.iter().rev().find(|(id, place)| {
            // What lies in a mount is not what the mount is.
            *id == line.id && is_mounted_at(line, &place.path)
        });
        here.map(|(_, place)| place)
    };
    let mut pairs = Vec::new();
    for line in table {
        let mut here = line;
        let owner = loop {
            if let Some(place) = place_of(here) {
                break Some((here, place));
            }
            match table.iter().find(|other| other.id == here.above) {
                Some(above) if above.id != here.id => here = above,
                _ => break None,
            }
        };
        let Some((top, place)) = owner.filter(|(_, place)| place.is_hosts) else { continue };
        if top.id != line.id && is_guarded(&line.point) {
            continue;
        }
        let below = line.point.strip_prefix(&top.point).unwrap_or(Path::new(""));
        let name = match below.as_os_str().is_empty() {
            true => place.path.clone(),
            false => place.path.join(below),
        };
        pairs.push((shown(&line.point), shown(&name)));
    }
    pairs
}

/// Whether a mount is this destination's own, and not only the one that the destination lies in: by its
/// last name, which no link changes that leads to a directory above.
fn is_mounted_at(line: &Line, destination: &Path) -> bool {
    line.point.file_name() == destination.file_name() || line.point.starts_with(destination)
}

/// What is mounted from the host in a container that shall be: its name in the image, and its source.
///
/// # Errors
/// The table of the host's mounts cannot be read.
pub(crate) fn mounts_from_host(plan: &Plan, cgroups: &Inside) -> Result<Vec<Pair>> {
    const OWN: &str = "/proc/self/mountinfo";
    let text =
        read_small(Path::new(OWN)).map_err(|error| Error::Unusable(format!("{OWN}: {error}")))?;
    let hosts = table(&text);
    let mut pairs = Vec::new();
    for Mount { destination, what, set, .. } in &plan.mounts {
        let What::Bind { source, recursive } = what else { continue };
        if set.contains(&Flag::Remount) {
            continue;
        }
        pairs.push((shown(destination), shown(source)));
        let source = source.canonicalize().unwrap_or_else(|_| source.clone());
        let below = hosts.iter().filter(|line| *recursive && line.point != source);
        pairs.extend(below.filter_map(|line| {
            let below = line.point.strip_prefix(&source).ok()?;
            Some((shown(&destination.join(below)), shown(&line.point)))
        }));
    }
    pairs.extend(parts_of_host(plan, cgroups).iter().map(|(at, own)| (shown(at), shown(own))));
    pairs.extend(plan.devices.iter().map(|device| (shown(&device.path), shown(&device.path))));
    pairs.push((NULL_OF_HOST.to_string(), NULL_OF_HOST.to_string()));
    pairs.sort();
    pairs.dedup_by(|one, other| one.0 == other.0);
    Ok(pairs)
}

/// Where cgroups are shown as a part of the host's: where in the container, and which.
fn parts_of_host(plan: &Plan, cgroups: &Inside) -> Vec<(PathBuf, PathBuf)> {
    // In a cgroup namespace of its own these are mounts of its own.
    if !plan.namespaces.inherits(Kind::Cgroup) {
        return Vec::new();
    }
    let at = plan.mounts.iter().filter(|mount| mount.what == What::Cgroup);
    at.flat_map(|mount| match cgroups {
        Inside::V2 { own } => vec![(mount.destination.clone(), own.clone())],
        Inside::V1 { hierarchies, .. } => hierarchies
            .iter()
            .map(|one| (mount.destination.join(&one.name), one.own.clone()))
            .collect(),
        Inside::Nothing => Vec::new(),
    })
    .collect()
}

pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(super) fn table(text: &str) -> Vec<Line> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let id = words.next()?.parse().ok()?;
        let above = words.next()?.parse().ok()?;
        let point = PathBuf::from(plain(words.nth(2)?));
        let kind = words.skip_while(|word| *word != "-").nth(1)?.to_string();
        Some(Line { id, above, point, kind })
    };
    text.lines().filter_map(line).collect()
}

/// Spaces and such are written as octal numbers there: proc_pid_mountinfo(5).
fn plain(word: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(word.to_string(), |word, (code, letter)| word.replace(code, letter))
}

/// A namespace that a container has joined and does not own.
#[derive(Debug)]
pub(crate) struct Joined {
    /// Its file.
    pub(crate) file: OwnedFd,
    /// Its name in the image, which is runc's.
    pub(crate) name: &'static str,
    /// How criu is told at dump that it is the host's.
    pub(crate) external: String,
}

/// The namespaces that a container has joined, which criu leaves as they are. As in runc; of other kinds
/// criu makes copies, which [`super::restored`] does not let run.
///
/// # Errors
/// One cannot be opened.
pub(crate) fn joined_namespaces(plan: &Plan) -> Result<Vec<Joined>> {
    let kinds = [(Kind::Network, "extRootNetNS", "net"), (Kind::Pid, "extRootPidNS", "pid")];
    let mut found = Vec::new();
    for (kind, name, word) in kinds {
        let Origin::Joined(path) = plan.namespaces.origin(kind) else { continue };
        let unusable = |error: &dyn std::fmt::Display| {
            Error::Unusable(format!("namespace of type {kind:?}: {}: {error}", path.display()))
        };
        let file = open_namespace(path).map_err(|error| unusable(&error))?;
        let inode = inode_of(file.as_fd()).map_err(|error| unusable(&error))?;
        found.push(Joined { file, name, external: format!("{word}[{inode}]:{name}") });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Destination, belonging, table};

    const TABLE: &str = "\
10 1 8:1 /root / rw - ext4 /dev/x rw
11 10 0:5 / /proc rw - proc proc rw
12 10 8:1 /src /data rw - ext4 /dev/x rw
13 12 8:2 / /data/more\\040room rw - ext4 /dev/y rw
14 12 0:9 / /data/secret ro - tmpfs tmpfs ro
15 10 0:7 / /tmp rw - tmpfs tmpfs rw
16 10 8:1 /log /run/log rw - ext4 /dev/x rw
";

    #[test]
    fn what_came_along_with_a_bind_is_the_hosts_too() {
        let place = |id, path: &str, is_hosts| (id, Destination { path: path.into(), is_hosts });
        let places = [
            place(11, "/proc", false),
            place(12, "/data", true),
            place(15, "/tmp", false),
            // /var/run is a link to /run in there.
            place(16, "/var/run/log", true),
            // A device that lies in the root, and is no mount.
            place(10, "/dev/null", true),
        ];
        let pairs = belonging(&table(TABLE), &places, |point| point == Path::new("/data/secret"));
        let expected = [
            ("/data", "/data"),
            ("/data/more room", "/data/more room"),
            ("/run/log", "/var/run/log"),
        ];
        assert_eq!(pairs, expected.map(|(at, name)| (at.to_string(), name.to_string())));
    }
}
