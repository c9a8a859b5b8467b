//! One cgroup: a directory in each hierarchy of v1 that it needs, or the one directory of v2.
//!
//! Making it is all or nothing. What was made is removed again when something later fails, by
//! [`Drop`]; and by somebody else when this process is killed, for whom [`Remains`] is.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use primitives::{CgroupFile, Error, Pid, Result, mkdir, open_path, read_small, rmdir, write};

use super::keys::{Setting, Write, writes};
use super::machine::may_write;
use super::remains::{Remains, children, pids_in};
use super::{Hierarchy, Machine, Version, explained};

const MOVING: &str = "EACCES in v2: a process moves only where its user may write to both cgroups and to \
    the one above them";

/// A cgroup by its name, in the hierarchies that were asked for.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) version: Version,
    pub(crate) name: PathBuf,
    pub(crate) places: Vec<Place>,
    /// What dropping it removes.
    made: Remains,
}

/// Its directory in one hierarchy.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) hierarchy: Hierarchy,
    pub(crate) directory: CgroupFile,
    /// Which controllers it must have there.
    controllers: Vec<String>,
}

impl Place {
    /// What one of its files holds.
    pub(crate) fn read(&self, file: &str) -> Option<String> {
        read_small(self.directory.join(file).path()).ok()
    }
}

/// A name as it is typed: a path below our own cgroup, that cannot lead out of it.
pub(crate) fn name(text: &str) -> std::result::Result<PathBuf, String> {
    let path = Path::new(text.trim_matches('/'));
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if path.as_os_str().is_empty() || !plain || text.contains(['\n', ':', ' ']) {
        return Err(format!(
            "{text:?} cannot be the name of a cgroup: write one as in box, or a/b"
        ));
    }
    Ok(path.to_path_buf())
}

impl Group {
    /// The cgroup of this name with these controllers; nothing is made yet.
    pub(crate) fn with(machine: &Machine, name: &Path, controllers: &[&str]) -> Result<Group> {
        let hierarchies = machine.with(controllers)?;
        let place = |hierarchy: Hierarchy| {
            let own = |name: &&str| hierarchy.controllers.iter().any(|other| other == name);
            let controllers = controllers.iter().copied().filter(own).map(str::to_string).collect();
            Place { directory: hierarchy.at(name), hierarchy, controllers }
        };
        let places = hierarchies.into_iter().map(place).collect();
        let made = Remains { version: machine.version, directories: Vec::new() };
        Ok(Group { version: machine.version, name: name.to_path_buf(), places, made })
    }

