//! Where will the container's cgroups be?
//!
//! Where runc and crun put them: a path that begins with a slash counts from where the hierarchy is
//! mounted, any other from the cgroup that the runtime itself is in, so that a container never leaves
//! the limits that somebody has set for the one who starts it. Without a path the id is the name.
//! In v2 a cgroup that hands controllers down may hold no process, and the runtime's own holds at
//! least the runtime: there it is counted from the one above.
//!
//! A container is put into every hierarchy that is mounted, also into those in which nothing limits
//! it. That costs about 0.1 ms for each, but in one that it did not join it would be in the runtime's
//! own cgroup, most often the root of the tree. A cgroup namespace takes where a process is for the
//! root of all, so the container's `/sys/fs/cgroup` would show, and as root let it write, the cgroups
//! of the whole machine.

use std::borrow::Cow;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use bundle::{Cgroup, Place};
use primitives::{CgroupFile, Error, Result, is_mounted_readonly, own_ids, read_small};

use super::limits::asked_for;
use super::{Cgroups, Driver, Hierarchy, systemd};

impl Cgroups {
    /// Where they will be; reads the machine and changes nothing.
    ///
    /// Empty when there is nothing to do: no hierarchy that this user may write, and no limit asked
    /// for.
    ///
    /// # Errors
    /// When a limit is asked for that cannot be had here, and when the cgroup is there already, with
    /// processes in it.
    pub fn find(wanted: &Cgroup, id: &str, driver: Driver) -> Result<Cgroups> {
        let machine = Machine::here()?;
        let mut found = match driver {
            Driver::Files => machine.cgroups(&wanted.place, id),
            Driver::Systemd => {
                let (unit, path) = systemd::place(&wanted.place, id)?;
                let found = machine.cgroups(&Place::FromMount(path), id);
                Cgroups { driver, unit: Some(unit), ..found }
            }
        };
        found.drop_what_is_closed(wanted)?;
        found.refuse_if_in_use()?;
        Ok(found)
    }

    /// An ordinary user has no cgroups, or only the one that was given to him. That is an error only
    /// for who asked for a limit: without, a container runs as well as any program of that user.
    fn drop_what_is_closed(&mut self, wanted: &Cgroup) -> Result<()> {
        let user = User::here();
        let Some(closed) = self.all().find(|hierarchy| !user.may_make(hierarchy)) else {
            return Ok(());
        };
        if let Some(limit) = asked_for(wanted) {
            return Err(Error::Unusable(self.closed(closed, limit)));
        }
        // Being in some of them would be worse than in none: what kills and counts goes by them.
        *self = Cgroups { driver: self.driver, ..Cgroups::default() };
        Ok(())
    }

    fn closed(&self, hierarchy: &Hierarchy, limit: &str) -> String {
        let (uid, _) = own_ids();
        let instead = match self.is_v2() {
            true => {
                "ask for a cgroup of your own (systemd-run --user --scope -p Delegate=yes), or \
                 leave the limit out"
            }
            false => "cgroup v1 is root's alone: leave the limit out, or run this as root",
        };
        let mount = hierarchy.mount().display();
        format!("{limit}: user {uid} may make no cgroup for it in {mount}: {instead}")
    }

    /// What is in it would be killed together with the container.
    fn refuse_if_in_use(&mut self) -> Result<()> {
        for hierarchy in self.hierarchies.iter_mut().chain(&mut self.unified) {
            let path = hierarchy.path();
            if !path.is_dir() {
                // The last one is where the runtime is itself, or the root of the tree.
                let above = hierarchy.above().take(hierarchy.depth() - 1);
                hierarchy.missing = above.take_while(|above| !above.path().is_dir()).count();
            } else if !super::kill::pids_below(&path).is_empty() {
                return Err(Error::Unusable(format!(
                    "the cgroup {} has processes in it that are not the container's: take another \
                     cgroupsPath, or end them",
                    path.display()
                )));
            }
        }
        Ok(())
    }
}

/// What the kernel says of its hierarchies and of where this process is in them.
struct Machine {
    /// `/proc/self/mountinfo`
    mounts: String,
    /// `/proc/self/cgroup`
    own: String,
}

impl Machine {
    /// On a machine with many containers there are thousands of mounts, which the kernel takes
    /// milliseconds to list. So it is asked only where v2 is not where it always is.
    fn here() -> Result<Machine> {
        let read = |path: &str| {
            read_small(path.as_ref())
                .map_err(|e| Error::Unusable(format!("{path} cannot be read: {e}")))
        };
        let own = read("/proc/self/cgroup")?;
        let mounts = match usual_mount(&own) {
            Some(line) => line,
            None => read("/proc/self/mountinfo")?,
        };
        Ok(Machine { mounts, own })
    }

