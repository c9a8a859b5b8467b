//! What does `docker save` mean?
//!
//! `manifest.json` names, for each image, the file with its configuration, its layers and its tags. From
//! that a manifest is made here, since Docker's form has none. A layer may be another name for a layer:
//! Docker writes a symbolic link for it, which here leads from one name of the archive to another.

use serde::Deserialize;
use serde_json::json;

use super::entries::cleaned;
use super::load::{Found, Gathered};
use crate::digest::Digest;
use crate::model::{Compression, Descriptor, ImageConfig, MOST_OF_A_DOCUMENT, MediaType};
use crate::store::nameless::{Stored, packed_how};
use crate::store::{Error, Result, Store};

/// How often a name may lead to another one.
const MOST_LINKS: usize = 8;

/// One image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

pub(super) fn images(store: &Store, gathered: &mut Gathered) -> Result<Vec<Found>> {
    let Some(text) = gathered.small.get("manifest.json") else {
        return Err(match gathered.small.contains_key("repositories") {
            true => refused("it is of the form that Docker had before version 1.10"),
            false => refused("it has neither an index.json nor a manifest.json: it is no image"),
        });
    };
    let items: Vec<Item> = serde_json::from_slice(text)
        .map_err(|why| refused(&format!("its manifest.json cannot be understood: {why}")))?;
    items.into_iter().map(|item| image(store, gathered, item)).collect()
}

fn image(store: &Store, gathered: &mut Gathered, item: Item) -> Result<Found> {
    let config = member(store, gathered, &item.config)?;
    let described = |kind: MediaType, stored: &Stored| {
        Descriptor::new(kind, stored.digest.clone(), stored.size)
    };
    let config = described(MediaType::OciConfig, &config);
    let known = ImageConfig::read(&store.read(&config, MOST_OF_A_DOCUMENT)?)?;
    let paths = item.layers.unwrap_or_default();
    let mut layers = Vec::new();
    for path in &paths {
        let stored = member(store, gathered, path)?;
        layers.push(described(MediaType::OciLayer(stored.compression), &stored));
    }
    same_layers(&known.rootfs.diff_ids, &layers)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OciManifest,
        "config": config,
        "layers": layers,
    });
    let manifest = manifest.to_string().into_bytes();
    let mut image = Descriptor::of(MediaType::OciManifest, &manifest);
    store.put(&manifest, &image.digest)?;
    gathered.came.blobs.insert(image.digest.clone());
    image.platform = Some(known.platform());
    let names = item.repo_tags.unwrap_or_default();
    let names = names.iter().map(|name| name.parse());
    let names = names.collect::<std::result::Result<_, _>>();
    let names = names.map_err(|why: crate::reference::NotAReference| refused(&why.to_string()))?;
    Ok(Found { image, names, called: Vec::new() })
}

/// What is not packed has the digest that the configuration names; what is packed is looked at when it
/// is unpacked.
fn same_layers(diff_ids: &[Digest], layers: &[Descriptor]) -> Result<()> {
    if diff_ids.len() != layers.len() {
        let (ids, files) = (diff_ids.len(), layers.len());
        return Err(refused(&format!("its configuration has {ids} layers, its manifest {files}")));
    }
    let plain = |layer: &Descriptor| layer.media_type.compression() == Some(Compression::None);
    let wrong =
        diff_ids.iter().zip(layers).find(|(id, layer)| plain(layer) && **id != layer.digest);
    match wrong {
        Some((id, layer)) => {
            let why = format!("the archive has {} in its place", layer.digest);
            Err(Error::Spoiled { digest: id.clone(), why })
        }
        None => Ok(()),
    }
}

/// A file of the archive, as a blob.
fn member(store: &Store, gathered: &mut Gathered, path: &str) -> Result<Stored> {
    let none = || refused(&format!("{path:?} is not in it"));
    let mut name = cleaned("", path).ok_or_else(none)?;
    for _ in 0..MOST_LINKS {
        if let Some(stored) = gathered.large.get(&name) {
            return Ok(stored.clone());
        }
        if let Some(bytes) = gathered.small.get(&name) {
            let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
            store.put(bytes, &digest)?;
            gathered.came.blobs.insert(digest.clone());
            return Ok(Stored { digest, size, compression: packed_how(bytes) });
        }
        // Newer versions of Docker point into the layout that lies in the same archive.
        let digest = super::load::digest_of(&name);
        if let Some(digest) = digest.filter(|digest| gathered.came.blobs.contains(digest)) {
            return blob(store, digest).ok_or_else(none);
        }
        name = gathered.links.get(&name).ok_or_else(none)?.clone();
    }
    Err(refused(&format!("{path:?} leads from name to name")))
}

/// A blob that has come under its own digest.
fn blob(store: &Store, digest: Digest) -> Option<Stored> {
    let mut begins = [0; 4];
    let read = std::io::Read::read(&mut store.open_blob(&digest).ok()?, &mut begins).ok()?;
    let size = store.size_of(&digest);
    Some(Stored { digest, size, compression: packed_how(&begins[..read]) })
}

fn refused(why: &str) -> Error {
    Error::Unusable(format!("the archive is refused: {why}"))
}
