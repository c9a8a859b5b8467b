//! What kind of thing is this?

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kind of a document or a blob, by its registered name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum MediaType {
    /// A list of manifests, for several platforms.
    OciIndex,
    /// One image: a configuration and layers.
    OciManifest,
    /// The configuration of an image.
    OciConfig,
    /// A layer.
    OciLayer(Compression),
    /// A layer that its owner does not want to see in other registries.
    OciLayerNondistributable(Compression),
    /// Docker's [`MediaType::OciIndex`].
    DockerList,
    /// Docker's [`MediaType::OciManifest`].
    DockerManifest,
    /// Docker's [`MediaType::OciConfig`].
    DockerConfig,
    /// Docker's [`MediaType::OciLayer`].
    DockerLayer(Compression),
    /// Docker's [`MediaType::OciLayerNondistributable`].
    DockerForeign(Compression),
    /// Nothing at all: `{}`, where something has to be named.
    Empty,
    /// What is not known here.
    Other(String),
}

/// How a layer's tar archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// It is not.
    None,
    /// By gzip.
    Gzip,
    /// By zstd.
    Zstd,
}

/// Every name that is known, once.
static NAMES: [(&str, MediaType); 18] = {
    use Compression::{Gzip, None, Zstd};
    use MediaType as M;
    [
        ("application/vnd.oci.image.index.v1+json", M::OciIndex),
        ("application/vnd.oci.image.manifest.v1+json", M::OciManifest),
        ("application/vnd.oci.image.config.v1+json", M::OciConfig),
        ("application/vnd.oci.image.layer.v1.tar", M::OciLayer(None)),
        ("application/vnd.oci.image.layer.v1.tar+gzip", M::OciLayer(Gzip)),
        ("application/vnd.oci.image.layer.v1.tar+zstd", M::OciLayer(Zstd)),
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
            M::OciLayerNondistributable(None),
        ),
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            M::OciLayerNondistributable(Gzip),
        ),
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
            M::OciLayerNondistributable(Zstd),
        ),
        ("application/vnd.docker.distribution.manifest.list.v2+json", M::DockerList),
        ("application/vnd.docker.distribution.manifest.v2+json", M::DockerManifest),
        ("application/vnd.docker.container.image.v1+json", M::DockerConfig),
        ("application/vnd.docker.image.rootfs.diff.tar", M::DockerLayer(None)),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", M::DockerLayer(Gzip)),
        ("application/vnd.docker.image.rootfs.diff.tar.zstd", M::DockerLayer(Zstd)),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar", M::DockerForeign(None)),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", M::DockerForeign(Gzip)),
        ("application/vnd.oci.empty.v1+json", M::Empty),
    ]
};

impl MediaType {
    /// How its tar archive is packed, if it is a layer.
    pub fn compression(&self) -> Option<Compression> {
        match self {
            MediaType::OciLayer(compression)
            | MediaType::OciLayerNondistributable(compression)
            | MediaType::DockerLayer(compression)
            | MediaType::DockerForeign(compression) => Some(*compression),
            _ => None,
        }
    }

    /// Whether it is a list of manifests.
    pub fn is_index(&self) -> bool {
        matches!(self, MediaType::OciIndex | MediaType::DockerList)
    }

    /// Whether it is a manifest.
    pub fn is_manifest(&self) -> bool {
        matches!(self, MediaType::OciManifest | MediaType::DockerManifest)
    }

    /// Whether it is the configuration of an image that can be run.
    pub fn is_config(&self) -> bool {
        matches!(self, MediaType::OciConfig | MediaType::DockerConfig)
    }

    /// Whether it is a layer that may be missing: its owner gives it away elsewhere.
    pub fn is_foreign(&self) -> bool {
        matches!(self, MediaType::OciLayerNondistributable(_) | MediaType::DockerForeign(_))
    }

    /// Whether it is one of Docker's names, whose documents must say what they are.
    pub fn is_dockers(&self) -> bool {
        use MediaType::{DockerConfig, DockerForeign, DockerLayer, DockerList, DockerManifest};
        let (list, manifest) = (matches!(self, DockerList), matches!(self, DockerManifest));
        list || manifest || matches!(self, DockerConfig | DockerLayer(_) | DockerForeign(_))
    }
}

impl Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = NAMES.iter().find(|(_, media_type)| media_type == self);
        match (known, self) {
            (Some((name, _)), _) => f.write_str(name),
            (None, MediaType::Other(name)) => f.write_str(name),
            // The one that nobody has registered, written as its neighbours are.
            (None, _) => f.write_str("application/vnd.docker.image.rootfs.foreign.diff.tar.zstd"),
        }
    }
}

impl From<String> for MediaType {
    fn from(text: String) -> MediaType {
        // Registries add parameters to it, such as a character set, and some write it in capitals.
        let bare = text.split(';').next().unwrap_or_default().trim();
        let known = NAMES.iter().find(|(name, _)| bare.eq_ignore_ascii_case(name));
        match known {
            Some((_, media_type)) => media_type.clone(),
            None => MediaType::Other(text),
        }
    }
}

impl From<MediaType> for String {
    fn from(media_type: MediaType) -> String {
        media_type.to_string()
    }
}

impl FromStr for MediaType {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<MediaType, Infallible> {
        Ok(MediaType::from(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Compression, MediaType, NAMES};

    #[test]
    fn each_name_is_read_as_it_is_written() {
        for (name, media_type) in &NAMES {
            assert_eq!(media_type.to_string(), *name);
            assert_eq!(name.parse().as_ref(), Ok(media_type));
        }
        let other = "text/html; charset=utf-8";
        assert_eq!(MediaType::from(other.to_string()).to_string(), other);
    }

    #[test]
    fn a_registrys_parameters_do_not_matter() {
        let text = "Application/vnd.oci.image.index.v1+JSON; charset=utf-8";
        assert_eq!(MediaType::from(text.to_string()), MediaType::OciIndex);
    }

    #[test]
    fn what_a_layer_is_packed_with() {
        let layer: MediaType = "application/vnd.oci.image.layer.v1.tar+zstd".parse().unwrap();
        assert_eq!(layer.compression(), Some(Compression::Zstd));
        assert!(MediaType::DockerForeign(Compression::Gzip).is_foreign());
        assert_eq!(MediaType::OciIndex.compression(), None);
    }

    proptest::proptest! {
        /// Whatever it is, it is written as it was read, but for letters and parameters of known ones.
        #[test]
        fn a_name_is_kept(text in "[ -~]{0,60}") {
            let once = MediaType::from(text.clone());
            let again = MediaType::from(once.to_string());
            proptest::prop_assert_eq!(&once, &again);
            if let MediaType::Other(kept) = once {
                proptest::prop_assert_eq!(kept, text);
            }
        }
    }
}
