//! Commands that look at what is in a registry.

use image::model::{Descriptor, Document, MediaType, Platform};
use image::registry::Registry;
use primitives::{Error, Result, Status};
use serde_json::{Value, json};

use super::{Inspect, Tags, Towards, nobody, reference};
use crate::cli::printing::{plain, print, print_json};

/// Prints tags, one a line.
pub(super) fn tags(wanted: &Tags) -> Result<Status> {
    let reference = reference(&wanted.repository)?;
    let registry = open(reference.registry(), &wanted.towards)?;
    let part = wanted.containing.as_deref().unwrap_or_default();
    let most = if part.is_empty() { wanted.limit } else { usize::MAX };
    let tags = registry.tags(reference.repository(), wanted.page, most)?;
    let wanted = tags.iter().filter(|tag| tag.contains(part)).take(wanted.limit);
    print(&wanted.map(|tag| format!("{}\n", plain(tag))).collect::<String>())
}

/// Prints what an image is made of.
pub(super) fn inspect(wanted: &Inspect) -> Result<Status> {
    let reference = reference(&wanted.image)?;
    let registry = open(reference.registry(), &wanted.towards)?;
    let repository = reference.repository();
    let fetched = registry.document(repository, &reference.wanted())?;
    if wanted.raw {
        return print(&String::from_utf8_lossy(&fetched.bytes));
    }
    let claimed = MediaType::from(fetched.media_type);
    let document = read(&fetched.bytes, &claimed)?;
    let (digest, kind) = (fetched.digest.clone(), document.media_type().to_string());
    let mut platforms = Vec::new();
    let manifest = match document {
        Document::Manifest(manifest) => manifest,
        Document::Index(index) => {
            platforms.extend(index.manifests.iter().map(one_of_several));
            let platform = wanted.platform.clone().unwrap_or_else(Platform::here);
            let chosen = index.choose(&platform).map_err(|e| Error::Unusable(e.to_string()))?;
            let below = registry.document(repository, &chosen.digest.to_string())?;
            match read(&below.bytes, &chosen.media_type)? {
                Document::Manifest(manifest) => manifest,
                Document::Index(_) => {
                    return Err(Error::Unusable(
                        "an index in an index: name it by its digest".into(),
                    ));
                }
            }
        }
    };
    let config = &manifest.config;
    let config = registry.small_blob(repository, &config.digest, config.size)?;
    let config: Value = serde_json::from_slice(&config).unwrap_or(Value::Null);
    let layers: Vec<Value> = manifest.layers.iter().map(|layer| {
        json!({ "digest": layer.digest, "size": layer.size, "mediaType": layer.media_type })
    }).collect();
    print_json(&json!({
        "name": reference.to_string(),
        "digest": digest,
        "mediaType": kind,
        "platforms": platforms,
        "size": manifest.layers.iter().map(|layer| layer.size).sum::<u64>(),
        "layers": layers,
        "config": config,
    }))
}

fn one_of_several(image: &Descriptor) -> Value {
    let platform = image.platform.as_ref().map(ToString::to_string);
    json!({ "platform": platform, "digest": image.digest, "size": image.size })
}

fn read(bytes: &[u8], claimed: &MediaType) -> Result<Document> {
    Document::read(bytes, claimed).map_err(|error| Error::Unusable(error.to_string()))
}

/// Prints the index of what refers to an image.
pub(super) fn referrers(image: &str, towards: &Towards) -> Result<Status> {
    let reference = reference(image)?;
    let registry = open(reference.registry(), towards)?;
    let repository = reference.repository();
    let digest = match reference.digest() {
        Some(digest) => digest.clone(),
        None => match registry.head(repository, &reference.wanted())? {
            Some(digest) => digest,
            None => registry.document(repository, &reference.wanted())?.digest,
        },
    };
    let index = registry.referrers(repository, &digest)?;
    let index: Value = match index {
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| Error::Unusable(format!("what refers to {digest}: {error}")))?,
        None => json!({ "manifests": [] }),
    };
    print_json(&index["manifests"])
}

fn open(registry: &str, towards: &Towards) -> Result<Registry> {
    let settings = towards.settings(&nobody())?;
    Ok(Registry::open(registry, &settings)?)
}