    /// The cgroup of this name, wherever it is.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn existing(machine: &Machine, name: &Path) -> Result<Group> {
        let there = |place: &Place| place.directory.path().is_dir();
        let places = machine.hierarchies.iter().map(|hierarchy| Place {
            directory: hierarchy.at(name),
            hierarchy: hierarchy.clone(),
            controllers: Vec::new(),
        });
        let places: Vec<Place> = places.filter(there).collect();
        if places.is_empty() {
            let root = machine.hierarchies[0].at("");
            return Err(Error::Unusable(format!(
                "there is no cgroup {} below {}: chapter8 create makes one",
                name.display(),
                root.path().display()
            )));
        }
        let made = Remains { version: machine.version, directories: Vec::new() };
        Ok(Group { version: machine.version, name: name.to_path_buf(), places, made })
    }

    /// As [`Group::existing`], to change it.
    ///
    /// # Errors
    /// Also when it belongs to somebody else.
    pub(crate) fn own(machine: &Machine, name: &Path) -> Result<Group> {
        let group = Group::existing(machine, name)?;
        let closed = group.places.iter().find(|place| !may_write(place.directory.path()));
        match closed {
            None => Ok(group),
            Some(place) => {
                let what = "change nothing of this cgroup in";
                Err(Error::Unusable(machine.closed(&place.hierarchy, what)))
            }
        }
    }

    /// The hierarchies that it is in.
    pub(crate) fn hierarchies(&self) -> Vec<Hierarchy> {
        self.places.iter().map(|place| place.hierarchy.clone()).collect()
    }

    /// What making it will make: for whoever has to clean up should this process be killed.
    pub(crate) fn remains(&self) -> Remains {
        let mut directories = Vec::new();
        for place in &self.places {
            let missing = |path: &CgroupFile| !path.path().exists();
            directories.extend(levels(place, &self.name).into_iter().filter(missing));
        }
        Remains { version: self.version, directories }
    }

    /// Whether it is there already, and what is in it.
    pub(crate) fn refuse_if_there(&self) -> Result<()> {
        let Some(place) = self.places.iter().find(|place| place.directory.path().exists()) else {
            return Ok(());
        };
        let name = self.name.display();
        let inside = pids(place);
        Err(Error::Unusable(match inside.len() {
            0 => format!(
                "the cgroup {name} is there already, with no process in it: an earlier run was killed \
                 together with its keeper, or you made it; remove it: chapter8 delete {name}"
            ),
            some => format!(
                "the cgroup {name} is there already, with {some} processes in it ({}): take another name",
                listed(&inside)
            ),
        }))
    }

    // ANCHOR: make
    /// Makes its directories, from the top down. In v2 each cgroup on the way first hands the
    /// controllers down to its children: what is not in `cgroup.subtree_control` above is not there
    /// below.
    pub(crate) fn make(&mut self) -> Result<()> {
        for place in self.places.clone() {
            let mut above = place.hierarchy.at("");
            for level in levels(&place, &self.name) {
                if self.version == Version::V2 {
                    hand_down(&above, &place.controllers)?;
                }
                if !level.path().exists() {
                    mkdir(&level, 0o755, "have a cgroup to put limits on")?;
                    self.made.directories.push(level.clone());
                }
                above = level;
            }
        }
        Ok(())
    }
    // ANCHOR_END: make

    /// From now on it stays when this value goes.
    pub(crate) fn keep(mut self) {
        self.made.directories.clear();
    }

    /// What has to be written for these settings.
    ///
    /// # Errors
    /// Names the setting that cannot be, and what is near it.
    pub(crate) fn plan(&self, settings: &[Setting]) -> Result<Vec<Write>> {
        let now = |file: &str| self.place_of(file).and_then(|place| place.read(file));
        writes(self.version, settings, &now).map_err(Error::Unusable)
    }

    // ANCHOR: set
    /// Writes limits: one file each.
    pub(crate) fn set(&self, writes: &[Write]) -> Result<()> {
        for limit in writes {
            let place = self.place_of(&limit.file).ok_or_else(|| self.no_place(&limit.file))?;
            write(&place.directory.join(&limit.file), &limit.text, limit.why)?;
        }
        Ok(())
    }
    // ANCHOR_END: set

    fn no_place(&self, file: &str) -> Error {
        let controller = file.split('.').next().unwrap_or_default();
        Error::Unusable(format!(
            "{file}: the cgroup {} was made without the controller {controller:?}",
            self.name.display()
        ))
    }

    /// The directory that has a file, by the controller in the file's name.
    pub(crate) fn place_of(&self, file: &str) -> Option<&Place> {
        let controller = file.split('.').next().unwrap_or_default();
        let has = |place: &&Place| place.hierarchy.controllers.iter().any(|own| own == controller);
        match self.version {
            Version::V2 => self.places.first(),
            Version::V1 => self.places.iter().find(has),
        }
    }

    // ANCHOR: enter
    /// Moves this process in, in each hierarchy; what it makes from then on is born there.
    ///
    /// 0 is whoever writes. In v1 into `tasks` and not `cgroup.procs`: for one thread that moves itself
    /// the kernel needs not stop the births of all threads on the machine, for which it waits some 12 ms
    /// (`cgroup_procs_write_start` in kernel/cgroup/cgroup.c). A process of ours has one thread.
    pub(crate) fn enter(&self) -> Result<()> {
        let file = match self.version {
            Version::V1 => "tasks",
            Version::V2 => "cgroup.procs",
        };
        for place in &self.places {
            write(&place.directory.join(file), "0", "have the limits hold for this process")
                .map_err(|error| explained(error, MOVING))?;
        }
        Ok(())
    }
    // ANCHOR_END: enter

    /// A descriptor of its directory, for a process to be born in it (v2).
    pub(crate) fn open(&self) -> Result<OwnedFd> {
        open_path(&self.places[0].directory, "name it to clone3")
    }

    /// The processes in it, by the numbers that they have here.
    pub(crate) fn pids(&self) -> Vec<Pid> {
        let mut all: Vec<Pid> = self.places.iter().flat_map(pids).collect();
        all.sort_unstable_by_key(|pid| pid.as_raw());
        all.dedup();
        all
    }

    /// Removes its directories. The kernel lets nobody remove a cgroup that has processes or children.
    pub(crate) fn remove(&mut self) -> Result<()> {
        for place in self.places.iter().rev() {
            until_empty(place);
            rmdir(&place.directory, "leave no cgroup behind")
                .map_err(|error| explained(error, &self.why_busy(place)))?;
        }
        let gone = |directory: &CgroupFile| directory.path().exists();
        self.made.directories.retain(gone);
        Ok(())
    }

    fn why_busy(&self, place: &Place) -> String {
        let name = self.name.display();
        match (pids(place), children(&place.directory).len()) {
            (pids, _) if !pids.is_empty() => format!(
                "There are processes in it ({}): end them first, or: chapter8 delete --kill {name}",
                listed(&pids)
            ),
            (_, 0) => "Is it the cgroup of somebody else?".to_string(),
            (_, some) => format!("It has {some} cgroups below it: chapter8 delete -r {name}"),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.made.clear();
    }
}

