//! What is remembered of a container from one command to the next, and where?
//!
//! Each container has a folder: `config.json` as it was when the container was made, `state.json`, the
//! `lock` of whoever is making it, and the `door` that its process waits behind. The state is written
//! before anything is done, with all that will have to be cleaned up, and only ever replaced as a whole.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use bundle::Plan;
use primitives::{
    Errno, Error, Pid, Result, clean_up, create, create_durably, is_locked, lock_file, locked_by,
    mkdir, open_path, rename, started_and_ended,
};
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroups;

const CONFIG: &str = "config.json";
const STATE: &str = "state.json";
const LOCK: &str = "lock";
/// The name under which somebody can knock, and the one before everything is ready.
const DOOR: &str = "door";
const DOOR_BEFORE: &str = "door.new";

/// The name of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id(String);

impl Id {
    /// Takes what runc takes: letters, digits, `_`, `+`, `-` and `.`, and so never a path.
    ///
    /// # Errors
    /// The name is empty, too long for a file name, or has other characters in it.
    pub fn new(text: &str) -> Result<Id> {
        const LONGEST: usize = 255;
        if text.is_empty() {
            return Err(Error::Unusable("container id cannot be empty".to_string()));
        }
        let letter = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
        if !text.chars().all(letter) || matches!(text, "." | "..") || text.len() > LONGEST {
            let right = "letters, digits, and _ + - . among them, at most 255";
            return Err(Error::Unusable(format!("invalid container id {text:?}: {right}")));
        }
        Ok(Id(text.to_string()))
    }

    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A process, known for certain: a number is given to another process one day, but not together with
/// the time at which the process was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its number in the pid namespace of the runtime.
    pub pid: i32,
    /// When it was made, in clock ticks since the machine was.
    pub started: u64,
}

impl Known {
    /// The process of this number as it is now.
    pub(crate) fn of(pid: Pid) -> Option<Known> {
        let (started, _) = started_and_ended(pid)?;
        Some(Known { pid: pid.as_raw(), started })
    }

    /// Whether it is there and has not ended.
    pub fn lives(&self) -> bool {
        matches!(started_and_ended(self.pid()), Some((started, false)) if started == self.started)
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.pid)
    }
}

/// What is written into `state.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remembered {
    /// The container's name.
    pub id: Id,
    /// The directory it was made from; absolute.
    pub bundle: PathBuf,
    /// Its root directory on the host; absolute.
    pub rootfs: PathBuf,
    /// When it was made, in the words of RFC 3339.
    pub created: String,
    /// Who has made it, a number.
    pub owner: u32,
    /// Its first process; none before there is one.
    pub init: Option<Known>,
    /// Whether criu has made its processes, which then have run no execve.
    #[serde(default)]
    pub restored: bool,
    /// Its cgroups.
    pub cgroups: Cgroups,
    /// Its share of the processor's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resctrl: Option<crate::resctrl::Group>,
    /// Whether starting or deleting it takes more than can be read here, and so the configuration:
    /// hooks to run, or somebody to be asked about system calls.
    pub more_to_come: bool,
    /// What engines write for themselves.
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// The directory that all containers' folders lie in.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store in this directory, which is made when it is needed.
    pub fn at(root: &Path) -> Store {
        Store { root: root.to_path_buf() }
    }

    /// A folder for a new container, locked by this process.
    ///
    /// # Errors
    /// There is a container of that name, or the folder cannot be made.
    pub(crate) fn begin(&self, id: &Id) -> Result<Folder> {
        let path = self.root.join(id.as_str());
        let why = "remember what must be cleaned up";
        match mkdir(path.as_path(), 0o700, why) {
            Err(Error::Request(refusal)) if !refusal.here => match refusal.errno {
                Errno::ENOENT => {
                    self.make_root()?;
                    mkdir(path.as_path(), 0o700, why)?;
                }
                Errno::EEXIST => {
                    let text = "container with given ID already exists";
                    return Err(Error::Unusable(text.to_string()));
                }
                _ => return Err(Error::Request(refusal)),
            },
            other => other?,
        }
        let mut folder = Folder { path, lock: None };
        match folder.lock() {
            Ok(()) => Ok(folder),
            Err(error) => {
                folder.remove()?;
                Err(error)
            }
        }
    }

    fn make_root(&self) -> Result<()> {
        let missing: Vec<&Path> = self.root.ancestors().take_while(|path| !path.exists()).collect();
        missing.into_iter().rev().try_for_each(make_or_find)
    }

    /// The container of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, id: &Id) -> Result<Container> {
        let folder = Folder { path: self.root.join(id.as_str()), lock: None };
        match folder.remembered() {
            Ok(remembered) => Ok(Container { folder, remembered }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(missing()),
            Err(error) => Err(Error::Unusable(format!("container {id}: {STATE}: {error}"))),
        }
    }

    /// The folder of a container, whatever is in it.
    pub(crate) fn folder(&self, id: &Id) -> Result<Folder> {
        let path = self.root.join(id.as_str());
        match path.is_dir() {
            true => Ok(Folder { path, lock: None }),
            false => Err(missing()),
        }
    }

    /// All containers, by name. What cannot be read is left out.
    pub fn all(&self) -> Vec<Container> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| Id::new(entry.file_name().to_str()?).ok());
        let mut ids: Vec<Id> = ids.collect();
        ids.sort();
        ids.iter().filter_map(|id| self.find(id).ok()).collect()
    }
}

