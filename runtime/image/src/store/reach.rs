//! What belongs to an image?
//!
//! A name leads to an index or a manifest, that to others, and in the end to blobs and to unpacked
//! layers. What nobody reaches is garbage; what is reached and not there makes an image incomplete.

use std::collections::BTreeSet;

use super::{Error, Result, Store};
use crate::digest::Digest;
use crate::model::{Descriptor, Document, ImageConfig, MOST_OF_A_DOCUMENT, Manifest, Platform};

/// How often an index may lead to another one. Nobody needs more than two.
const DEEPEST: usize = 8;

/// An image that is here: its documents, read and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What its manifest is.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Manifest,
    /// The configuration.
    pub config: ImageConfig,
}

/// What can be reached from some images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Blobs that are here.
    pub blobs: BTreeSet<Digest>,
    /// Unpacked layers, whether they are here or not.
    pub layers: BTreeSet<Digest>,
    /// What should be here and is not.
    pub missing: BTreeSet<Digest>,
    /// The manifests among them.
    pub images: Vec<(Descriptor, Manifest)>,
}

impl Store {
    /// The manifest or index that a descriptor points to, read and verified.
    ///
    /// # Errors
    /// It is not here, spoiled, or not taken for what it is said to be.
    pub fn document(&self, of: &Descriptor) -> Result<Document> {
        let bytes = self.read(of, MOST_OF_A_DOCUMENT)?;
        Ok(Document::read(&bytes, &of.media_type)?)
    }

    /// The configuration of an image.
    ///
    /// # Errors
    /// It is not here, spoiled, not a configuration, or that of another image.
    pub fn config(&self, manifest: &Manifest) -> Result<ImageConfig> {
        let config = ImageConfig::read(&self.read(&manifest.config, MOST_OF_A_DOCUMENT)?)?;
        config.fits(manifest)?;
        Ok(config)
    }

    /// The image for a platform that a manifest, or an index of several, leads to.
    ///
    /// # Errors
    /// There is none for this platform, or its documents are not here, or not right.
    pub fn image(&self, of: &Descriptor, wanted: &Platform) -> Result<Image> {
        let mut descriptor = of.clone();
        for _ in 0..DEEPEST {
            match self.document(&descriptor)? {
                Document::Index(index) => descriptor = index.choose(wanted)?.clone(),
                Document::Manifest(manifest) if manifest.is_image() => {
                    let config = self.config(&manifest)?;
                    return Ok(Image { descriptor, manifest, config });
                }
                Document::Manifest(manifest) => {
                    let kind =
                        manifest.artifact_type.unwrap_or(manifest.config.media_type.to_string());
                    let digest = &descriptor.digest;
                    return Err(Error::Unusable(format!("{digest} is no image, but {kind:?}")));
                }
            }
        }
        Err(too_deep(of))
    }

    /// Adds all that an image leads to. An index may have images that nobody has brought; but one at
    /// least must be here, and all of it.
    ///
    /// # Errors
    /// A document that is here is spoiled, or is not taken for what it is said to be.
    pub fn reach(&self, of: &Descriptor, reach: &mut Reach) -> Result<()> {
        self.reach_within(of, DEEPEST, reach)
    }

    fn reach_within(&self, of: &Descriptor, depth: usize, reach: &mut Reach) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(|| too_deep(of))?;
        if !self.add(of, reach) {
            return Ok(());
        }
        match self.document(of)? {
            Document::Index(index) => {
                let (here, gone): (Vec<_>, Vec<_>) =
                    index.manifests.iter().partition(|child| self.has(child));
                if here.is_empty() {
                    reach.missing.extend(gone.into_iter().map(|child| child.digest.clone()));
                }
                here.into_iter().try_for_each(|child| self.reach_within(child, depth, reach))
            }
            Document::Manifest(manifest) => self.reach_image(of, manifest, reach),
        }
    }

    fn reach_image(&self, of: &Descriptor, manifest: Manifest, reach: &mut Reach) -> Result<()> {
        for layer in &manifest.layers {
            // Its owner gives it away elsewhere, and many who have the image never ask for it.
            if self.has(layer) || !layer.media_type.is_foreign() {
                self.add(layer, reach);
            }
        }
        if self.add(&manifest.config, reach) && manifest.is_image() {
            reach.layers.extend(self.config(&manifest)?.rootfs.diff_ids);
        }
        reach.images.push((of.clone(), manifest));
        Ok(())
    }

    /// Adds a blob to what is reached; whether it is here.
    fn add(&self, blob: &Descriptor, reach: &mut Reach) -> bool {
        let is_here = self.has(blob);
        match is_here {
            true => reach.blobs.insert(blob.digest.clone()),
            false => reach.missing.insert(blob.digest.clone()),
        };
        is_here
    }
}

fn too_deep(of: &Descriptor) -> Error {
    Error::Unusable(format!("{} leads from index to index more than {DEEPEST} times", of.digest))
}
