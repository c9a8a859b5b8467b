//! Which cgroups does this machine have, and where may this process make its own?
//!
//! Below the cgroup that it is in itself, never at the root of a hierarchy: at the root it would
//! leave the limits that others have set for it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use primitives::{CgroupFile, Error, Result, own_ids, read_small};

/// The two interfaces of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// A hierarchy for each controller, or for a few of them together.
    V1,
    /// One hierarchy with all controllers.
    V2,
}

/// One tree of cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Where it is mounted.
    pub(crate) mount: PathBuf,
    /// The cgroup below which new ones are made, counted from there.
    pub(crate) home: PathBuf,
    /// Its controllers; in v2 those that home can hand down.
    pub(crate) controllers: Vec<String>,
}

impl Hierarchy {
    /// A directory or file below home.
    pub(crate) fn at(&self, file: impl AsRef<Path>) -> CgroupFile {
        CgroupFile::new(&self.mount, &self.home, file.as_ref())
    }
}

/// What there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) version: Version,
    pub(crate) hierarchies: Vec<Hierarchy>,
}

// ANCHOR: find
impl Machine {
    /// Looks at what is mounted and where this process is; nothing is assumed, not even /sys/fs/cgroup.
    pub(crate) fn find() -> Result<Machine> {
        let read = |path: &str| {
            read_small(path.as_ref())
                .map_err(|e| Error::Unusable(format!("{path} cannot be read: {e}")))
        };
        let (mounts, own) = (read("/proc/self/mountinfo")?, read("/proc/self/cgroup")?);
        let v1 = v1_hierarchies(&mounts, &own);
        if !v1.is_empty() {
            // A hybrid machine has v2 mounted as well, but every controller belongs to v1.
            return Ok(Machine { version: Version::V1, hierarchies: v1 });
        }
        match v2_hierarchy(&mounts, &own) {
            Some(v2) => Ok(Machine { version: Version::V2, hierarchies: vec![v2] }),
            None => Err(Error::Unusable(
                "no cgroup hierarchy is mounted here: lab shell has one, or mount it as root: \
                 mount -t cgroup2 none /sys/fs/cgroup"
                    .to_string(),
            )),
        }
    }
    // ANCHOR_END: find

    /// The hierarchies that have these controllers, each once.
    ///
    /// # Errors
    /// Says which controller is missing, and why.
    pub(crate) fn with(&self, controllers: &[&str]) -> Result<Vec<Hierarchy>> {
        let mut found: Vec<Hierarchy> = Vec::new();
        for name in controllers {
            let hierarchy = self.find_one(name).ok_or_else(|| self.missing(name))?;
            if !found.contains(hierarchy) {
                found.push(hierarchy.clone());
            }
        }
        Ok(found)
    }

    /// The hierarchy of one controller. In v2 freezing and counting CPU time need none.
    pub(crate) fn find_one(&self, name: &str) -> Option<&Hierarchy> {
        let built_in = ["freezer", "cgroup", "cpuacct"].contains(&name);
        let has = |hierarchy: &&Hierarchy| hierarchy.controllers.iter().any(|own| own == name);
        match self.version {
            Version::V2 if built_in => self.hierarchies.first(),
            _ => self.hierarchies.iter().find(has),
        }
    }

    fn missing(&self, name: &str) -> Error {
        let all: Vec<&str> = self
            .hierarchies
            .iter()
            .flat_map(|hierarchy| hierarchy.controllers.iter().map(String::as_str))
            .collect();
        let known = read_small("/proc/cgroups".as_ref()).unwrap_or_default();
        let line = known.lines().find(|line| line.split_whitespace().next() == Some(name));
        let why = match (line.map(|line| line.ends_with('0')), self.version) {
            (None, _) => "this kernel does not know it",
            (Some(true), _) => "it was switched off when the kernel started (cgroup_disable=)",
            (Some(false), Version::V1) => "its hierarchy is not mounted",
            (Some(false), Version::V2) => {
                "the cgroups above have not handed it down: root has to write +NAME into their \
                 cgroup.subtree_control, from the top down"
            }
        };
        Error::Unusable(format!(
            "no controller {name:?} here: {why} (there are: {})",
            all.join(", ")
        ))
    }

    /// Why this user can make no cgroup in these hierarchies, if that is so.
    pub(crate) fn forbids(&self, hierarchies: &[Hierarchy]) -> Option<String> {
        let closed = hierarchies.iter().find(|hierarchy| !may_write(hierarchy.at("").path()))?;
        Some(self.closed(closed, "make no cgroup in"))
    }

    /// What somebody can do who may not, as a whole sentence.
    pub(crate) fn closed(&self, hierarchy: &Hierarchy, what: &str) -> String {
        let instead = match self.version {
            Version::V1 => {
                "cgroup v1 is root's alone: run it with sudo, or in a machine with v2: lab run"
            }
            Version::V2 => {
                "ask for a cgroup of your own: systemd-run --user --scope -p Delegate=yes, or lab run \
                 --user 1000"
            }
        };
        let (uid, _) = own_ids();
        format!("user {uid} may {what} {}: {instead}", hierarchy.mount.display())
    }
}

