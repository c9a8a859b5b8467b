//! How much of the processor's cache and of the way to memory does a container get?
//!
//! config-linux.md, "IntelRdt". The kernel has a file system for it, *resctrl*: each directory is a class
//! of service, with the rules in `schemata` and the processes in `tasks`; and in `mon_groups` of a class
//! are groups that are only measured. Where it is mounted, the table of mounts says.

use std::fs;
use std::path::{Path, PathBuf};

use bundle::{IntelRdt, Plan};
use primitives::{Error, Pid, Result, clean_up, mkdir, read_small, step, step_giving, write};
use serde::{Deserialize, Serialize};

use crate::store::Container;

/// The class of a container, and what of it was made for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The directory of its class.
    class: PathBuf,
    /// Whether that is made for the container, and goes with it.
    is_own: bool,
    /// The directory in which it is measured.
    measured: Option<PathBuf>,
}

/// Where the class of a container will be; none when it wants none. Nothing is made yet.
///
/// # Errors
/// This machine has no such thing; or a class is named that must be there, and is not or is another one.
pub(crate) fn find(plan: &Plan, id: &str) -> Result<Option<Group>> {
    let Some(wanted) = &plan.intel_rdt else { return Ok(None) };
    let table = read_small(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    let known = read_small(Path::new("/proc/filesystems")).unwrap_or_default();
    let root = mount_point(&table).ok_or_else(|| missing(&known))?;
    find_in(&root, wanted, id).map(Some)
}

fn mount_point(table: &str) -> Option<PathBuf> {
    let is_resctrl =
        |line: &&str| line.split_once(" - ").is_some_and(|(_, rest)| rest.starts_with("resctrl "));
    table.lines().find(is_resctrl)?.split(' ').nth(4).map(PathBuf::from)
}

fn missing(file_systems: &str) -> Error {
    let has_it = file_systems.lines().any(|line| line.ends_with("\tresctrl"));
    Error::Unusable(format!(
        "linux.intelRdt: {}",
        match has_it {
            true => "resctrl is not mounted: mount -t resctrl resctrl /sys/fs/resctrl",
            false => "this kernel, or this processor, has no resctrl",
        }
    ))
}

fn find_in(root: &Path, wanted: &IntelRdt, id: &str) -> Result<Group> {
    let class = root.join(wanted.class.as_deref().unwrap_or(id));
    let is_there = class.is_dir();
    if let Some(name) = &wanted.class {
        if !is_there && wanted.schemata.is_empty() {
            return Err(Error::Unusable(format!(
                "linux.intelRdt.closID: there is no class {name:?} in {}, and no schema to make one by",
                root.display()
            )));
        }
        if is_there {
            compare(&class, &wanted.schemata)?;
        }
    }
    let measured = wanted.monitoring.then(|| class.join("mon_groups").join(id));
    Ok(Group { class, is_own: !is_there, measured })
}

/// A class that is there already must be the one that is meant.
fn compare(class: &Path, wanted: &[String]) -> Result<()> {
    let file = class.join("schemata");
    let text = fs::read_to_string(&file)
        .map_err(|error| Error::Unusable(format!("{}: {error}", file.display())))?;
    let other = wanted.iter().find(|line| !text.lines().any(|there| says(there, line)));
    match other {
        None => Ok(()),
        Some(line) => Err(Error::Unusable(format!(
            "linux.intelRdt: the class {} is there already, and is not {line:?}",
            class.display()
        ))),
    }
}

/// Whether a line of the kernel's says what a wanted one does: of the same kind, for each cache that is
/// named, and whatever zeros stand before a number.
fn says(there: &str, wanted: &str) -> bool {
    let parts = |line: &str| -> Option<(String, Vec<(String, String)>)> {
        let (kind, rest) = line.trim().split_once(':')?;
        let each = rest.split(';').filter(|part| !part.trim().is_empty());
        let values = each.map(|part| {
            let (cache, value) = part.split_once('=')?;
            let value = value.trim().trim_start_matches('0').to_ascii_lowercase();
            Some((cache.trim().to_string(), value))
        });
        Some((kind.trim().to_string(), values.collect::<Option<_>>()?))
    };
    let (Some((kind, has)), Some((wanted, values))) = (parts(there), parts(wanted)) else {
        return false;
    };
    kind == wanted && values.iter().all(|value| has.contains(value))
}

impl Group {
    /// Makes what is missing.
    ///
    /// # Errors
    /// The processor has no room for another class, or does not take a line.
    pub(crate) fn make(&self, plan: &Plan) -> Result<()> {
        let Some(wanted) = &plan.intel_rdt else { return Ok(()) };
        step_giving("share the cache out", || {
            if self.is_own {
                mkdir(&self.class, 0o755, "have a class of service for the container")?;
                self.set(&wanted.schemata)?;
            }
            match &self.measured {
                Some(group) => mkdir(group, 0o755, "have it measured by itself"),
                None => Ok(()),
            }
        })
    }

    /// One line is one write: the kernel takes as many as there are, and says of which it was.
    fn set(&self, lines: &[String]) -> Result<()> {
        let why = "say how much of the cache, and of the way to memory, it gets";
        lines
            .iter()
            .try_for_each(|line| write(&self.class.join("schemata"), &format!("{line}\n"), why))
    }

    /// Has other rules from now on.
    ///
    /// # Errors
    /// The processor does not take a line.
    pub(crate) fn change(&self, lines: &[String]) -> Result<()> {
        step("share the cache out anew", || self.set(lines))
    }

    /// Takes a process in; what it makes is in it too.
    ///
    /// # Errors
    /// The process has ended.
    pub(crate) fn take(&self, pid: Pid) -> Result<()> {
        step_giving("give it its share of the cache", || {
            let why = "have it use no more of the cache than its share";
            write(&self.class.join("tasks"), &pid.to_string(), why)?;
            match &self.measured {
                Some(group) => write(&group.join("tasks"), &pid.to_string(), "have it measured"),
                None => Ok(()),
            }
        })
    }

    /// Removes what was made for the container; what is gone already is fine.
    ///
    /// # Errors
    /// Something stays.
    pub(crate) fn remove(&self) -> Result<()> {
        let own = self.is_own.then_some(&self.class);
        let left: Vec<&PathBuf> =
            self.measured.iter().chain(own).filter(|directory| directory.is_dir()).collect();
        if left.is_empty() {
            return Ok(());
        }
        step_giving("give the share of the cache back", || {
            let why = "leave no class of service behind: there are few";
            left.into_iter().try_for_each(|directory| clean_up::rmdir(directory, why))
        })
    }
}

impl Container {
    /// Gives a container that runs another share of the cache, or a first one.
    ///
    /// # Errors
    /// This machine has no such thing, or does not take a line.
    pub fn share_cache(&self, plan: &Plan) -> Result<()> {
        let lines = plan.intel_rdt.as_ref().map(|wanted| wanted.schemata.as_slice());
        if let Some(group) = &self.remembered.resctrl {
            return group.change(lines.unwrap_or_default());
        }
        let mut remembered = self.remembered.clone();
        remembered.resctrl = find(plan, remembered.id.as_str())?;
        step_giving("write down what will be there", || self.folder.remember(&remembered))?;
        let Some(group) = &remembered.resctrl else { return Ok(()) };
        group.make(plan)?;
        remembered.cgroups.processes().into_iter().try_for_each(|pid| group.take(pid))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use bundle::IntelRdt;
    use primitives::{Pid, create, mkdir};

    use super::{Group, find_in, missing, mount_point, says};

    /// A directory that stands in for resctrl, with a class in it.
    fn stand_in() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        mkdir(&root.path().join("gold"), 0o755, "have a class").unwrap();
        let schemata = root.path().join("gold/schemata");
        create(&schemata, b"    MB:0=100\n    L3:0=00ff;1=ffff\n", 0o644, "have its rules")
            .unwrap();
        root
    }

    fn wanted(class: Option<&str>, schemata: &[&str]) -> IntelRdt {
        let schemata = schemata.iter().map(|line| (*line).to_string()).collect();
        IntelRdt { class: class.map(str::to_string), schemata, monitoring: false }
    }

    #[test]
    fn it_is_found_by_the_table_of_mounts() {
        let table = "30 1 0:27 / /sys/fs/resctrl rw - resctrl resctrl rw\n";
        assert_eq!(mount_point(table).unwrap(), Path::new("/sys/fs/resctrl"));
        assert_eq!(mount_point("30 1 0:27 / /resctrl rw - tmpfs resctrl rw\n"), None);
        assert!(missing("nodev\tresctrl\n").to_string().contains("mount -t resctrl"));
        assert!(missing("nodev\ttmpfs\n").to_string().contains("no resctrl"));
    }

    #[test]
    fn a_class_that_is_named_without_rules_must_be_there() {
        let root = stand_in();
        let found = find_in(root.path(), &wanted(Some("gold"), &[]), "c1").unwrap();
        assert_eq!(found, Group { class: root.path().join("gold"), is_own: false, measured: None });
        let error = find_in(root.path(), &wanted(Some("silver"), &[]), "c1").unwrap_err();
        assert!(error.to_string().contains("silver"), "{error}");
    }

    #[test]
    fn a_class_that_is_there_must_be_the_one_that_is_meant() {
        let root = stand_in();
        find_in(root.path(), &wanted(Some("gold"), &["L3:0=ff", "MB:0=100"]), "c1").unwrap();
        let error = find_in(root.path(), &wanted(Some("gold"), &["L3:0=f"]), "c1").unwrap_err();
        assert!(error.to_string().contains("L3:0=f"), "{error}");
    }

    #[test]
    fn without_a_name_it_is_the_containers_own() {
        let root = stand_in();
        let mut wanted = wanted(None, &["L3:0=ff"]);
        wanted.monitoring = true;
        let found = find_in(root.path(), &wanted, "c1").unwrap();
        assert!(found.is_own);
        assert_eq!(found.measured.unwrap(), root.path().join("c1/mon_groups/c1"));
        let named = find_in(root.path(), &super::tests::wanted(Some("new"), &["L3:0=f"]), "c1");
        assert!(named.unwrap().is_own);
    }

    #[test]
    fn a_process_is_written_to_its_class_and_what_is_gone_is_fine() {
        let root = stand_in();
        create(&root.path().join("gold/tasks"), b"", 0o644, "have a list").unwrap();
        let group = find_in(root.path(), &wanted(Some("gold"), &[]), "c1").unwrap();
        group.take(Pid::from_raw(77)).unwrap();
        assert_eq!(fs::read_to_string(root.path().join("gold/tasks")).unwrap(), "77");
        group.remove().unwrap();
        assert!(root.path().join("gold").is_dir(), "a class of somebody else stays");
        let own = Group { class: root.path().join("c1"), is_own: true, measured: None };
        own.remove().unwrap();
        mkdir(&own.class, 0o755, "have one").unwrap();
        own.remove().unwrap();
        assert!(!own.class.exists());
    }

    #[test]
    fn lines_say_the_same_with_zeros_and_spaces() {
        assert!(says("  L3:0=00ff;1=ffff", "L3:0=ff"));
        assert!(says("L3:0=00FF;1=ffff", "L3:1=ffff;0=ff"));
        assert!(!says("L3:0=00ff", "L3:0=ff;1=ff"));
        assert!(!says("MB:0=100", "L3:0=100"));
        assert!(!says("rubbish", "L3:0=1"));
    }
}
