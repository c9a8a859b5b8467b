//! What must be remembered of a container from one command to the next?
//!
//! Less than one thinks. Its name, its configuration, and which process it is: nothing else is written
//! down, because everything else can be asked. The directory is written before anything is made, and a
//! file in it is only ever replaced as a whole, so that a command may be killed at any moment.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::str::FromStr;

use primitives::{
    Errno, Error, Pid, Result, clean_up, create_durably, getpid, mkdir, open_path, own_ids, rename,
    started_and_ended,
};
use serde::{Deserialize, Serialize};

use crate::unusable;

const CONFIG: &str = "config.json";
const STATE: &str = "state.json";
const NEW_STATE: &str = "state.json.new";
/// What `start` knocks at, and its name until there is somebody behind it.
pub(crate) const DOOR: &str = "door";
pub(crate) const DOOR_BEFORE: &str = "door.new";

/// The name of a container: a file name, and never a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Id(String);

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Id, String> {
        let letter = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
        let dots = matches!(text, "." | "..");
        match !text.is_empty() && text.len() < 256 && !dots && text.chars().all(letter) {
            true => Ok(Id(text.to_string())),
            false => Err("letters, digits, and _ + - . among them".to_string()),
        }
    }
}

impl Display for Id {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// ANCHOR: known
/// A process, for certain. The kernel gives a number to another process one day, but never with the
/// same time at which the process was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) pid: i32,
    /// In clock ticks since the machine was started.
    started: u64,
}

impl Known {
    /// The process of this number as it is now.
    pub(crate) fn of(pid: Pid) -> Option<Known> {
        let (started, _) = started_and_ended(pid)?;
        Some(Known { pid: pid.as_raw(), started })
    }

    /// Whether it is there and has not ended.
    pub(crate) fn lives(&self) -> bool {
        matches!(started_and_ended(self.pid()), Some((started, false)) if started == self.started)
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.pid)
    }
}
// ANCHOR_END: known

// ANCHOR: remembered
/// What `state.json` says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    pub(crate) id: Id,
    /// The directory that it was made from.
    pub(crate) bundle: PathBuf,
    /// Which command makes it.
    pub(crate) maker: Option<Known>,
    /// Its first process; none before there is one.
    pub(crate) init: Option<Known>,
}
// ANCHOR_END: remembered

/// The directory in which all containers are remembered.
pub(crate) struct Store(PathBuf);

/// Where that is when nobody says.
pub(crate) fn default_root() -> PathBuf {
    let (uid, _) = own_ids();
    match std::env::var_os("XDG_RUNTIME_DIR") {
        _ if uid == 0 => PathBuf::from("/run/chapter12"),
        Some(session) => PathBuf::from(session).join("chapter12"),
        None => PathBuf::from(format!("/tmp/chapter12-{uid}")),
    }
}

impl Store {
    /// The store in this directory. Where it is there already, it must be this user's own: in `/tmp`
    /// anybody could have made it, and could then say which process is to be killed.
    pub(crate) fn at(root: PathBuf) -> Result<Store> {
        let is_foreign = |file: fs::Metadata| file.uid() != own_ids().0;
        match fs::metadata(&root).is_ok_and(is_foreign) {
            true => Err(unusable(format!("{} belongs to somebody else", root.display()))),
            false => Ok(Store(root)),
        }
    }

    /// A folder for a new container. That `mkdir` refuses what is there makes the name a lock.
    pub(crate) fn begin(&self, id: &Id) -> Result<Folder> {
        if !self.0.exists() {
            mkdir(self.0.as_path(), 0o700, "have a place for the folders of containers")?;
        }
        let folder = self.folder(id);
        match mkdir(folder.0.as_path(), 0o700, "take the name, and have a place to remember it") {
            Err(Error::Request(refusal)) if !refusal.here && refusal.errno == Errno::EEXIST => {
                Err(unusable(format!("there is a container {id} already")))
            }
            other => other.map(|()| folder),
        }
    }

    /// The folder of a container, whether it is there or not.
    pub(crate) fn folder(&self, id: &Id) -> Folder {
        Folder(self.0.join(&id.0))
    }

