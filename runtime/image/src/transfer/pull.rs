//! How does an image come from a registry into the store, unpacked, in one pass?
//!
//! The bytes of a layer go through once: from the network into a file, and on the way through two
//! digests and the unpacker into a directory. Neither the file nor the directory has its name before
//! both digests are right. The name of the image comes last.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::progress::{Audience, News};
use super::tee::{Stream, Tee};
use super::workers::for_each;
use super::{Error, Result};
use crate::digest::Digest;
use crate::model::{
    Descriptor, Document, ImageConfig, MOST_OF_A_DOCUMENT, Manifest, MediaType, Platform,
};
use crate::reference::Reference;
use crate::registry::Registry;
use crate::steps::step;
use crate::store::{Arrival, Receiving, Store};
use crate::unpack::{self, Budget, Manner};

/// How an image is pulled.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// For which platform, where there are several.
    pub platform: Platform,
    /// All platforms: blobs only, for whoever passes the image on.
    pub every_platform: bool,
    /// Whether layers are unpacked at once.
    pub unpacks: bool,
    /// How many large layers are worked on at once.
    pub jobs: usize,
    /// How much of the machine one layer may want.
    pub budget: Budget,
    /// How what a layer wants is carried out.
    pub manner: Manner,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// What the name stands for now: an index, or a manifest.
    pub image: Descriptor,
    /// Whether anything had to be fetched.
    pub is_new: bool,
}

/// One pull, while it goes on.
struct Pull<'a> {
    registry: &'a Registry,
    repository: &'a str,
    store: &'a Store,
    wishes: &'a Wishes,
    audience: &'a dyn Audience,
}

/// A layer, as it is packed and as it is unpacked.
struct Layer {
    packed: Descriptor,
    /// The digest of its tar; none when it is not to be unpacked.
    diff_id: Option<Digest>,
}

/// Brings an image and all that it consists of, as far as it is not here, and names it.
///
/// # Errors
/// The registry does not give it, it is not what it should be, or the store does not take it. What
/// came so far stays, and the same call goes on with it.
pub fn pull(
    store: &Store,
    registry: &Registry,
    reference: &Reference,
    wishes: &Wishes,
    audience: &dyn Audience,
) -> Result<Pulled> {
    let repository = reference.repository();
    let pull = Pull { registry, repository, store, wishes, audience };
    let digest = pull.meaning(reference)?;
    let is_new = !pull.is_here(reference, digest.as_ref());
    let image = match (is_new, &digest) {
        (false, Some(_)) => store.resolve(&reference.to_string())?,
        _ => {
            let (image, document) = pull.top(reference, digest.as_ref())?;
            pull.all_below(&image, document, 0)?;
            store.name(reference, &image)?;
            image
        }
    };
    Ok(Pulled { image, is_new })
}