    fn cgroups(&self, place: &Place, id: &str) -> Cgroups {
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        let mut unified = None;
        let lines = self.mounts.lines().filter(|line| line.contains(" - cgroup"));
        for mount in lines.filter_map(Mounted::parse) {
            match mount.kind {
                "cgroup2" if unified.is_none() => unified = Some(mount),
                "cgroup" => {
                    let found = self.v1(&mount, place, id);
                    // The same hierarchy may be mounted twice.
                    let known = |found: &Hierarchy| {
                        hierarchies.iter().any(|other| other.controllers == found.controllers)
                    };
                    hierarchies.extend(found.filter(|found| !known(found)));
                }
                _ => {}
            }
        }
        let alone = hierarchies.is_empty();
        let unified = unified.map(|mount| self.v2(&mount, place, id, alone));
        Cgroups { hierarchies, unified, ..Cgroups::default() }
    }

    /// The hierarchy of one mount, by the line of `/proc/self/cgroup` whose controllers it has.
    fn v1(&self, mount: &Mounted<'_>, place: &Place, id: &str) -> Option<Hierarchy> {
        let in_it = |names: &str| names.split(',').all(|name| mount.options().any(|o| o == name));
        let (names, own) = self.lines().find(|(names, _)| !names.is_empty() && in_it(names))?;
        let home = home(place, || mount.within(own));
        Some(mount.hierarchy(names, home, inner(place, id)))
    }

    fn v2(&self, mount: &Mounted<'_>, place: &Place, id: &str, alone: bool) -> Hierarchy {
        let own = self.lines().find_map(|(names, own)| names.is_empty().then_some(own));
        let own = mount.within(own.unwrap_or("/"));
        let home = home(place, || match alone {
            true => own.parent().map(Path::to_path_buf).unwrap_or_default(),
            false => own,
        });
        mount.hierarchy("", home, inner(place, id))
    }

    fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.own.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'))
    }
}

/// The line that mountinfo has for v2, when it is alone and mounted as everywhere: as a whole, so that the
/// cgroup of this process is in it.
fn usual_mount(own: &str) -> Option<String> {
    const USUAL: &str = "/sys/fs/cgroup";
    let own = own.strip_prefix("0::/")?.strip_suffix('\n')?;
    let here = Path::new(USUAL).join(own).join("cgroup.procs");
    if own.contains('\n') || !here.exists() {
        return None;
    }
    let mode = if is_mounted_readonly(USUAL.as_ref()) { "ro" } else { "rw" };
    Some(format!("0 0 0:0 / {USUAL} {mode} - cgroup2 cgroup2 rw"))
}

fn home(place: &Place, own: impl FnOnce() -> PathBuf) -> PathBuf {
    match place {
        Place::FromMount(_) => PathBuf::new(),
        _ => own(),
    }
}

fn inner(place: &Place, id: &str) -> PathBuf {
    match place {
        Place::Default => PathBuf::from(id),
        Place::FromMount(path) | Place::FromRuntime(path) => path.clone(),
        // Without systemd its name for it is a name like any other, as in runc.
        Place::Unit { slice, prefix, name } => PathBuf::from(format!("{slice}:{prefix}:{name}")),
    }
}

/// A line of mountinfo(5).
struct Mounted<'a> {
    /// Which part of the file system is mounted.
    root: &'a str,
    place: Cow<'a, str>,
    /// Whether it is read-only here, as it is in most containers.
    readonly: bool,
    kind: &'a str,
    /// The options of the file system, its controllers among them.
    options: &'a str,
}