    /// What is remembered of a container.
    pub(crate) fn find(&self, id: &Id) -> Result<Container> {
        let folder = self.folder(id);
        if !folder.is_there() {
            return Err(unusable(format!("there is no container {id}")));
        }
        let unreadable =
            |error: &dyn Display| unusable(format!("container {id}: {STATE}: {error}"));
        let text = fs::read(folder.0.join(STATE)).map_err(|error| unreadable(&error))?;
        let remembered = serde_json::from_slice(&text).map_err(|error| unreadable(&error))?;
        Ok(Container { folder, remembered })
    }
}

/// A container that is remembered.
pub(crate) struct Container {
    pub(crate) folder: Folder,
    pub(crate) remembered: Remembered,
}

impl Container {
    /// The configuration as it was when the container was made: the bundle may have changed since.
    pub(crate) fn plan(&self) -> Result<bundle::Plan> {
        let path = self.folder.0.join(CONFIG);
        let unreadable = |error| unusable(format!("{}: {error}", path.display()));
        let text = fs::read(&path).map_err(unreadable)?;
        Ok(crate::opening::read(text, &self.remembered.bundle)?.plan)
    }
}

/// The folder of one container.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Keeps the configuration.
    pub(crate) fn keep_config(&self, text: &[u8]) -> Result<()> {
        let why = "know it when the bundle has changed";
        create_durably(&self.0.join(CONFIG), text, 0o600, why)
    }

    // ANCHOR: remember
    /// Writes the state: whoever reads it, and whenever, finds the old one or the new one.
    pub(crate) fn remember(&self, remembered: &Remembered) -> Result<()> {
        let text = serde_json::to_vec(remembered).expect("a name, a path and numbers");
        let new = self.0.join(NEW_STATE);
        create_durably(&new, &text, 0o600, "have the new state on the disk, whole")?;
        rename(&new, &self.0.join(STATE), "replace the old state in one moment")
    }
    // ANCHOR_END: remember

    /// The directory itself: the path of a socket may have 107 bytes, and this one is short.
    pub(crate) fn open(&self) -> Result<OwnedFd> {
        open_path(&self.0, "reach the door from here, however long the path is")
    }

    /// From now on one can knock.
    pub(crate) fn show_door(&self) -> Result<()> {
        let why = "say, in one moment, that all is ready";
        rename(&self.0.join(DOOR_BEFORE), &self.0.join(DOOR), why)
    }

    pub(crate) fn has_door(&self) -> bool {
        self.0.join(DOOR).exists()
    }

    pub(crate) fn has_state(&self) -> bool {
        self.0.join(STATE).exists()
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.is_dir()
    }

    // ANCHOR: forget
    /// Forgets the container. What is gone already is no error, and the state goes last: so this can be
    /// killed at any line, and be called again.
    pub(crate) fn forget(&self) -> Result<()> {
        for name in [DOOR, DOOR_BEFORE, CONFIG, NEW_STATE, STATE] {
            let path = self.0.join(name);
            if path.symlink_metadata().is_ok() {
                clean_up::unlink(&path, "forget the container")?;
            }
        }
        clean_up::rmdir(self.0.as_path(), "give its name free")
    }
    // ANCHOR_END: forget
}

/// This process.
pub(crate) fn myself() -> Option<Known> {
    Known::of(getpid())
}

#[cfg(test)]
mod tests {
    use primitives::{Pid, getpid};

    use super::{Id, Known};

    #[test]
    fn a_name_is_never_a_path() {
        for wrong in ["", ".", "..", "a/b", "/", "a b", "a\0"] {
            assert!(wrong.parse::<Id>().is_err(), "{wrong:?}");
        }
        assert_eq!("box-1.2_3+4".parse::<Id>().unwrap().to_string(), "box-1.2_3+4");
    }

    #[test]
    fn a_process_is_known_by_its_number_and_its_birth() {
        let me = Known::of(getpid()).unwrap();
        assert!(me.lives());
        assert!(!Known { started: me.started + 1, ..me }.lives());
        assert!(Known::of(Pid::from_raw(i32::MAX)).is_none());
    }
}