/// The directories of a path, from the top down, in one hierarchy.
fn levels(place: &Place, name: &Path) -> Vec<CgroupFile> {
    let mut paths: Vec<&Path> = name.ancestors().filter(|path| path.parent().is_some()).collect();
    paths.reverse();
    paths.into_iter().map(|path| place.hierarchy.at(path)).collect()
}

// ANCHOR: hand_down
/// Lets the children of a cgroup have controllers. Never taken back: another container beside ours may
/// live by them.
fn hand_down(above: &CgroupFile, controllers: &[String]) -> Result<()> {
    let file = above.join("cgroup.subtree_control");
    let now = read_small(file.path()).unwrap_or_default();
    let missing: Vec<String> = controllers
        .iter()
        .filter(|name| !now.split_whitespace().any(|own| own == name.as_str()))
        .map(|name| format!("+{name}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    write(&file, &missing.join(" "), "let the cgroups below have these controllers").map_err(|error| {
        explained(
            error,
            "EBUSY: a cgroup of v2 that hands controllers down holds no process itself, only the root \
             may: move them into a child first. EACCES: it belongs to somebody else",
        )
    })
}
// ANCHOR_END: hand_down

/// The processes in one directory.
pub(crate) fn pids(place: &Place) -> Vec<Pid> {
    pids_in(&place.directory)
}

fn listed(pids: &[Pid]) -> String {
    let first: Vec<String> = pids.iter().take(5).map(|pid| format!("pid {pid}")).collect();
    let more = if pids.len() > first.len() { ", …" } else { "" };
    format!("{}{more}", first.join(", "))
}

/// A process that has just ended may be counted for a moment longer.
fn until_empty(place: &Place) {
    const MOMENT: Duration = Duration::from_millis(200);
    let deadline = Instant::now() + MOMENT;
    while !pids(place).is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::name;

    #[test]
    fn a_name_cannot_lead_out() {
        assert_eq!(name("box").unwrap(), Path::new("box"));
        // cgroups-rs takes the leading slash for the root of the file system.
        assert_eq!(name("/a/b/").unwrap(), Path::new("a/b"));
        for wrong in ["", "/", "..", "a/../..", "a\nb", "./a", "cpu:box"] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }
}
