//! Is this a manifest or an index, and never both?
//!
//! The same bytes, and so the same digest, must not be an index for one program and a manifest for
//! another (CVE-2021-41190): then somebody could have checked one image and somebody else run another.
//! So a document must be what it was said to be, must say the same of itself, and must have nothing in
//! it that belongs to the other kind.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Descriptor, MediaType, Platform, Refused, null_is_empty};

/// The most that is read of a manifest or an index. Registries have to take as much (distribution-spec,
/// "Pushing Manifests"), and nobody writes more.
pub const MOST_OF_A_DOCUMENT: u64 = 4 << 20;

/// A document that points to others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is taken apart at once"
)]
pub enum Document {
    /// A list of manifests, for several platforms.
    Index(Index),
    /// One image, or an artifact.
    Manifest(Manifest),
}

/// One image: a configuration and layers, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// What it says that it is.
    #[serde(default)]
    pub media_type: Option<MediaType>,
    /// What kind of artifact it is, where it is no image.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    #[serde(deserialize_with = "null_is_empty")]
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about.
    #[serde(default)]
    pub subject: Option<Descriptor>,
    /// What its maker wants to say about it.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// What it says that it is.
    #[serde(default)]
    pub media_type: Option<MediaType>,
    /// What kind of artifact it is.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// The manifests, and indexes again.
    #[serde(deserialize_with = "null_is_empty")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about.
    #[serde(default)]
    pub subject: Option<Descriptor>,
    /// What its maker wants to say about it.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Document {
    /// Reads a document that was `claimed` to be of a kind: by the descriptor that led to it, or where
    /// there is none, by the server's `Content-Type`, which counts only if it is a document's.
    ///
    /// # Errors
    /// It is too large, not JSON, not what it was claimed to be, or could be two things.
    pub fn read(bytes: &[u8], claimed: &MediaType) -> Result<Document, Refused> {
        let outline = Outline::read(bytes)?;
        let kind = outline.kind(claimed)?;
        outline.has_only_what_belongs_to(&kind)?;
        let unreadable = |what| move |why| Refused::Unreadable { what, why };
        match kind.is_index() {
            true => serde_json::from_slice(bytes)
                .map(Document::Index)
                .map_err(unreadable("an index of images")),
            false => serde_json::from_slice(bytes)
                .map(Document::Manifest)
                .map_err(unreadable("an image's manifest")),
        }
    }

    /// What it is.
    pub fn media_type(&self) -> MediaType {
        match self {
            Document::Index(index) => index.media_type.clone().unwrap_or(MediaType::OciIndex),
            Document::Manifest(manifest) => {
                manifest.media_type.clone().unwrap_or(MediaType::OciManifest)
            }
        }
    }

    /// All that it points to, but for its subject, which it only talks about.
    pub fn children(&self) -> impl Iterator<Item = &Descriptor> {
        let (config, rest) = match self {
            Document::Index(index) => (None, &index.manifests),
            Document::Manifest(manifest) => (Some(&manifest.config), &manifest.layers),
        };
        config.into_iter().chain(rest)
    }
}

impl Manifest {
    /// Whether it is an image that can be run, and not some other thing in an image's clothes.
    pub fn is_image(&self) -> bool {
        let layers = self.layers.iter().all(|layer| layer.media_type.compression().is_some());
        self.config.media_type.is_config() && layers
    }
}

impl Index {
    /// The image that runs best on a platform; of equals the first.
    ///
    /// # Errors
    /// None runs there: says what there is.
    pub fn choose(&self, wanted: &Platform) -> Result<&Descriptor, Refused> {
        let images = || self.manifests.iter().filter(|image| !image.is_attestation());
        let ranked = images().filter_map(|image| {
            let rank = wanted.rank(image.platform.as_ref()?)?;
            Some((rank, image))
        });
        if let Some((_, best)) = ranked.min_by_key(|(rank, _)| *rank) {
            return Ok(best);
        }
        // Who makes one image only may not say for what.
        let mut silent = images().filter(|image| image.platform.is_none());
        if let (Some(only), None) = (silent.next(), silent.next()) {
            return Ok(only);
        }
        let there: BTreeSet<String> = images()
            .map(|image| {
                image.platform.as_ref().map_or("one unnamed".to_string(), Platform::to_string)
            })
            .collect();
        let there = match there.is_empty() {
            true => "none at all".to_string(),
            false => there.into_iter().collect::<Vec<_>>().join(", "),
        };
        Err(Refused::NoPlatform { wanted: wanted.to_string(), there })
    }
}

