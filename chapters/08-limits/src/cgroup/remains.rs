//! What must not stay behind, and how is it removed?
//!
//! Also by somebody who has only the paths: the keeper, when everybody else was killed.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use primitives::{CgroupFile, Pid, Signal, clean_up, read_small};

use super::{Group, Version};

/// How long the kernel may take to be done with processes that were killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Directories that must not stay, from the outside in.
#[derive(Clone, Debug)]
pub(crate) struct Remains {
    pub(super) version: Version,
    pub(super) directories: Vec<CgroupFile>,
}

impl Remains {
    /// A whole group, and everything below it.
    pub(crate) fn of(group: &Group) -> Remains {
        let mut directories: Vec<CgroupFile> =
            group.places.iter().map(|place| place.directory.clone()).collect();
        let mut next = 0;
        while let Some(directory) = directories.get(next).cloned() {
            directories.extend(children(&directory));
            next += 1;
        }
        Remains { version: group.version, directories }
    }

    // ANCHOR: clear
    /// Ends what is in them, and removes them from the inside out. It cannot be refused and works on
    /// when nobody watches any more.
    pub(crate) fn clear(&self) {
        self.end_everything();
        for directory in self.directories.iter().rev() {
            remove(directory);
        }
    }
    // ANCHOR_END: clear

    /// Whether a process is in one of them.
    pub(crate) fn is_populated(&self) -> bool {
        self.directories.iter().any(|directory| !pids_in(directory).is_empty())
    }

    /// Ends what is in them.
    pub(crate) fn end_everything(&self) {
        for directory in self.directories.iter().filter(|directory| directory.path().exists()) {
            self.end_all(directory);
        }
    }

    // ANCHOR: end_all
    /// v2 has a file for it, which no fork bomb outruns. v1 has not: whoever is listed is killed, until
    /// nobody is listed; stopped first where there is a freezer, so that none makes another meanwhile.
    fn end_all(&self, directory: &CgroupFile) {
        let deadline = Instant::now() + PATIENCE;
        let freezer = directory.join("freezer.state");
        let stops = self.version == Version::V1 && freezer.path().exists();
        while !pids_in(directory).is_empty() && Instant::now() < deadline {
            if self.version == Version::V2 {
                let kill = directory.join("cgroup.kill");
                if clean_up::write(&kill, "1", "end all that is in it at once").is_err() {
                    kill_each(directory);
                }
            } else if stops {
                let _ = clean_up::write(&freezer, "FROZEN", "let none of them make another");
                kill_each(directory);
                let _ = clean_up::write(&freezer, "THAWED", "let them die");
            } else {
                kill_each(directory);
            }
            let turn = Instant::now() + Duration::from_millis(100);
            while !pids_in(directory).is_empty() && Instant::now() < turn {
                sleep(Duration::from_millis(1));
            }
        }
    }
    // ANCHOR_END: end_all
}

fn kill_each(directory: &CgroupFile) {
    for pid in pids_in(directory) {
        let _ = clean_up::kill(pid, Signal::SIGKILL, "leave no process behind");
    }
}

fn remove(directory: &CgroupFile) {
    let deadline = Instant::now() + PATIENCE;
    while directory.path().exists() && Instant::now() < deadline {
        if clean_up::rmdir(directory, "leave no cgroup behind").is_ok() {
            return;
        }
        sleep(Duration::from_millis(5));
    }
}

/// The processes in a directory.
pub(super) fn pids_in(directory: &CgroupFile) -> Vec<Pid> {
    let text = read_small(directory.join("cgroup.procs").path()).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).map(Pid::from_raw).collect()
}

/// The cgroups right below one.
pub(crate) fn children(directory: &CgroupFile) -> Vec<CgroupFile> {
    let Ok(entries) = fs::read_dir(directory.path()) else { return Vec::new() };
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut names: Vec<_> =
        entries.flatten().filter(is_directory).map(|entry| entry.file_name()).collect();
    names.sort();
    names.iter().map(|name| directory.join(name)).collect()
}
