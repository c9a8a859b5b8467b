//! How is a layout read that lies in a directory of somebody else?
//!
//! Only what its index leads to is looked at, and every file is opened from the directory down without
//! following a link: `blobs` or `index.json` may not be the way to somebody's secrets.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use primitives::{open_beneath, open_directory};

use super::load::{Found, Gathered, bring, from_index};
use crate::model::{Descriptor, Document, MOST_OF_A_DOCUMENT, MediaType};
use crate::steps::step;
use crate::store::{Error, Result, Store};

/// How often an index may lead to another one.
const DEEPEST: usize = 8;

pub(super) fn load(store: &Store, source: &Path, gathered: &mut Gathered) -> Result<Vec<Found>> {
    let top = open_directory(source).map_err(Error::reading(source))?;
    let layout = Layout { top, path: source.to_path_buf() };
    layout.small("oci-layout").map_err(|error| match error {
        Error::Unreadable { why, .. } if why.kind() == io::ErrorKind::NotFound => {
            Error::Unusable(format!("{} is no OCI image layout", source.display()))
        }
        other => other,
    })?;
    let index = layout.small("index.json")?;
    let Document::Index(list) = Document::read(&index, &MediaType::OciIndex)? else {
        return Err(Error::Unusable("index.json is no index".to_string()));
    };
    step("read the layout", || {
        list.manifests.iter().try_for_each(|image| layout.bring(store, image, DEEPEST, gathered))
    })?;
    from_index(store, &index)
}

struct Layout {
    top: OwnedFd,
    path: PathBuf,
}

impl Layout {
    fn open(&self, path: &str) -> Result<std::fs::File> {
        open_beneath(&self.top, Path::new(path)).map_err(|why| {
            let path = self.path.join(path);
            match primitives::is_link_error(&why) {
                true => Error::Unusable(format!(
                    "{} is refused: there is a symbolic link on the way, which may lead anywhere",
                    path.display()
                )),
                false => Error::Unreadable { path, why },
            }
        })
    }

    fn small(&self, path: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self.open(path)?;
        let read = file.take(MOST_OF_A_DOCUMENT + 1).read_to_end(&mut bytes);
        read.map_err(Error::reading(self.path.join(path)))?;
        Ok(bytes)
    }

    /// Brings a blob and all that it leads to. Of an index some images may not be here.
    fn bring(
        &self,
        store: &Store,
        blob: &Descriptor,
        depth: usize,
        gathered: &mut Gathered,
    ) -> Result<()> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Error::Unusable(
                "an index leads to an index leads to an index".to_string(),
            ));
        };
        if !store.has(blob) {
            let path = format!("blobs/{}/{}", blob.digest.algorithm().name(), blob.digest.hex());
            let mut file = match self.open(&path) {
                Err(Error::Unreadable { why, .. }) if why.kind() == io::ErrorKind::NotFound => {
                    return Ok(());
                }
                file => file?,
            };
            gathered.came.blobs.insert(blob.digest.clone());
            bring(store, &blob.digest, blob.size, &mut file)?;
        }
        if !blob.media_type.is_index() && !blob.media_type.is_manifest() {
            return Ok(());
        }
        let document = store.document(blob)?;
        document.children().try_for_each(|child| self.bring(store, child, depth, gathered))
    }
}