/// Another command may be faster: after a boot engines start many containers at once.
fn make_or_find(path: &Path) -> Result<()> {
    match mkdir(path, 0o711, "have a place for the folders of containers") {
        Err(Error::Request(refusal)) if !refusal.here && refusal.errno == Errno::EEXIST => Ok(()),
        other => other,
    }
}

/// In runc's words, which engines look for.
fn missing() -> Error {
    Error::Unusable("container does not exist".to_string())
}

/// The folder of one container.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Held by whoever makes or removes the container; it goes with the process.
    lock: Option<OwnedFd>,
}

impl Folder {
    /// Locks the folder against everybody else who makes or removes this container.
    pub(crate) fn lock(&mut self) -> Result<()> {
        let lock = lock_file(&self.path.join(LOCK), "keep others from the same container");
        match lock {
            Err(error) if error.errno().is_some_and(is_locked) => Err(match self.locked_by() {
                Some(who) => {
                    Error::Unusable(format!("the container is being worked on by process {who}"))
                }
                None => error,
            }),
            lock => {
                self.lock = Some(lock?);
                Ok(())
            }
        }
    }

    /// As [`Folder::lock`], for who has made the container and is done with it.
    pub(crate) fn lock_to_clean_up(&mut self) -> Result<()> {
        let why = "keep others from what is being removed";
        self.lock = Some(clean_up::lock_file(&self.path.join(LOCK), why)?);
        Ok(())
    }

    /// Who has the lock; not to be asked by who has it, as [`locked_by`] says.
    pub(crate) fn locked_by(&self) -> Option<Pid> {
        locked_by(&self.path.join(LOCK))
    }

    /// Keeps the configuration as it is now: the bundle may be changed later.
    pub(crate) fn keep_config(&self, config: &[u8]) -> Result<()> {
        create_durably(
            &self.path.join(CONFIG),
            config,
            0o600,
            "know it when the bundle has changed",
        )
    }

    /// The configuration that was kept.
    pub(crate) fn config(&self) -> std::io::Result<Vec<u8>> {
        fs::read(self.path.join(CONFIG))
    }

