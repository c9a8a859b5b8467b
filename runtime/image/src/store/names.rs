//! Which image does a name stand for?
//!
//! Names are in the layout's index, which is read and written as a whole: under a lock, into a new file
//! that takes the place of the old one. Whoever reads it, at whatever moment, finds one of the two.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use primitives::{create_durably, fsync_directory, open_beneath, open_directory, rename};
use serde::{Deserialize, Serialize};

use super::locks::Lock;
use super::{Error, Lease, Result, Store};
use crate::model::{Descriptor, MediaType, NAME};
use crate::reference::Reference;
use crate::steps::step;

/// An index with nothing in it.
pub(super) const EMPTY_INDEX: &str = concat!(
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","#,
    r#""manifests":[]}"#
);

/// The most that is read of the index: some hundred thousand names.
const MOST: u64 = 128 << 20;

/// A name, and the image that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name, in full.
    pub name: String,
    /// What it stands for: a manifest, or an index of several.
    pub image: Descriptor,
}

impl Named {
    /// Whether a reference with a digest means this image: the repository is the same, and the digest.
    pub fn is_meant_by(&self, wanted: &Reference) -> bool {
        let repository = |name: Reference| {
            (name.registry(), name.repository()) == (wanted.registry(), wanted.repository())
        };
        let same = self.name.parse().is_ok_and(repository);
        same && wanted.digest() == Some(&self.image.digest)
    }
}

/// What becomes of a name that another image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is taken away from it.
    Moves,
    /// It stays, and it is an error to want it.
    Stays,
}

