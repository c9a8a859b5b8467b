//! How does an image become an archive, or a layout of its own?

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::packed;
use super::sinks::{Folder, Sink, Tar};
use crate::digest::{Digest, Hasher};
use crate::model::{Compression, Descriptor, Manifest, NAME, NAME_IN_CONTAINERD, Platform};
use crate::reference::Reference;
use crate::steps::step;
use crate::store::{Error, Named, Reach, Result, Store};

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// What an archive looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A layout, with Docker's `manifest.json` beside it: all tools of today read it.
    Oci,
    /// What `docker save` wrote before there were layouts: layers that are not packed, each in a folder.
    Docker,
}

/// Writes images into a tar archive; of those that are there for several platforms all, or only what
/// runs on `platform`.
///
/// # Errors
/// Something that belongs to an image is not here or spoiled, or the archive cannot be written.
pub fn save(
    store: &Store,
    images: &[Named],
    platform: Option<&Platform>,
    form: Form,
    out: impl Write,
) -> Result<()> {
    let images = complete(store, images, platform)?;
    let mut sink = Tar::new(out);
    step("write the archive", || {
        match form {
            Form::Oci => {
                layout(store, &images, &mut sink)?;
                manifest_json(store, &images, platform, &mut sink)?;
            }
            Form::Docker => legacy(store, &images, platform, &mut sink)?,
        }
        sink.finish()
    })
}

/// Writes images into a new directory, as a layout.
///
/// # Errors
/// As [`save`]; or there is something in the directory's place.
pub fn save_into_folder(
    store: &Store,
    images: &[Named],
    platform: Option<&Platform>,
    folder: &Path,
) -> Result<()> {
    let images = complete(store, images, platform)?;
    step("write the layout", || {
        let mut sink = Folder::new(folder)?;
        layout(store, &images, &mut sink)?;
        sink.finish()
    })
}

/// An image that is here with all that belongs to it.
struct Complete {
    name: String,
    image: Descriptor,
    reach: Reach,
}

fn complete(store: &Store, images: &[Named], platform: Option<&Platform>) -> Result<Vec<Complete>> {
    let whole = |named: &Named| {
        let image = match platform {
            Some(wanted) => store.image(&named.image, wanted)?.descriptor,
            None => named.image.clone(),
        };
        let mut reach = Reach::default();
        store.reach(&image, &mut reach)?;
        match reach.missing.first() {
            Some(missing) => Err(Error::Missing(missing.clone())),
            None => Ok(Complete { name: named.name.clone(), image, reach }),
        }
    };
    images.iter().map(whole).collect()
}

fn layout(store: &Store, images: &[Complete], sink: &mut impl Sink) -> Result<()> {
    sink.small("oci-layout", LAYOUT)?;
    let described = |one: &Complete| {
        let mut image = one.image.clone();
        image.annotations.insert(NAME.to_string(), one.name.clone());
        image.annotations.insert(NAME_IN_CONTAINERD.to_string(), one.name.clone());
        image
    };
    let index = json!({
        "schemaVersion": 2,
        "mediaType": crate::model::MediaType::OciIndex,
        "manifests": images.iter().map(described).collect::<Vec<_>>(),
    });
    sink.small("index.json", index.to_string().as_bytes())?;
    let blobs: BTreeSet<&Digest> = images.iter().flat_map(|one| &one.reach.blobs).collect();
    for blob in blobs {
        let size = store.size_of(blob);
        let kind = crate::model::MediaType::Other(String::new());
        let mut content = store.reader(&Descriptor::new(kind, blob.clone(), size))?;
        sink.file(&path_of(blob), size, &mut content)?;
    }
    Ok(())
}

fn path_of(blob: &Digest) -> String {
    format!("blobs/{}/{}", blob.algorithm().name(), blob.hex())
}

/// The image of each name that Docker's form can hold: one for one platform.
fn for_docker<'a>(
    store: &Store,
    images: &'a [Complete],
    platform: Option<&Platform>,
) -> Result<Vec<(&'a str, Manifest)>> {
    let here = Platform::here();
    let one = |image: &'a Complete| {
        let chosen = store.image(&image.image, platform.unwrap_or(&here));
        let manifest = match (chosen, image.reach.images.as_slice()) {
            (Ok(chosen), _) => chosen.manifest,
            (Err(_), [(_, only)]) if only.is_image() => only.clone(),
            (Err(why), _) => return Err(why),
        };
        Ok((image.name.as_str(), manifest))
    };
    images.iter().map(one).collect()
}

