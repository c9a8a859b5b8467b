//! What is garbage, and how does it go?
//!
//! Whoever collects is alone in the store. Marked is what can be reached from names, containers and
//! leases, and all else goes: unpacked layers, blobs, and what came of blobs that nobody went on with.
//! When a document that must stay cannot be read nothing goes, since it is not known what it needs.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use primitives::{open_directory, remove_tree, rename, unlink};

use super::roots::visible_in;
use super::{Error, Reach, Result, Store};
use crate::digest::Digest;
use crate::steps::step;

/// How long what came of a blob is kept to be gone on with.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The store, with nobody else in it.
#[derive(Debug)]
pub struct Alone(Store);

/// What was taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs.
    pub blobs: Vec<Digest>,
    /// Unpacked layers.
    pub layers: Vec<Digest>,
    /// Beginnings of blobs, and leases that are over.
    pub others: usize,
    /// How many bytes the blobs had; unpacked layers are not counted.
    pub bytes: u64,
}

/// What may go.
enum Scope<'a> {
    Everything,
    /// Also layers of images that have names: whoever needs them unpacks them again.
    AndLayers,
    /// Only what an image had that was removed.
    Of(&'a Reach),
}

impl Deref for Alone {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl Store {
    /// Whoever has the store has it alone from now on, if nobody else is at work; or goes on as before.
    ///
    /// # Errors
    /// The lock cannot be asked for.
    pub fn alone_now(self) -> Result<std::result::Result<Alone, Store>> {
        match self._lock.alone_now("see whether anything may disappear now")? {
            true => Ok(Ok(Alone(self))),
            // A lock that was not to be had may have been lost over it.
            false => {
                self._lock.share("go on together with others")?;
                Ok(Err(self))
            }
        }
    }
}

impl Alone {
    /// Waits until nobody else is at work, and keeps others waiting.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(root: &Path) -> Result<Alone> {
        Store::open_alone(root).map(Alone)
    }

    /// Takes away all that nothing leads to.
    ///
    /// # Errors
    /// A document that must stay cannot be read, or something cannot be removed.
    pub fn collect(&self) -> Result<Collected> {
        self.collect_in(&Scope::Everything)
    }

    /// Takes away what nothing leads to any more of what has led to `once`.
    ///
    /// # Errors
    /// As [`Alone::collect`].
    pub fn collect_of(&self, once: &Reach) -> Result<Collected> {
        self.collect_in(&Scope::Of(once))
    }

    /// As [`Alone::collect`], and unpacked layers too, unless a container stands on them. They take the
    /// most room, and are not waited for to be on the disk: after a power cut, better have none.
    ///
    /// # Errors
    /// As [`Alone::collect`].
    pub fn collect_with_layers(&self) -> Result<Collected> {
        self.collect_in(&Scope::AndLayers)
    }

    fn collect_in(&self, scope: &Scope<'_>) -> Result<Collected> {
        let (mut blobs, mut layers) = self.garbage()?;
        let mut others = Vec::new();
        match scope {
            Scope::Everything => others = self.stale()?,
            Scope::AndLayers => {
                others = self.stale()?;
                let used = self.uses()?.into_values().flat_map(|uses| uses.layers);
                let used: BTreeSet<Digest> = used.collect();
                layers = self.stored("layers")?;
                layers.retain(|layer| !used.contains(layer));
            }
            Scope::Of(once) => {
                blobs.retain(|blob| once.blobs.contains(blob));
                layers.retain(|layer| once.layers.contains(layer));
            }
        }
        let mut collected = Collected { others: others.len(), ..Collected::default() };
        if layers.is_empty() && blobs.is_empty() && others.is_empty() {
            return Ok(collected);
        }
        step("collect the garbage", || -> Result<()> {
            for path in &others {
                unlink(path, "not keep what nobody waits for")?;
            }
            for layer in &layers {
                self.remove_layer(layer)?;
            }
            for blob in &blobs {
                let path = self.blob(blob);
                collected.bytes += path.symlink_metadata().map_or(0, |is| is.len());
                unlink(&path, "make room: nothing leads here")?;
            }
            Ok(())
        })?;
        (collected.layers, collected.blobs) = (layers, blobs);
        Ok(collected)
    }

    /// A layer loses its name first, so that there is never half of one under it.
    fn remove_layer(&self, diff_id: &Digest) -> Result<()> {
        let path = self.layer(diff_id);
        let folder = path.parent().expect("a layer lies in a folder");
        // Something that is mounted in it may have kept an earlier one from going.
        let names = (0..).map(|count| format!(".gone-{}.{count}", diff_id.hex()));
        let mut free = names.filter(|name| folder.join(name).symlink_metadata().is_err());
        let gone = free.next().expect("there are more numbers than directories");
        rename(&path, &folder.join(&gone), "let nobody find a layer that is going")?;
        let open = open_directory(folder).map_err(Error::reading(folder))?;
        Ok(remove_tree(&open, Path::new(&gone), "make room: nothing stands on this layer")?)
    }

    /// Leases that are over, and beginnings of blobs that nobody has gone on with for long.
    fn stale(&self) -> Result<Vec<PathBuf>> {
        let over = self.leases()?.into_iter().filter(|(_, lease)| lease.is_over());
        let mut stale: Vec<PathBuf> =
            over.map(|(name, _)| self.root.join("leases").join(name)).collect();
        let ingest = self.root.join("ingest");
        let long_ago = SystemTime::now() - PATIENCE;
        for name in visible_in(&ingest)? {
            let path = ingest.join(name);
            let changed = fs::symlink_metadata(&path).and_then(|is| is.modified());
            if changed.map_err(Error::reading(&path))? < long_ago {
                stale.push(path);
            }
        }
        Ok(stale)
    }
}

impl Store {
    /// Blobs and unpacked layers that nothing leads to.
    ///
    /// # Errors
    /// A document that must stay cannot be read.
    pub fn garbage(&self) -> Result<(Vec<Digest>, Vec<Digest>)> {
        let kept = self.roots()?;
        let (mut blobs, mut layers) = (self.stored("blobs")?, self.stored("layers")?);
        blobs.retain(|blob| !kept.blobs.contains(blob));
        layers.retain(|layer| !kept.layers.contains(layer));
        Ok((blobs, layers))
    }

    /// Everything below `blobs` or `layers` whose name is a digest.
    pub(super) fn stored(&self, kind: &str) -> Result<Vec<Digest>> {
        let mut found = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            let names = visible_in(&self.root.join(kind).join(algorithm))?;
            found
                .extend(names.iter().filter_map(|name| format!("{algorithm}:{name}").parse().ok()));
        }
        Ok(found)
    }
}
