//! How does an image go from anywhere to anywhere else?
//!
//! Its documents are read from the top down, because each says what belongs to it; they are given from
//! the bottom up, because a registry takes none before all that it points to is there.

use std::collections::HashSet;
use std::sync::Arc;

use super::ends::{Source, Target};
use super::progress::{Audience, News};
use super::workers::for_each;
use super::{Error, Result};
use crate::digest::Digest;
use crate::model::{Descriptor, Document, Index, Platform};
use crate::steps::step;

/// How much of an index is copied.
#[derive(Clone, Debug)]
pub enum Extent {
    /// All of it, and nothing may be missing.
    Everything,
    /// The image for one platform, without the index.
    One(Platform),
    /// All of it if it is there, else the image for this platform.
    WhatIsThere(Platform),
}

/// Copies an image. Gives what is at the other end now.
///
/// # Errors
/// Something of it is not there, is not what it should be, or is not taken.
pub fn copy(
    source: &dyn Source,
    target: &dyn Target,
    extent: &Extent,
    jobs: usize,
    audience: &Arc<dyn Audience>,
) -> Result<Descriptor> {
    let mut cargo = Cargo::default();
    let (image, bytes) = step("see what belongs to it", || {
        let (image, bytes) = source.image()?;
        cargo.load(source, image, bytes, extent, 0)
    })?;
    for blob in &cargo.blobs {
        audience.hear(blob, News::Known);
    }
    let Cargo { documents, blobs, .. } = cargo;
    for_each(
        blobs,
        jobs,
        |blob| blob.size,
        |blob| {
            let done = step("move a blob", || target.take_blob(&blob, source, audience));
            audience.hear(&blob, *done.as_ref().unwrap_or(&News::Failed));
            done.map(drop)
        },
    )?;
    step("give documents and name", || {
        for (document, bytes) in &documents {
            target.take_document(document, bytes)?;
        }
        target.name(&image, &bytes)
    })?;
    audience.hear(&image, News::Whole);
    Ok(image)
}

/// Everything that an image consists of, but for the top.
#[derive(Default)]
struct Cargo {
    /// Those below before those above.
    documents: Vec<(Descriptor, Vec<u8>)>,
    blobs: Vec<Descriptor>,
    seen: HashSet<Digest>,
}

impl Cargo {
    /// Adds all that is below a document. Gives the top, which is another one where only one platform's
    /// image is taken.
    fn load(
        &mut self,
        source: &dyn Source,
        image: Descriptor,
        bytes: Vec<u8>,
        extent: &Extent,
        depth: u32,
    ) -> Result<(Descriptor, Vec<u8>)> {
        const DEEPEST: u32 = 3;
        if depth > DEEPEST {
            let what = format!("there are more than {DEEPEST} indexes in each other");
            return Err(Error::Unusable(what));
        }
        let about = || Error::about(image.digest.to_string());
        match Document::read(&bytes, &image.media_type).map_err(about())? {
            Document::Manifest(manifest) => {
                let layers = manifest.layers.iter();
                for blob in layers.chain([&manifest.config]) {
                    // What its owner does not want to see elsewhere stays where it is.
                    let foreign = blob.media_type.is_foreign() && !blob.urls.is_empty();
                    if !foreign && self.seen.insert(blob.digest.clone()) {
                        self.blobs.push(blob.clone());
                    }
                }
                Ok((image, bytes))
            }
            Document::Index(index) => match extent {
                Extent::Everything => self.whole(source, image, bytes, &index, depth),
                Extent::WhatIsThere(_) if is_all_there(source, &index)? => {
                    self.whole(source, image, bytes, &index, depth)
                }
                Extent::One(platform) | Extent::WhatIsThere(platform) => {
                    let one = index.choose(platform).map_err(about())?.clone();
                    let bytes = needed(source, &one)?;
                    self.load(source, one, bytes, extent, depth + 1)
                }
            },
        }
    }

    fn whole(
        &mut self,
        source: &dyn Source,
        image: Descriptor,
        bytes: Vec<u8>,
        index: &Index,
        depth: u32,
    ) -> Result<(Descriptor, Vec<u8>)> {
        for child in &index.manifests {
            let document = needed(source, child)?;
            let everything = &Extent::Everything;
            let (child, document) =
                self.load(source, child.clone(), document, everything, depth + 1)?;
            if self.seen.insert(child.digest.clone()) {
                self.documents.push((child, document));
            }
        }
        Ok((image, bytes))
    }
}

fn needed(source: &dyn Source, wanted: &Descriptor) -> Result<Vec<u8>> {
    source.document(wanted)?.ok_or_else(|| {
        let platform = wanted.platform.as_ref().map(|is| format!(" for {is}")).unwrap_or_default();
        Error::Unusable(format!(
            "the image{platform} ({}) is not here: pull it with --all-platforms, or copy one alone \
             with --platform",
            wanted.digest
        ))
    })
}

fn is_all_there(source: &dyn Source, index: &Index) -> Result<bool> {
    for child in &index.manifests {
        if source.document(child)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}
