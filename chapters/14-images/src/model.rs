//! What do the files of an image say?
//!
//! Only what this chapter needs of the OCI image specification 1.1; what else stands in them is passed
//! over, and never written again.

use std::collections::BTreeMap;

use primitives::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::blob::Digest;

/// The media types ("OCI Image Media Types").
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// A manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A configuration.
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// A layer; `+gzip` or `+zstd` may follow.
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The annotation that gives an image of a layout its name.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

// ANCHOR: descriptor
/// Points to a blob: what kind it is, what it is called, how long it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}
// ANCHOR_END: descriptor

/// For which machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) architecture: String,
}

/// Several images: of a layout, or one image for several machines.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    pub(crate) media_type: Option<String>,
    pub(crate) manifests: Vec<Descriptor>,
}

/// One image for one machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    pub(crate) media_type: Option<String>,
    pub(crate) config: Descriptor,
    /// The lowest first.
    pub(crate) layers: Vec<Descriptor>,
}

/// What to run in it, and what its layers are when they are not compressed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Config {
    #[serde(flatten)]
    pub(crate) platform: Platform,
    #[serde(default)]
    pub(crate) config: Run,
    pub(crate) rootfs: Rootfs,
}

/// How a container is started from it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Run {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) env: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cmd: Option<Vec<String>>,
}

/// The digests of its layers as plain tars, the lowest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Rootfs {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) diff_ids: Vec<Digest>,
}

impl Index {
    pub(crate) fn new(manifests: Vec<Descriptor>) -> Index {
        Index { schema_version: 2, media_type: Some(INDEX.to_string()), manifests }
    }

    // ANCHOR: choose
    /// The image for this machine, written `OS/ARCHITECTURE`.
    pub(crate) fn choose(&self, platform: &str) -> Result<&Descriptor> {
        let name = |wanted: &Platform| format!("{}/{}", wanted.os, wanted.architecture);
        let there: Vec<_> = self.manifests.iter().filter_map(|it| it.platform.as_ref()).collect();
        let fits = |it: &&Descriptor| it.platform.as_ref().is_some_and(|it| name(it) == platform);
        self.manifests.iter().find(fits).ok_or_else(|| {
            let there: Vec<_> = there.into_iter().map(name).collect();
            Error::Unusable(format!("not for {platform}: this image is for {}", there.join(", ")))
        })
    }
    // ANCHOR_END: choose
}

// ANCHOR: read
/// Reads JSON that has been checked.
pub(crate) fn read<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::Unusable(format!("this is no {what}: {error}")))
}
// ANCHOR_END: read

/// Writes JSON: the same value is the same bytes.
pub(crate) fn written<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("these types have text for keys, and no floats")
}
