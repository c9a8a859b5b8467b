//! What is meant, how large is it, and how do I know that I have it?

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::{MediaType, Platform, null_is_empty};
use crate::digest::Digest;

/// The annotation that names an image in a layout's index.
pub const NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that containerd and Docker write the whole name into.
pub const NAME_IN_CONTAINERD: &str = "io.containerd.image.name";
/// The annotation that says when an image was made.
pub const CREATED: &str = "org.opencontainers.image.created";

/// Points to a blob: whoever has one knows what to ask for, how much of it to take, and whether what
/// came is it (image-spec, "Descriptors").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of thing it is.
    pub media_type: MediaType,
    /// What its bytes have to give.
    pub digest: Digest,
    /// How many bytes it has.
    #[serde(deserialize_with = "size")]
    pub size: u64,
    /// Where else it can be had.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// What its maker wants to say about it.
    #[serde(
        default,
        deserialize_with = "null_is_empty",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// What it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What kind of artifact it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Its bytes themselves, in base64. They are not used here, but not lost either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl Descriptor {
    /// One that says the three things that each must say.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
            data: None,
        }
    }

    /// The descriptor of these bytes.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Descriptor {
        Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Its name in a layout's index.
    pub fn name(&self) -> Option<&str> {
        self.annotations.get(NAME).map(String::as_str)
    }

    /// Whether it is a statement about an image, which Docker's builder puts beside it in the index.
    pub fn is_attestation(&self) -> bool {
        self.annotations.contains_key("vnd.docker.reference.type")
    }
}

/// Programs in Go have no larger number for it, so a larger one would mean different things.
fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let size = i64::deserialize(deserializer)?;
    u64::try_from(size).map_err(|_| serde::de::Error::custom(format!("a size of {size} bytes")))
}

#[cfg(test)]
mod tests {
    use super::Descriptor;

    fn with(size: &str) -> Result<Descriptor, serde_json::Error> {
        let hex = "0".repeat(64);
        serde_json::from_str(&format!(
            r#"{{"mediaType":"x/y","digest":"sha256:{hex}","size":{size},"urls":null}}"#
        ))
    }

    #[test]
    fn a_size_is_a_number_that_everybody_can_hold() {
        assert_eq!(with("0").unwrap().size, 0);
        assert_eq!(with("9223372036854775807").unwrap().size, i64::MAX as u64);
        for size in ["-1", "9223372036854775808", "1.5", "1e3", "\"5\"", "null"] {
            assert!(with(size).is_err(), "a size of {size} was taken");
        }
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_said_twice() {
        let text = r#"{"mediaType":"x/y","digest":"sha256:DIGITS","size":3,"urls":["https://h"],
            "annotations":{"a":"b"},"platform":{"architecture":"arm64","os":"windows",
            "os.version":"10","os.features":["win32k"]},"artifactType":"a/b","data":"e30="}"#;
        let text = text.replace("DIGITS", &"a".repeat(64));
        let once: serde_json::Value = serde_json::from_str(&text).unwrap();
        let read: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), once);
        let twice = text.replacen("\"size\":3", "\"size\":3,\"size\":4", 1);
        assert!(serde_json::from_str::<Descriptor>(&twice).is_err());
    }
}
