//! How is a layout read that is somebody else's, and how is one written for others?

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::ends::{InStore, Source, Target};
use super::progress::{Audience, News};
use super::{Error, Result};
use crate::digest::Digest;
use crate::model::{Descriptor, MOST_OF_A_DOCUMENT, NAME};
use crate::registry::fetch::pass_over;
use crate::store::{Store, Verified};

/// An image in a layout of somebody else's, which is only read.
#[derive(Debug)]
pub struct InLayout {
    directory: PathBuf,
    image: Descriptor,
}

impl InLayout {
    /// The image of this name in a layout; without a name there must be one alone.
    ///
    /// # Errors
    /// It is no layout, or has no such image.
    pub fn open(directory: &Path, name: Option<&str>) -> Result<InLayout> {
        #[derive(Deserialize)]
        struct Index {
            manifests: Vec<Descriptor>,
        }
        let path = directory.join("index.json");
        let unusable = |why: String| Error::Unusable(format!("{}: {why}", path.display()));
        let bytes = read_at_most(&path, MOST_OF_A_DOCUMENT).map_err(|e| unusable(e.to_string()))?;
        let index: Index =
            serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
        let is_meant = |image: &&Descriptor| name.is_none() || image.name() == name;
        let mut meant = index.manifests.iter().filter(is_meant);
        match (meant.next(), meant.next(), name) {
            (Some(image), None, _) | (Some(image), Some(_), Some(_)) => {
                Ok(InLayout { directory: directory.to_owned(), image: image.clone() })
            }
            (None, _, Some(name)) => Err(unusable(format!("there is no image {name:?}"))),
            (None, _, None) => Err(unusable("there is no image".into())),
            (Some(_), Some(_), None) => {
                Err(unusable("there are several images: say which, as in oci:DIR:NAME".into()))
            }
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }

    fn open_blob(&self, wanted: &Descriptor) -> Result<Verified<File>> {
        let path = self.path(&wanted.digest);
        let file = File::open(&path);
        let file = file.map_err(|e| Error::Unusable(format!("{}: {e}", path.display())))?;
        Ok(Verified::new(file, wanted.digest.clone(), wanted.size))
    }

    fn read(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let unusable = |why: String| Error::Unusable(format!("{}: {why}", wanted.digest));
        if wanted.size > MOST_OF_A_DOCUMENT {
            return Err(unusable(format!("{} bytes are too many for a document", wanted.size)));
        }
        let read = self.open_blob(wanted)?.read_to_end(&mut bytes);
        read.map_err(|error| unusable(error.to_string()))?;
        Ok(bytes)
    }
}

impl Source for InLayout {
    fn image(&self) -> Result<(Descriptor, Vec<u8>)> {
        let mut image = self.image.clone();
        image.annotations.clear();
        let bytes = self.read(&image)?;
        Ok((image, bytes))
    }

    fn document(&self, wanted: &Descriptor) -> Result<Option<Vec<u8>>> {
        match self.path(&wanted.digest).exists() {
            true => self.read(wanted).map(Some),
            false => Ok(None),
        }
    }

    fn blob(&self, wanted: &Descriptor, at: u64) -> Result<Box<dyn Read + Send>> {
        let mut reader = self.open_blob(wanted)?;
        let broken = |error| Error::Unusable(format!("{}: {error}", wanted.digest));
        pass_over(&mut reader, at).map_err(broken)?;
        Ok(Box::new(reader))
    }

    fn also_in(&self, _: &str, _: &Digest) -> Option<String> {
        None
    }
}

fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A layout that is written. It is a store, in which names may be any text, as other tools have it.
#[derive(Debug)]
pub struct ToLayout<'a> {
    store: &'a Store,
    blobs: InStore<'a>,
    name: String,
}

impl<'a> ToLayout<'a> {
    /// The image of this name in the layout that a store is.
    pub fn new(store: &'a Store, name: &str) -> ToLayout<'a> {
        ToLayout { store, blobs: InStore::new(store, name), name: name.to_owned() }
    }
}

impl Target for ToLayout<'_> {
    fn take_blob(
        &self,
        blob: &Descriptor,
        from: &dyn Source,
        audience: &Arc<dyn Audience>,
    ) -> Result<News> {
        self.blobs.take_blob(blob, from, audience)
    }

    fn take_document(&self, document: &Descriptor, bytes: &[u8]) -> Result<()> {
        self.blobs.take_document(document, bytes)
    }

    fn name(&self, image: &Descriptor, bytes: &[u8]) -> Result<()> {
        self.blobs.take_document(image, bytes)?;
        let path = self.store.root().join("index.json");
        let unusable = |why: String| Error::Unusable(format!("{}: {why}", path.display()));
        let index = read_at_most(&path, MOST_OF_A_DOCUMENT).map_err(|e| unusable(e.to_string()))?;
        let mut index: Value =
            serde_json::from_slice(&index).map_err(|error| unusable(error.to_string()))?;
        let all = index.get_mut("manifests").and_then(Value::as_array_mut);
        let all = all.ok_or_else(|| unusable("there is no list of manifests".into()))?;
        all.retain(|other| other["annotations"][NAME] != json!(self.name));
        let mut named = image.clone();
        named.annotations.insert(NAME.to_owned(), self.name.clone());
        all.push(serde_json::to_value(named).map_err(|error| unusable(error.to_string()))?);
        let new = path.with_extension("json.new");
        let why = "have all names on the disk in a new file";
        primitives::create_durably(&new, index.to_string().as_bytes(), 0o644, why)?;
        Ok(primitives::rename(&new, &path, "replace the old names in one moment")?)
    }
}
