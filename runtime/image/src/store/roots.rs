//! What must not be collected as garbage?
//!
//! What has a name, what a container stands on, and what somebody has asked to be kept for some time: a
//! lease. A lease that nobody ends expires, because who has taken it may have been killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use primitives::{
    create_durably, mkdir, open_beneath, open_directory, remove_tree, rename, unlink,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Error, Reach, Result, Store};
use crate::digest::Digest;
use crate::model::Descriptor;

/// What a container stands on is written here, in its folder.
const USES: &str = "uses.json";

/// What a container stands on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uses {
    /// The image that it was made from.
    pub image: Descriptor,
    /// Its unpacked layers.
    pub layers: Vec<Digest>,
}

/// What is kept for some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The image.
    pub image: Descriptor,
    /// Until when, in seconds since the beginning of 1970.
    pub until: u64,
}

impl Lease {
    /// Whether its time is over.
    pub fn is_over(&self) -> bool {
        self.until <= now()
    }
}

impl Store {
    /// Keeps an image for some time, although it has no name. A lease of the same name is replaced.
    ///
    /// # Errors
    /// It cannot be written, or its name could not be that of a file.
    pub fn lease(&self, name: &str, image: &Descriptor, time: Duration) -> Result<()> {
        let until = now().saturating_add(time.as_secs());
        let lease = Lease { image: image.clone(), until };
        self.remember(&self.root.join("leases"), file_name(name)?, &lease)
    }

    /// Ends a lease. One that is not there has ended.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn end_lease(&self, name: &str) -> Result<()> {
        let path = self.root.join("leases").join(file_name(name)?);
        match path.symlink_metadata() {
            Ok(_) => Ok(unlink(&path, "not keep it any longer")?),
            Err(_) => Ok(()),
        }
    }

    /// All leases, by name; also those whose time is over.
    ///
    /// # Errors
    /// One cannot be read: it is not known then what has to be kept.
    pub fn leases(&self) -> Result<BTreeMap<String, Lease>> {
        let folder = self.root.join("leases");
        let names = visible_in(&folder)?.into_iter();
        names.map(|name| Ok((name.clone(), read_json(&folder, Path::new(&name))?))).collect()
    }

    /// Keeps what a container stands on for as long as the container is there; its folder, which is
    /// made if it is not there.
    ///
    /// # Errors
    /// It cannot be written, or the container's name could not be that of a folder.
    pub fn use_for(&self, container: &str, uses: &Uses) -> Result<PathBuf> {
        let folder = self.container(container)?;
        if folder.symlink_metadata().is_err() {
            mkdir(folder.as_path(), 0o700, "have a place for the container")?;
        }
        self.remember(&folder, USES, uses)?;
        Ok(folder)
    }

    /// Where a container's folder is, if it is there.
    ///
    /// # Errors
    /// The container's name could not be that of a folder.
    pub fn container(&self, name: &str) -> Result<PathBuf> {
        Ok(self.root.join("containers").join(file_name(name)?))
    }

    /// Takes away a container's folder, with all that is in it, and keeps what it stood on no longer.
    /// The name goes first: what a killed command leaves is swept out.
    ///
    /// # Errors
    /// Something is mounted in it, or it cannot be removed.
    pub fn forget(&self, container: &str) -> Result<()> {
        let folder = self.container(container)?;
        if folder.symlink_metadata().is_err() {
            return Ok(());
        }
        let gone = format!(".gone-{container}");
        let all = self.root.join("containers");
        rename(&folder, &all.join(&gone), "use its name for another one")?;
        let open = open_directory(&all).map_err(Error::reading(&all))?;
        Ok(remove_tree(&open, Path::new(&gone), "forget the container")?)
    }

    /// What all containers stand on, by name.
    ///
    /// # Errors
    /// Of one it cannot be read: it is not known then what has to be kept.
    pub fn uses(&self) -> Result<BTreeMap<String, Uses>> {
        let all = self.root.join("containers");
        let mut uses = BTreeMap::new();
        for name in visible_in(&all)? {
            let folder = all.join(&name);
            // A command may have been killed before it had written anything.
            if folder.join(USES).symlink_metadata().is_ok() {
                uses.insert(name, read_json(&folder, Path::new(USES))?);
            }
        }
        Ok(uses)
    }

    /// What can be reached from everything that must stay.
    ///
    /// # Errors
    /// A document on the way is spoiled: it is not known then what it leads to.
    pub fn roots(&self) -> Result<Reach> {
        let mut reach = Reach::default();
        for named in self.images()? {
            self.reach(&named, &mut reach)?;
        }
        for lease in self.leases()?.values().filter(|lease| !lease.is_over()) {
            self.reach(&lease.image, &mut reach)?;
        }
        for uses in self.uses()?.into_values() {
            self.reach(&uses.image, &mut reach)?;
            reach.layers.extend(uses.layers);
        }
        Ok(reach)
    }

    fn remember(&self, folder: &Path, name: &str, what: &impl Serialize) -> Result<()> {
        let path = folder.join(name);
        let text = serde_json::to_vec(what)
            .map_err(|why| Error::Unusable(format!("{}: {why}", path.display())))?;
        let new = folder.join(format!(".{name}.new"));
        create_durably(&new, &text, 0o600, "have it on the disk, whole")?;
        Ok(rename(&new, &path, "remember what must be kept")?)
    }
}

/// A name that is nothing but a file's, and does not begin with a dot.
fn file_name(name: &str) -> Result<&str> {
    let letter = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    match !name.is_empty()
        && name.len() <= 200
        && name.chars().all(letter)
        && !name.starts_with('.')
    {
        true => Ok(name),
        false => Err(Error::Unusable(format!(
            "{name:?} cannot be a name here: letters, digits, and _ + - . among them, at most 200"
        ))),
    }
}

/// The names in a folder, but for what is not finished.
pub(super) fn visible_in(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(Error::reading(folder))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(Error::reading(folder))?.file_name();
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read_json<T: DeserializeOwned>(folder: &Path, name: &Path) -> Result<T> {
    let path = folder.join(name);
    let open = open_directory(folder).map_err(Error::reading(folder))?;
    let file = open_beneath(&open, name).map_err(Error::reading(&path))?;
    serde_json::from_reader(std::io::Read::take(file, 1 << 20))
        .map_err(|why| Error::Unreadable { path, why: std::io::Error::other(why) })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