/// The layout's own index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Names {
    schema_version: u8,
    media_type: MediaType,
    manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Store {
    /// All names, in the order of the alphabet.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn names(&self) -> Result<Vec<Named>> {
        let manifests = self.index()?.manifests.into_iter();
        let named = manifests.filter_map(|image| {
            let name = image.name()?.to_string();
            Some(Named { name, image })
        });
        let mut all: Vec<Named> = named.collect();
        all.sort_by(|one, two| one.name.cmp(&two.name));
        Ok(all)
    }

    /// All that stands in the layout's index, also what has no name.
    pub(super) fn images(&self) -> Result<Vec<Descriptor>> {
        Ok(self.index()?.manifests)
    }

    /// Lets a name stand for an image from now on, whatever it stood for before. The image should be
    /// here: what the name leads to is on the disk before the name is.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn name(&self, name: &Reference, image: &Descriptor) -> Result<()> {
        self.name_all(&[(name.clone(), image.clone())], Taken::Moves)
    }

    /// As [`Store::name`] for several at once: all of them, or none.
    ///
    /// # Errors
    /// A name stands for another image, and must not be taken from it; or the index cannot be written.
    pub fn name_all(&self, names: &[(Reference, Descriptor)], taken: Taken) -> Result<()> {
        step("name the image", || {
            self.settle_blobs(names)?;
            self.change_names(|all| {
                for (name, image) in names {
                    let name = name.to_string();
                    let before = all.iter().find(|other| other.name() == Some(&name));
                    if let (Some(before), Taken::Stays) = (before, taken)
                        && before.digest != image.digest
                    {
                        return Err(Error::Unusable(format!(
                            "{name} is the name of another image here, {}: --force takes the name \
                             away from it",
                            before.digest
                        )));
                    }
                    all.retain(|other| other.name() != Some(&name));
                    let mut named = image.clone();
                    named.annotations.insert(NAME.to_string(), name);
                    all.push(named);
                }
                Ok(())
            })
        })
    }

    /// Takes a name away; the image that it stood for. Its blobs stay until garbage is collected.
    ///
    /// # Errors
    /// There is no such name, or the index cannot be written.
    pub fn unname(&self, name: &str) -> Result<Descriptor> {
        let named = self.names()?.into_iter().find(|named| named.name == name);
        let named = named.ok_or_else(|| Error::NoImage(name.to_string()))?;
        self.unname_all(&[name])?;
        Ok(named.image)
    }

    /// Takes several names away in one moment. One that is not there is gone already.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn unname_all(&self, names: &[&str]) -> Result<()> {
        step("take the names away", || {
            self.change_names(|all| {
                all.retain(|image| image.name().is_none_or(|name| !names.contains(&name)));
                Ok(())
            })
        })
    }

    /// The image that a text means: a name, a digest, or the beginning of a digest.
    ///
    /// # Errors
    /// It means none, or several.
    pub fn resolve(&self, text: &str) -> Result<Descriptor> {
        self.find(text).map(|named| named.image)
    }

    /// As [`Store::resolve`], with a name that the image has: the one that was meant, or any.
    ///
    /// # Errors
    /// The text means no image, or several.
    pub fn find(&self, text: &str) -> Result<Named> {
        let mut names = self.names()?;
        // Other tools may have written names that are none elsewhere.
        let exactly = |name: &str| names.iter().find(|named| named.name == name);
        let parsed = text.parse::<Reference>().ok();
        let full = parsed.as_ref().map(Reference::to_string);
        if let Some(named) = exactly(text).or_else(|| exactly(&full?)) {
            return Ok(named.clone());
        }
        if let Some(wanted) = parsed.filter(|wanted| wanted.digest().is_some()) {
            let found = names.iter().find(|named| named.is_meant_by(&wanted));
            return found.cloned().ok_or_else(|| Error::NoImage(text.to_string()));
        }
        // What is kept for some time without a name is found by its digest.
        let leased = self.leases()?.into_values().filter(|lease| !lease.is_over());
        names.extend(
            leased.map(|Lease { image, .. }| Named { name: image.digest.to_string(), image }),
        );
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        let is_beginning = hex.len() >= 4 && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
        let mut found: Vec<&Named> = match is_beginning {
            true => names.iter().collect(),
            false => Vec::new(),
        };
        found.retain(|named| named.image.digest.hex().starts_with(hex));
        found.sort_by(|one, two| one.image.digest.cmp(&two.image.digest));
        found.dedup_by_key(|named| named.image.digest.clone());
        match found.as_slice() {
            [] => Err(Error::NoImage(text.to_string())),
            [one] => Ok((*one).clone()),
            _ => Err(Error::Unusable(format!("{text:?} is the beginning of several digests"))),
        }
    }

    fn index(&self) -> Result<Names> {
        let path = self.root.join("index.json");
        let open = open_directory(&self.root).map_err(Error::reading(&self.root))?;
        let file = open_beneath(&open, Path::new("index.json")).map_err(Error::reading(&path))?;
        let mut text = Vec::new();
        file.take(MOST).read_to_end(&mut text).map_err(Error::reading(&path))?;
        serde_json::from_slice(&text)
            .map_err(|why| Error::Unreadable { path, why: std::io::Error::other(why) })
    }

    fn change_names(&self, change: impl FnOnce(&mut Vec<Descriptor>) -> Result<()>) -> Result<()> {
        let lock = self.root.join("locks/index");
        let _lock = Lock::alone(&lock, "be the only one who changes the names")?;
        let mut index = self.index()?;
        let before = index.clone();
        change(&mut index.manifests)?;
        if index == before {
            return Ok(());
        }
        let text = serde_json::to_vec(&index)
            .map_err(|why| Error::Unusable(format!("index.json cannot be written: {why}")))?;
        let (new, path) = (self.root.join("index.json.new"), self.root.join("index.json"));
        create_durably(&new, &text, 0o600, "have all names on the disk in a new file")?;
        rename(&new, &path, "replace the old names in one moment")?;
        Ok(fsync_directory(&self.root, "keep the new names through a power cut")?)
    }

    fn settle_blobs(&self, names: &[(Reference, Descriptor)]) -> Result<()> {
        let folders = names.iter().map(|(_, image)| image.digest.algorithm().name());
        let why = "have the blobs' names on the disk before a name leads there";
        // What an image consists of may have digests of both kinds, but seldom has.
        let folders: BTreeSet<&str> = folders.chain(["sha256"]).collect();
        for folder in folders {
            fsync_directory(&self.root.join("blobs").join(folder), why)?;
        }
        Ok(())
    }
}