impl Pull<'_> {
    /// The digest that the name stands for today; none when the registry does not say without more ado.
    fn meaning(&self, reference: &Reference) -> Result<Option<Digest>> {
        if let Some(digest) = reference.digest() {
            return Ok(Some(digest.clone()));
        }
        let head = || self.registry.head(self.repository, &reference.wanted());
        step("ask what the name means", || Ok(head()?))
    }

    /// Whether all of it is here under this name, so that nothing is left to be done.
    fn is_here(&self, reference: &Reference, digest: Option<&Digest>) -> bool {
        let Ok(image) = self.store.resolve(&reference.to_string()) else { return false };
        Some(&image.digest) == digest && self.has_all_below(&image, 0).unwrap_or(false)
    }

    fn has_all_below(&self, image: &Descriptor, depth: u32) -> Result<bool> {
        if !self.store.has(image) {
            return Ok(false);
        }
        let bytes = self.store.read(image, MOST_OF_A_DOCUMENT)?;
        match self.read(&bytes, &image.media_type, &image.digest)? {
            Document::Manifest(manifest) => {
                if !self.store.has(&manifest.config) {
                    return Ok(false);
                }
                let config = self.store.read(&manifest.config, MOST_OF_A_DOCUMENT)?;
                let layers = self.layers(&manifest, &config)?;
                Ok(layers.iter().all(|layer| !self.is_wanted(layer)))
            }
            document @ Document::Index(_) => {
                for child in self.chosen(&document, depth)? {
                    if !self.has_all_below(&child, depth + 1)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// The document that the name stands for.
    fn top(
        &self,
        reference: &Reference,
        digest: Option<&Digest>,
    ) -> Result<(Descriptor, Document)> {
        let wanted = digest.map_or_else(|| reference.wanted(), Digest::to_string);
        step("read what the image is made of", || {
            let fetched = self.registry.document(self.repository, &wanted)?;
            let claimed = MediaType::from(fetched.media_type);
            let document = self.read(&fetched.bytes, &claimed, &fetched.digest)?;
            self.store.put(&fetched.bytes, &fetched.digest)?;
            let size = fetched.bytes.len() as u64;
            Ok((Descriptor::new(document.media_type(), fetched.digest, size), document))
        })
    }

    /// Everything that a document points to, and what that points to.
    fn all_below(&self, image: &Descriptor, document: Document, depth: u32) -> Result<()> {
        let manifest = match document {
            Document::Manifest(manifest) => return self.image(image, &manifest),
            document @ Document::Index(_) => self.chosen(&document, depth)?,
        };
        for child in manifest {
            let document = step("read what the image is made of", || self.document(&child))?;
            self.all_below(&child, document, depth + 1)?;
        }
        Ok(())
    }

    /// Those of an index that are wanted.
    fn chosen(&self, document: &Document, depth: u32) -> Result<Vec<Descriptor>> {
        const DEEPEST: u32 = 3;
        let Document::Index(index) = document else { return Ok(Vec::new()) };
        if depth >= DEEPEST {
            return Err(Error::Unusable(format!(
                "there are more than {DEEPEST} indexes in each other"
            )));
        }
        match self.wishes.every_platform {
            true => Ok(index.manifests.clone()),
            false => {
                let best = index.choose(&self.wishes.platform);
                Ok(vec![best.map_err(Error::about("the image"))?.clone()])
            }
        }
    }

    /// A document that another one points to.
    fn document(&self, wanted: &Descriptor) -> Result<Document> {
        if self.store.has(wanted) {
            let bytes = self.store.read(wanted, MOST_OF_A_DOCUMENT)?;
            return self.read(&bytes, &wanted.media_type, &wanted.digest);
        }
        let fetched = self.registry.document(self.repository, &wanted.digest.to_string())?;
        let (size, wanted_size) = (fetched.bytes.len() as u64, wanted.size);
        if size != wanted_size {
            let digest = &wanted.digest;
            let what = format!("{digest} has {size} bytes, and should have {wanted_size}");
            return Err(Error::Unusable(what));
        }
        let document = self.read(&fetched.bytes, &wanted.media_type, &wanted.digest)?;
        self.store.put(&fetched.bytes, &wanted.digest)?;
        Ok(document)
    }

    fn read(&self, bytes: &[u8], claimed: &MediaType, digest: &Digest) -> Result<Document> {
        let what = || format!("{}/{}@{digest}", self.registry.name(), self.repository);
        Document::read(bytes, claimed).map_err(|why| Error::Document { what: what(), why })
    }

    /// The configuration and the layers of one image.
    fn image(&self, image: &Descriptor, manifest: &Manifest) -> Result<()> {
        let config = step("read how it is run", || self.config(&manifest.config))?;
        let mut wanted = self.layers(manifest, &config)?;
        for layer in &wanted {
            self.audience.hear(&layer.packed, News::Known);
        }
        wanted.retain(|layer| {
            let wanted = self.is_wanted(layer);
            if !wanted {
                self.audience.hear(&layer.packed, News::WasHere);
            }
            wanted
        });
        let size = |layer: &Layer| layer.packed.size;
        for_each(wanted, self.wishes.jobs, size, |layer| self.layer(&layer))?;
        self.audience.hear(image, News::Whole);
        Ok(())
    }

    fn config(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        if self.store.has(wanted) {
            return Ok(self.store.read(wanted, MOST_OF_A_DOCUMENT)?);
        }
        let Descriptor { digest, size, .. } = wanted;
        let bytes = self.registry.small_blob(self.repository, digest, *size)?;
        self.store.put(&bytes, digest)?;
        Ok(bytes)
    }

    /// The layers of an image, each once, with the digests that they must have when they are unpacked.
    fn layers(&self, manifest: &Manifest, config: &[u8]) -> Result<Vec<Layer>> {
        let unpacks = self.wishes.unpacks && manifest.is_image();
        let diff_ids = match unpacks {
            true => {
                let about =
                    || Error::about(format!("the configuration {}", manifest.config.digest));
                let config = ImageConfig::read(config).map_err(about())?;
                config.fits(manifest).map_err(about())?;
                config.rootfs.diff_ids.into_iter().map(Some).collect()
            }
            false => vec![None; manifest.layers.len()],
        };
        let mut seen = HashSet::new();
        let both = manifest.layers.iter().cloned().zip(diff_ids);
        let layers = both.map(|(packed, diff_id)| Layer { packed, diff_id });
        Ok(layers.filter(|layer| seen.insert(layer.packed.digest.clone())).collect())
    }

    fn is_wanted(&self, layer: &Layer) -> bool {
        let is_unpacked = |diff_id: &Digest| self.store.has_layer(diff_id);
        !self.store.has(&layer.packed) || !layer.diff_id.as_ref().is_none_or(is_unpacked)
    }

    /// One layer, in a thread of its own.
    fn layer(&self, layer: &Layer) -> Result<()> {
        let packed = &layer.packed;
        let done = step("bring a layer", || {
            let to_unpack = layer.diff_id.as_ref().filter(|id| !self.store.has_layer(id));
            match self.store.receive(packed)? {
                Arrival::AlreadyHere => match to_unpack {
                    Some(diff_id) => self.unpack_what_is_here(packed, diff_id),
                    None => Ok(()),
                },
                Arrival::Awaited(receiving) => self.receive(packed, to_unpack, receiving),
            }
        });
        let news = if done.is_ok() { News::Done } else { News::Failed };
        self.audience.hear(packed, news);
        done
    }

    fn unpack_what_is_here(&self, packed: &Descriptor, diff_id: &Digest) -> Result<()> {
        let mut file = self.store.reader(packed)?;
        self.audience.hear(packed, News::Unpacks);
        self.unpacked(packed, diff_id, &mut file, |_| Ok(()))
    }

    fn receive(
        &self,
        packed: &Descriptor,
        to_unpack: Option<&Digest>,
        mut receiving: Receiving,
    ) -> Result<()> {
        // What is there from an earlier try may be wrong; so what comes of it is not the last word.
        if receiving.have() > 0 {
            match self.receive_once(packed, to_unpack, receiving) {
                Err(error) if !error.is_final() && !matches!(error, Error::Registry(_)) => {
                    match self.store.receive(packed)? {
                        Arrival::AlreadyHere => return self.unpack_if_wanted(packed, to_unpack),
                        Arrival::Awaited(again) => receiving = again,
                    }
                    receiving.start_over()?;
                }
                done => return done,
            }
        }
        self.receive_once(packed, to_unpack, receiving)
    }

    fn unpack_if_wanted(&self, packed: &Descriptor, to_unpack: Option<&Digest>) -> Result<()> {
        to_unpack.map_or(Ok(()), |diff_id| self.unpack_what_is_here(packed, diff_id))
    }

    fn receive_once(
        &self,
        packed: &Descriptor,
        to_unpack: Option<&Digest>,
        receiving: Receiving,
    ) -> Result<()> {
        let mut tee = self.tee(packed, receiving)?;
        match to_unpack {
            Some(diff_id) => self.unpacked(packed, diff_id, &mut tee, Tee::finish),
            None => {
                let mut room = vec![0; 128 << 10];
                while tee.read(&mut room).map_err(|error| tee.explained(error))? > 0 {}
                tee.finish()
            }
        }
    }

    fn tee(&self, packed: &Descriptor, receiving: Receiving) -> Result<Tee<'_>> {
        let have = receiving.have();
        let earlier = match have {
            0 => None,
            have => {
                let name = packed.digest.to_string().replace(':', "-");
                let path = self.store.root().join("ingest").join(name);
                let file = File::open(&path);
                let unreadable = |error| Error::Unusable(format!("{}: {error}", path.display()));
                Some(file.map_err(unreadable)?.take(have))
            }
        };
        let Descriptor { digest, size, urls, .. } = packed;
        let blob = self.registry.blob(self.repository, digest, *size, urls).from(have);
        self.audience.hear(packed, News::Begins { at: have });
        let (packed, audience) = (packed.clone(), self.audience);
        Ok(Tee { earlier, blob, receiving: Some(receiving), packed, audience })
    }

    /// Unpacks what `stream` gives into a directory of its own, lets `finish` verify the stream, and
    /// gives the directory its name if that and its own digest are right.
    fn unpacked<R: Stream>(
        &self,
        packed: &Descriptor,
        diff_id: &Digest,
        stream: &mut R,
        finish: impl FnOnce(&mut R) -> Result<()>,
    ) -> Result<()> {
        let directory = self.store.new_layer(diff_id)?;
        let done = self.unpack_into(&directory, packed, diff_id, stream, finish);
        match done {
            Ok(()) => Ok(self.store.keep_layer(&directory, diff_id)?),
            Err(error) => {
                self.store.drop_layer(&directory)?;
                Err(error)
            }
        }
    }

    fn unpack_into<R: Stream>(
        &self,
        directory: &Path,
        packed: &Descriptor,
        diff_id: &Digest,
        stream: &mut R,
        finish: impl FnOnce(&mut R) -> Result<()>,
    ) -> Result<()> {
        let digest = &packed.digest;
        let compression = packed.media_type.compression().ok_or_else(|| {
            Error::Unusable(format!("the layer {digest}: {} is no layer", packed.media_type))
        })?;
        let Wishes { budget, manner, .. } = self.wishes;
        let unpacked = unpack::layer(&mut *stream, compression, directory, budget, manner);
        let unpacked = match unpacked {
            Ok(unpacked) => unpacked,
            Err(unpack::Error::Stream(error)) => return Err(stream.explained(error)),
            Err(why) => return Err(Error::Layer { digest: digest.clone(), why }),
        };
        finish(stream)?;
        if unpacked.diff_id != *diff_id {
            return Err(Error::Unusable(format!(
                "the layer {digest} is not what the configuration says: unpacked it has the digest {}, and \
                 should have {diff_id}",
                unpacked.diff_id
            )));
        }
        Ok(())
    }
}