impl<'a> Mounted<'a> {
    fn parse(line: &'a str) -> Option<Mounted<'a>> {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let kind = right.next().filter(|kind| kind.starts_with("cgroup"))?;
        let options = right.nth(1)?;
        let mut left = left.split(' ').skip(3);
        let (root, place, here) = (left.next()?, left.next()?, left.next()?);
        let readonly = here.split(',').any(|option| option == "ro");
        // The kernel writes a space as \040; nobody mounts cgroups on stranger names.
        let place = match place.contains('\\') {
            true => place.replace("\\040", " ").into(),
            false => place.into(),
        };
        Some(Mounted { root, place, readonly, kind, options })
    }

    fn hierarchy(&self, controllers: &str, home: PathBuf, inner: PathBuf) -> Hierarchy {
        let mut found = Hierarchy::new(controllers, self.place.as_ref(), home, inner);
        found.readonly = self.readonly;
        found
    }

    fn options(&self) -> impl Iterator<Item = &str> {
        self.options.split(',')
    }

    /// A cgroup counted from what is mounted, which may be a part of the tree only. One outside of it,
    /// which `/..` at the beginning says, cannot be reached; then the mount's own root has to do.
    fn within(&self, own: &str) -> PathBuf {
        let own = Path::new(own);
        let inside = own.strip_prefix(self.root).or(own.strip_prefix("/")).unwrap_or(own);
        match inside.components().any(|part| part == Component::ParentDir) {
            true => PathBuf::new(),
            false => inside.to_path_buf(),
        }
    }
}

/// Who asks.
pub(super) struct User {
    uid: u32,
    gid: u32,
    /// Root of a user namespace may write what belongs to its own ids; only the first one may write
    /// all.
    pub(super) is_root_of_all: bool,
}

impl User {
    pub(super) fn here() -> User {
        let (uid, gid) = own_ids();
        let all = |map: String| map.split_whitespace().eq(["0", "0", "4294967295"]);
        let map = || read_small("/proc/self/uid_map".as_ref());
        User { uid, gid, is_root_of_all: uid == 0 && map().is_ok_and(all) }
    }

    fn may_make(&self, hierarchy: &Hierarchy) -> bool {
        let may_write = |path: CgroupFile| match fs::metadata(path.path()) {
            Ok(about) => Some(self.may_write(&about)),
            Err(_) => None,
        };
        let nearest = || hierarchy.above().find_map(may_write);
        !hierarchy.readonly && (self.is_root_of_all || nearest().unwrap_or(false))
    }

    /// By the owner and the permission bits, as the kernel will decide for all but root.
    fn may_write(&self, about: &fs::Metadata) -> bool {
        let mode = about.mode();
        about.uid() == self.uid && mode & 0o200 != 0
            || about.gid() == self.gid && mode & 0o020 != 0
            || mode & 0o002 != 0
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use bundle::Place;

    use super::Machine;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /pod /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory
36 31 0:32 / /mnt/memory\\040again rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    fn paths(mounts: &str, own: &str, place: &Place) -> Vec<String> {
        let machine = Machine { mounts: mounts.to_string(), own: own.to_string() };
        let found = machine.cgroups(place, "c1");
        let show = |(names, path): (&str, PathBuf)| format!("{names} {}", path.display());
        found.paths().map(show).collect()
    }

    #[test]
    fn v1_counts_from_the_runtimes_own_cgroup() {
        let own = "9:name=systemd:/user\n5:devices:/\n4:memory:/pod/a\n2:cpu,cpuacct:/\n0::/user\n";
        let expected = [
            "cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct/c1",
            "memory /sys/fs/cgroup/memory/a/c1",
            "name=systemd /sys/fs/cgroup/systemd/user/c1",
            " /sys/fs/cgroup/unified/user/c1",
        ];
        assert_eq!(paths(HYBRID, own, &Place::Default), expected);
        let relative = paths(HYBRID, own, &Place::FromRuntime("x/y".into()));
        assert_eq!(relative[1], "memory /sys/fs/cgroup/memory/a/x/y");
        let absolute = paths(HYBRID, own, &Place::FromMount("x/y".into()));
        assert_eq!(absolute[1], "memory /sys/fs/cgroup/memory/x/y");
        let unit = Place::Unit { slice: "s.slice".into(), prefix: "p".into(), name: "n".into() };
        assert_eq!(
            paths(HYBRID, own, &unit)[0],
            "cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct/s.slice:p:n"
        );
    }

    #[test]
    fn v2_counts_from_the_one_above() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let at = |own: &str, place: &Place| paths(mounts, own, place).concat();
        assert_eq!(at("0::/a/b\n", &Place::Default), " /sys/fs/cgroup/a/c1");
        assert_eq!(at("0::/\n", &Place::Default), " /sys/fs/cgroup/c1");
        assert_eq!(at("0::/../up\n", &Place::Default), " /sys/fs/cgroup/c1");
        assert_eq!(at("0::/a/b\n", &Place::FromRuntime("x".into())), " /sys/fs/cgroup/a/x");
        assert_eq!(at("0::/a/b\n", &Place::FromMount("x/y".into())), " /sys/fs/cgroup/x/y");
        assert_eq!(paths("", "0::/a\n", &Place::Default), [""; 0]);
    }
}