/// By the owner and the permission bits, as the kernel will decide for all but root.
pub(super) fn may_write(directory: &Path) -> bool {
    let (uid, gid) = own_ids();
    let Ok(about) = fs::metadata(directory) else { return false };
    let mode = about.mode();
    about.uid() == uid && mode & 0o200 != 0
        || about.gid() == gid && mode & 0o020 != 0
        || mode & 0o002 != 0
        || uid == 0 && is_root_of_all()
}

/// Root of a user namespace may write what belongs to its own ids; only the first one may write all.
fn is_root_of_all() -> bool {
    let map = read_small("/proc/self/uid_map".as_ref()).unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// One line of mountinfo(5): root of the mount, where it is, kind of file system, its options.
fn mount(line: &str) -> Option<(&str, &str, &str, &str)> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, place) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    Some((root, place, right.next()?, right.nth(1)?))
}

/// The path of `/proc/self/cgroup` for a controller, or of the hierarchy without any, which is v2.
fn own_path(text: &str, is_it: impl Fn(&str) -> bool) -> Option<&str> {
    text.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (names, path) = rest.split_once(':')?;
        is_it(names).then_some(path)
    })
}

/// What is mounted may be a part of the tree only, and then the path has to be counted from there.
fn from_mount(own: &str, root: &str) -> PathBuf {
    let inside = Path::new(own).strip_prefix(root).unwrap_or(Path::new(own));
    inside.strip_prefix("/").unwrap_or(inside).to_path_buf()
}

fn v1_hierarchies(mounts: &str, own: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for (root, place, _, options) in
        mounts.lines().filter_map(mount).filter(|(_, _, kind, _)| *kind == "cgroup")
    {
        let in_it =
            |names: &str| names.split(',').all(|name| options.split(',').any(|o| o == name));
        let named = |names: &str| names.is_empty() || names.starts_with("name=");
        let line = own
            .lines()
            .filter_map(|line| line.split_once(':')?.1.split_once(':'))
            .find(|(names, _)| !named(names) && in_it(names));
        if let Some((names, path)) = line {
            let controllers = names.split(',').map(str::to_string).collect();
            let home = from_mount(path, root);
            let hierarchy = Hierarchy { mount: place.into(), home, controllers };
            // The same hierarchy may be mounted twice.
            if !found.iter().any(|other| other.controllers == hierarchy.controllers) {
                found.push(hierarchy);
            }
        }
    }
    found
}

fn v2_hierarchy(mounts: &str, own: &str) -> Option<Hierarchy> {
    let mut lines = mounts.lines().filter_map(mount);
    let (root, place, _, _) = lines.find(|(_, _, kind, _)| *kind == "cgroup2")?;
    let own = from_mount(own_path(own, str::is_empty)?, root);
    let mount = PathBuf::from(place);
    let home = v2_home(&mount, &own);
    let available = read_small(&mount.join(&home).join("cgroup.controllers")).unwrap_or_default();
    let controllers = available.split_whitespace().map(str::to_string).collect();
    Some(Hierarchy { mount, home, controllers })
}

// ANCHOR: home
/// The cgroup below which limits can be had. A cgroup of v2 that hands controllers down may hold no
/// process itself, and our own holds at least this one: so it is the nearest above that holds none,
/// and that belongs to this user. Only the root is free of that rule.
fn v2_home(mount: &Path, own: &Path) -> PathBuf {
    let fits = |path: &&Path| {
        let directory = mount.join(path);
        let empty =
            || read_small(&directory.join("cgroup.procs")).is_ok_and(|text| text.is_empty());
        may_write(&directory) && (is_root(&directory) || empty())
    };
    own.ancestors().find(fits).unwrap_or(own).to_path_buf()
}
// ANCHOR_END: home

/// The root of the whole tree has no `cgroup.type`; that of a cgroup namespace has.
fn is_root(directory: &Path) -> bool {
    !directory.join("cgroup.type").exists()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{from_mount, mount, v1_hierarchies};

    const MOUNTS: &str = "\
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:3 - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn a_hybrid_machine_has_v1() {
        let own = "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/\n0::/\n";
        let found = v1_hierarchies(MOUNTS, own);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].controllers, ["cpu", "cpuacct"]);
        let place = found[1].at("box");
        assert_eq!(place.path(), Path::new("/sys/fs/cgroup/memory/a/b/box"));
    }

    #[test]
    fn a_path_is_counted_from_what_is_mounted() {
        assert_eq!(from_mount("/docker/x/y", "/docker/x"), Path::new("y"));
        assert_eq!(from_mount("/docker/x", "/docker/x"), Path::new(""));
        assert_eq!(from_mount("/a", "/"), Path::new("a"));
        let line = MOUNTS.lines().nth(1).unwrap();
        assert_eq!(mount(line), Some(("/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory")));
    }
}