/// Docker's view of the layout that it lies in. An image that Docker could not run has none.
fn manifest_json(
    store: &Store,
    images: &[Complete],
    platform: Option<&Platform>,
    sink: &mut impl Sink,
) -> Result<()> {
    let Ok(images) = for_docker(store, images, platform) else { return Ok(()) };
    let items = by_config(&images, |manifest| {
        let layers = manifest.layers.iter().map(|layer| path_of(&layer.digest));
        (path_of(&manifest.config.digest), layers.collect())
    });
    sink.small("manifest.json", Value::from(items).to_string().as_bytes())
}

/// An item for each configuration, with all names that it has.
fn by_config(
    images: &[(&str, Manifest)],
    paths: impl Fn(&Manifest) -> (String, Vec<String>),
) -> Vec<Value> {
    let mut items: BTreeMap<&Digest, (&Manifest, Vec<&str>)> = BTreeMap::new();
    for (name, manifest) in images {
        let (_, tags) = items.entry(&manifest.config.digest).or_insert((manifest, Vec::new()));
        // What has no tag has no name for Docker.
        let tagged = name.parse::<Reference>().is_ok_and(|name| name.digest().is_none());
        tags.extend(tagged.then_some(*name));
    }
    let item = |(manifest, tags): &(&Manifest, Vec<&str>)| {
        let (config, layers) = paths(manifest);
        json!({ "Config": config, "RepoTags": tags, "Layers": layers })
    };
    items.values().map(item).collect()
}

fn legacy(
    store: &Store,
    images: &[Complete],
    platform: Option<&Platform>,
    sink: &mut impl Sink,
) -> Result<()> {
    let images = for_docker(store, images, platform)?;
    let mut written = BTreeSet::new();
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut folders = BTreeMap::new();
    for (name, manifest) in &images {
        let config = &manifest.config;
        let bytes = store.read(config, crate::model::MOST_OF_A_DOCUMENT)?;
        let ids = store.config(manifest)?.rootfs.diff_ids;
        if written.insert(config.digest.clone()) {
            sink.small(&format!("{}.json", config.digest.hex()), &bytes)?;
        }
        let mut parent = None;
        for (layer, id) in manifest.layers.iter().zip(&ids) {
            if written.insert(id.clone()) {
                plain_layer(store, layer, id, parent, sink)?;
            }
            parent = Some(id);
        }
        if let (Some(top), Ok(name)) = (ids.last(), name.parse::<Reference>())
            && let Some(tag) = name.tag()
        {
            let repository = format!("{}/{}", name.registry(), name.repository());
            let tags = repositories.entry(repository).or_default();
            tags.insert(tag.to_string(), top.hex().to_string());
        }
        folders.insert(config.digest.clone(), ids);
    }
    let items = by_config(&images, |manifest| {
        let ids = &folders[&manifest.config.digest];
        let layers = ids.iter().map(|id| format!("{}/layer.tar", id.hex()));
        (format!("{}.json", manifest.config.digest.hex()), layers.collect())
    });
    sink.small("manifest.json", Value::from(items).to_string().as_bytes())?;
    sink.small("repositories", json!(repositories).to_string().as_bytes())
}

/// A layer's tar archive as it is without packing. Its size stands before it, so it is unpacked twice:
/// to know the size, and to be written.
fn plain_layer(
    store: &Store,
    layer: &Descriptor,
    id: &Digest,
    parent: Option<&Digest>,
    sink: &mut impl Sink,
) -> Result<()> {
    let how = layer.media_type.compression().unwrap_or(Compression::None);
    let spoiled = |why: std::io::Error| Error::Spoiled {
        digest: layer.digest.clone(),
        why: format!("it cannot be unpacked: {why}"),
    };
    let open = || -> Result<Box<dyn Read>> {
        packed::reader(BufReader::with_capacity(1 << 17, store.reader(layer)?), how)
            .map_err(spoiled)
    };
    let (mut first, mut some, mut size) = (open()?, vec![0; 1 << 16], 0);
    let mut hasher = Hasher::new(id.algorithm());
    loop {
        match first.read(&mut some).map_err(spoiled)? {
            0 => break,
            read => {
                hasher.update(&some[..read]);
                size += read as u64;
            }
        }
    }
    let found = hasher.finish();
    if found != *id {
        let why = format!("unpacked it is {found}, and not {id}");
        return Err(Error::Spoiled { digest: layer.digest.clone(), why });
    }
    let folder = id.hex();
    sink.small(&format!("{folder}/VERSION"), b"1.0")?;
    let about = json!({ "id": folder, "parent": parent.map(Digest::hex) });
    sink.small(&format!("{folder}/json"), about.to_string().as_bytes())?;
    sink.file(&format!("{folder}/layer.tar"), size, &mut open()?)
}
