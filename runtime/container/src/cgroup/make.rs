//! How are the cgroups made, and how does the container get into them?

use std::os::fd::OwnedFd;

use primitives::{
    CgroupFile, Errno, Error, Pid, Result, mkdir, open_path, own_ids, step, step_giving, write,
    write_pid,
};

use super::{Cgroups, Hierarchy, read};

impl Cgroups {
    /// Makes the directory that the container's first process can be born in: that of v2.
    ///
    /// # Errors
    /// What was made until then stays: [`Cgroups::remove`] removes it.
    pub fn make_birth_place(&self) -> Result<()> {
        let Some(unified) = &self.unified else { return Ok(()) };
        step("make the cgroup it is born in", || match self.is_v2() {
            true => make_v2(unified),
            false => make_one(unified, NOTHING),
        })
    }

    /// Makes the directories of v1, which a process enters by itself, each with what it needs before
    /// a process can be in it.
    ///
    /// # Errors
    /// What was made until then stays: [`Cgroups::remove`] removes it.
    pub fn make_those_to_enter(&self) -> Result<()> {
        if !self.has_some_to_enter() {
            return Ok(());
        }
        step("make the cgroups", || {
            self.hierarchies.iter().try_for_each(|hierarchy| match hierarchy.has("cpuset") {
                true => make_one(hierarchy, &give_processors),
                false => make_one(hierarchy, NOTHING),
            })
        })
    }

    /// Whether there are any that nobody can be born in.
    pub(crate) fn has_some_to_enter(&self) -> bool {
        !self.hierarchies.is_empty()
    }

    /// Opens the directory for `CLONE_INTO_CGROUP`.
    ///
    /// It serves on a hybrid machine, too: moving there later would wait for every processor to have
    /// been elsewhere once (an RCU grace period), 10 ms and more.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn birth_place(&self) -> Result<Option<OwnedFd>> {
        let Some(unified) = &self.unified else { return Ok(None) };
        step_giving("open the cgroup", || {
            open_path(&unified.directory(), "have the container born in it").map(Some)
        })
    }

    /// Moves this process into the directories of v1. In v2 it was born in its own.
    ///
    /// It moves itself, alone, and by `tasks`: that takes 40 microseconds each. Through `cgroup.procs`
    /// the kernel first makes sure that no process anywhere makes a thread meanwhile, which takes
    /// 10 milliseconds.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn enter(&self) -> Result<()> {
        if !self.has_some_to_enter() {
            return Ok(());
        }
        step("enter the cgroups", || {
            let why = "be held to its limits, with all that this process makes";
            let me = Pid::from_raw(0);
            self.hierarchies
                .iter()
                .try_for_each(|hierarchy| write_pid(&hierarchy.file("tasks"), me, why))
        })
    }
}

/// What a directory needs before anybody can be in it, or in one below it; told of it, of the one above,
/// and whether it is new.
type Prepare = dyn Fn(&CgroupFile, &CgroupFile, bool) -> Result<()>;

const NOTHING: &Prepare = &|_, _, _| Ok(());

/// From the top down, as far as there is something to make.
fn make_one(hierarchy: &Hierarchy, prepare: &Prepare) -> Result<()> {
    let mut levels: Vec<CgroupFile> = hierarchy.above().collect();
    levels.reverse();
    levels.push(hierarchy.directory());
    for (index, pair) in levels.windows(2).enumerate() {
        let [above, level] = pair else { continue };
        let is_last = index + 2 == levels.len();
        let is_new = (is_last || !level.path().is_dir()) && make_level(level)?;
        prepare(level, above, is_new)?;
    }
    Ok(())
}

/// Whether it was made. One that is there already is as good: somebody else may make the one above for
/// his own, and our own was found to be empty.
fn make_level(level: &CgroupFile) -> Result<bool> {
    match mkdir(level, 0o755, "have a cgroup for the container") {
        Err(Error::Request(refusal)) if !refusal.here && refusal.errno == Errno::EEXIST => {
            Ok(false)
        }
        other => other.map(|()| true),
    }
}

/// A new cpuset is empty, and nobody can be in one without a processor and memory.
fn give_processors(level: &CgroupFile, above: &CgroupFile, is_new: bool) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let is_empty = |text: String| text.trim().is_empty();
        if is_new || read(level.path(), file).is_some_and(is_empty) {
            let from = read(above.path(), file).unwrap_or_default();
            let why = "have what the cgroup above has, without which nobody can be in it";
            write(&level.join(file), from.trim(), why)?;
        }
    }
    Ok(())
}

fn make_v2(unified: &Hierarchy) -> Result<()> {
    // Only the machine's root may give to the cgroups that the runtime is in itself.
    if own_ids().0 == 0 {
        unified.outside().iter().try_for_each(hand_down)?;
    }
    make_one(unified, &|_, above, _| hand_down(above))
}

/// In v2 a directory has the controllers that the one above hands down. All that there are: engines
/// want to read what a container uses also where nothing limits it, and limits may come later.
///
/// That it cannot be done is no error yet, only for who asks for a limit: see
/// [`super::limits`], which finds out why.
fn hand_down(above: &CgroupFile) -> Result<()> {
    let controllers = read(above.path(), "cgroup.controllers").unwrap_or_default();
    let handed = read(above.path(), "cgroup.subtree_control").unwrap_or_default();
    let is_missing = |name: &&str| !handed.split_whitespace().any(|other| other == *name);
    let missing: Vec<String> =
        controllers.split_whitespace().filter(is_missing).map(|name| format!("+{name}")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let why = "hand the controllers down to the container's";
    match write(&above.join("cgroup.subtree_control"), &missing.join(" "), why) {
        Err(Error::Request(refusal)) if !refusal.here && is_rule(refusal.errno) => Ok(()),
        other => other,
    }
}

/// Processes in that cgroup itself, another user's cgroup, or a threaded one.
fn is_rule(errno: Errno) -> bool {
    matches!(errno, Errno::EBUSY | Errno::EACCES | Errno::EPERM | Errno::EOPNOTSUPP)
}