/// Which words a document has on its first level, before it is decided what it is.
struct Outline {
    words: BTreeSet<String>,
    media_type: Option<MediaType>,
    version: Option<u64>,
}

/// What all kinds have in common.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<MediaType>,
}

impl Outline {
    fn read(bytes: &[u8]) -> Result<Outline, Refused> {
        let (what, size) = ("a manifest or index", bytes.len() as u64);
        if size > MOST_OF_A_DOCUMENT {
            return Err(Refused::TooLarge { what, size, most: MOST_OF_A_DOCUMENT });
        }
        let unreadable = |why| Refused::Unreadable { what, why };
        let all: BTreeMap<String, IgnoredAny> =
            serde_json::from_slice(bytes).map_err(unreadable)?;
        let head: Head = serde_json::from_slice(bytes).map_err(unreadable)?;
        let words = all.into_keys().collect();
        same_word_in_other_letters(&words)?;
        let media_type = head.media_type.filter(|is| *is != MediaType::Other(String::new()));
        Ok(Outline { words, media_type, version: head.schema_version })
    }

    fn has(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// What the document is, if all who say something about it agree.
    fn kind(&self, claimed: &MediaType) -> Result<MediaType, Refused> {
        let is_document = |kind: &&MediaType| kind.is_index() || kind.is_manifest();
        let first_schema =
            |kind: &MediaType| kind.to_string().contains("docker.distribution.manifest.v1+");
        let says = self.media_type.as_ref();
        if self.version == Some(1) || first_schema(claimed) || says.is_some_and(first_schema) {
            return Err(Refused::Kind(
                "this is an image manifest of Docker's schema 1, which cannot be verified and is no \
                 longer read: ask whoever has made the image to push it again"
                    .to_string(),
            ));
        }
        if self.version != Some(2) {
            let version = self.version.map_or("none".to_string(), |version| version.to_string());
            return Err(Refused::Kind(format!("schemaVersion has to be 2, and is {version}")));
        }
        if claimed.is_config() || claimed.compression().is_some() {
            return Err(Refused::Kind(format!("{claimed} is neither a manifest nor an index")));
        }
        match (Some(claimed).filter(is_document), says) {
            (Some(claimed), Some(says)) if claimed == says => Ok(says.clone()),
            (Some(claimed), Some(says)) => Err(Refused::Ambiguous(format!(
                "it was found under {claimed}, but calls itself {says}"
            ))),
            // In the first version of OCI's format it was left out; in Docker's it never was.
            (Some(claimed), None) if !claimed.is_dockers() => Ok(claimed.clone()),
            (Some(claimed), None) => Err(Refused::Ambiguous(format!(
                "it was found under {claimed}, but has no mediaType"
            ))),
            (None, Some(says)) if is_document(&says) => Ok(says.clone()),
            (None, Some(says)) => Err(Refused::Kind(format!(
                "the document calls itself {says}, which is neither a manifest nor an index"
            ))),
            (None, None) if self.has("manifests") => Ok(MediaType::OciIndex),
            (None, None) => Ok(MediaType::OciManifest),
        }
    }

    fn has_only_what_belongs_to(&self, kind: &MediaType) -> Result<(), Refused> {
        let foreign: &[&str] = match kind.is_index() {
            true => &["config", "layers", "fsLayers", "history", "signatures", "blobs"],
            false => &["manifests", "fsLayers", "history", "signatures", "blobs"],
        };
        match foreign.iter().find(|word| self.has(word)) {
            Some(word) => Err(Refused::Ambiguous(format!("{kind} has no {word:?} in it"))),
            None => Ok(()),
        }
    }
}

/// Go takes `Layers` for `layers`, so a document with both means two things.
fn same_word_in_other_letters(words: &BTreeSet<String>) -> Result<(), Refused> {
    const KNOWN: [&str; 12] = [
        "schemaVersion",
        "mediaType",
        "artifactType",
        "config",
        "layers",
        "manifests",
        "subject",
        "annotations",
        "fsLayers",
        "history",
        "signatures",
        "blobs",
    ];
    for word in words {
        let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(word));
        if let Some(known) = known.filter(|known| *known != word) {
            return Err(Refused::Ambiguous(format!("{word:?} is {known:?} for some programs")));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
