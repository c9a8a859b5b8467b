//! How do the files of an image lie in a directory?
//!
//! As "OCI Image Layout" says: `blobs/sha256/HEX` for each blob, `index.json` for the names, `oci-layout`
//! for the version. A blob is never changed, because then it would have another name.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use primitives::{Error, Result, create, mkdir, rename, step_giving};
use serde::de::DeserializeOwned;

use crate::blob::{Digest, check};
use crate::model::{Descriptor, INDEX, Index, MANIFEST, REF_NAME, read, written};

/// A directory with images in it.
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// One that is there.
    pub(crate) fn open(folder: &Path) -> Result<Layout> {
        match folder.join("oci-layout").is_file() {
            true => Ok(Layout { folder: folder.to_path_buf() }),
            false => Err(Error::Unusable(format!(
                "{} is no image layout: there is no oci-layout in it",
                folder.display()
            ))),
        }
    }

    /// A new one, with no images.
    pub(crate) fn make(folder: &Path) -> Result<Layout> {
        let layout = Layout { folder: folder.to_path_buf() };
        step_giving("make a layout", || {
            mkdir(folder, 0o755, "have a place for images")?;
            mkdir(&folder.join("blobs"), 0o755, "keep blobs apart from their names")?;
            mkdir(&folder.join("blobs/sha256"), 0o755, "say how the names are computed")?;
            let version = br#"{"imageLayoutVersion":"1.0.0"}"#;
            let why = "say what this directory is";
            create(&folder.join("oci-layout"), version, 0o644, why)
        })?;
        layout.write_index(&Index::new(Vec::new()))?;
        Ok(layout)
    }

    /// The file of a blob.
    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    // ANCHOR: put
    /// Keeps a blob under the name that it has by itself.
    pub(crate) fn put(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        let digest = Digest::of(bytes);
        let path = self.blob(&digest);
        if !path.exists() {
            let half = self.folder.join("blobs/half");
            create(&half, bytes, 0o644, "have the blob where nobody looks for it")?;
            rename(&half, &path, "let it be found, now that all of it is there")?;
        }
        let (media_type, size) = (media_type.to_string(), bytes.len() as u64);
        Ok(Descriptor { media_type, digest, size, platform: None, annotations: Default::default() })
    }
    // ANCHOR_END: put

    // ANCHOR: get
    /// The bytes of a blob. Nobody sees them before they were checked.
    pub(crate) fn get(&self, promised: &Descriptor) -> Result<Vec<u8>> {
        let bytes = self.get_unchecked(promised)?;
        check(promised, &bytes)?;
        Ok(bytes)
    }
    // ANCHOR_END: get

    /// The bytes of a blob, whatever they are; not many more than were promised.
    pub(crate) fn get_unchecked(&self, promised: &Descriptor) -> Result<Vec<u8>> {
        let path = self.blob(&promised.digest);
        let unreadable =
            |error| Error::Unusable(format!("{} cannot be read: {error}", path.display()));
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(unreadable)?;
        file.take(promised.size + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }

    /// A blob that is JSON.
    pub(crate) fn read<T: DeserializeOwned>(&self, what: &str, it: &Descriptor) -> Result<T> {
        read(what, &self.get(it)?)
    }

    /// The names. This one file has no name of its own that could be computed: here trust begins.
    pub(crate) fn index(&self) -> Result<Index> {
        let path = self.folder.join("index.json");
        let bytes = fs::read(&path)
            .map_err(|error| Error::Unusable(format!("{}: {error}", path.display())))?;
        read("index", &bytes)
    }

    /// Gives a name to an image; another one that had it loses it.
    pub(crate) fn name(&self, name: &str, mut image: Descriptor) -> Result<()> {
        image.annotations.insert(REF_NAME.to_string(), name.to_string());
        let mut index = self.index()?;
        index.manifests.retain(|it| it.annotations.get(REF_NAME).is_none_or(|it| it != name));
        index.manifests.push(image);
        self.write_index(&index)
    }

    // ANCHOR: write_index
    pub(crate) fn write_index(&self, index: &Index) -> Result<()> {
        let half = self.folder.join("index.half");
        step_giving("write the names", || {
            create(&half, &written(index), 0o644, "have the new names beside the old ones")?;
            rename(&half, &self.folder.join("index.json"), "change from old to new in one moment")
        })
    }
    // ANCHOR_END: write_index

    // ANCHOR: find
    /// The manifest of an image: by its name, and for a machine where it is for several.
    pub(crate) fn find(&self, name: Option<&str>, platform: &str) -> Result<Descriptor> {
        let images = self.index()?.manifests;
        let is_it = |it: &&Descriptor| {
            name.is_none_or(|name| it.annotations.get(REF_NAME).is_some_and(|it| it == name))
        };
        let image = images.iter().find(is_it).ok_or_else(|| {
            let name = name.unwrap_or("(any)");
            Error::Unusable(format!("there is no image {name} in {}", self.folder.display()))
        })?;
        match image.media_type.as_str() {
            MANIFEST => Ok(image.clone()),
            INDEX => self.read::<Index>("index", image)?.choose(platform).cloned(),
            other => Err(Error::Unusable(format!("{other} is no kind of image known here"))),
        }
    }
    // ANCHOR_END: find

    /// The digests of all blobs that are there.
    pub(crate) fn blobs(&self) -> Result<Vec<Digest>> {
        let listed = fs::read_dir(self.folder.join("blobs/sha256")).map_err(|error| {
            Error::Unusable(format!("{}: {error}", self.folder.join("blobs/sha256").display()))
        })?;
        let names = listed.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut digests: Vec<Digest> =
            names.filter_map(|name| Digest::try_from(format!("sha256:{name}")).ok()).collect();
        digests.sort();
        Ok(digests)
    }
}