    /// Writes the state; whoever reads it finds the old one or the new one.
    pub(crate) fn remember(&self, remembered: &Remembered) -> Result<()> {
        let text = serde_json::to_vec(remembered)
            .map_err(|error| Error::Unusable(format!("{STATE}: {error}")))?;
        let new = self.path.join("state.json.new");
        create_durably(&new, &text, 0o600, "have the new state on the disk, whole")?;
        rename(&new, &self.path.join(STATE), "replace the old state in one moment")
    }

    pub(crate) fn remembered(&self) -> std::io::Result<Remembered> {
        let text = fs::read(self.path.join(STATE))?;
        serde_json::from_slice(&text).map_err(std::io::Error::other)
    }

    /// The directory itself, for the door.
    pub(crate) fn open(&self) -> Result<OwnedFd> {
        open_path(&self.path, "reach the door by a path that is short enough")
    }

    /// The name of the door while the container is being made.
    pub(crate) fn door_before(&self) -> &'static str {
        DOOR_BEFORE
    }

    /// The name of the door that can be knocked at.
    pub(crate) fn door(&self) -> &'static str {
        DOOR
    }

    /// From now on the container is there, and can be started where there is somebody behind a door.
    pub(crate) fn show_door(&self, door: bool) -> Result<()> {
        let why = "say, in one moment, that all is ready";
        match door {
            true => rename(&self.path.join(DOOR_BEFORE), &self.path.join(DOOR), why),
            false => create(&self.path.join(DOOR), b"", 0o600, why),
        }
    }

    /// Lets others work on the container.
    pub(crate) fn unlock(&mut self) {
        self.lock = None;
    }

    /// Whether the container was made to the end.
    pub(crate) fn is_ready(&self) -> bool {
        self.path.join(DOOR).exists()
    }

    /// Whether anything was written down about the container.
    pub(crate) fn has_state(&self) -> bool {
        self.path.join(STATE).symlink_metadata().is_ok()
    }

    /// Whether it has not been removed.
    pub(crate) fn is_there(&self) -> bool {
        self.path.is_dir()
    }

    /// Whether somebody else is making it, or taking it away.
    pub(crate) fn is_being_made(&self) -> bool {
        self.locked_by().is_some()
    }

    /// Forgets the container: the state goes last but for the lock, so that a process that is killed
    /// here leaves something that can be deleted again.
    pub(crate) fn remove(&self) -> Result<()> {
        for name in [DOOR, DOOR_BEFORE, CONFIG, "state.json.new", STATE, LOCK] {
            let path = self.path.join(name);
            if path.symlink_metadata().is_ok() {
                clean_up::unlink(&path, "forget the container")?;
            }
        }
        clean_up::rmdir(self.path.as_path(), "give its name free")
    }
}

/// A container that is remembered.
#[derive(Debug)]
pub struct Container {
    pub(crate) folder: Folder,
    /// What is remembered of it.
    pub remembered: Remembered,
}

impl Container {
    /// The configuration that was kept, as it is written.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn config(&self) -> Result<Vec<u8>> {
        let id = &self.remembered.id;
        let unusable = |error| Error::Unusable(format!("container {id}: {CONFIG}: {error}"));
        self.folder.config().map_err(unusable)
    }

    /// What was asked for when it was made.
    ///
    /// # Errors
    /// The configuration that was kept cannot be read.
    pub fn plan(&self) -> Result<Plan> {
        let unusable = |error: &dyn std::fmt::Display| {
            Error::Unusable(format!("container {}: {CONFIG}: {error}", self.remembered.id))
        };
        let text = self.folder.config().map_err(|error| unusable(&error))?;
        let reading = bundle::read(&text, &self.remembered.bundle);
        reading.map(|reading| reading.plan).map_err(|complaints| unusable(&complaints))
    }
}

#[cfg(test)]
mod tests {
    use super::make_or_find;

    #[test]
    fn whoever_was_faster_has_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("run");
        make_or_find(&root).unwrap();
        make_or_find(&root).unwrap();
        assert!(make_or_find(&folder.path().join("not/there")).is_err());
    }
}
