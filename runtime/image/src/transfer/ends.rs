//! What can be at either end: a registry, the store?

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::progress::{Audience, News};
use super::{Error, Result, referrers};
use crate::digest::Digest;
use crate::model::{Descriptor, Document, MOST_OF_A_DOCUMENT, MediaType};
use crate::reference::{NotAReference, Reference};
use crate::registry::fetch::error_in;
use crate::registry::fetch::pass_over;
use crate::registry::upload::{Lists, Outgoing, Uploaded};
use crate::registry::{self, Registry};
use crate::store::{Arrival, Store, Verified};

/// Somewhere an image is.
pub trait Source: Sync {
    /// What is copied, and its document.
    ///
    /// # Errors
    /// There is no such image.
    fn image(&self) -> Result<(Descriptor, Vec<u8>)>;

    /// A document below it; none when it is not there, as those of other platforms.
    ///
    /// # Errors
    /// It is not what it should be.
    fn document(&self, wanted: &Descriptor) -> Result<Option<Vec<u8>>>;

    /// A blob, from this byte on.
    ///
    /// # Errors
    /// It is not there.
    fn blob(&self, wanted: &Descriptor, at: u64) -> Result<Box<dyn Read + Send>>;

    /// A repository of this registry that probably has a blob too.
    fn also_in(&self, registry: &str, blob: &Digest) -> Option<String>;
}

/// Somewhere an image is to be.
pub trait Target: Sync {
    /// Sees to it that a blob is there.
    ///
    /// # Errors
    /// It does not come, or is not taken.
    fn take_blob(
        &self,
        blob: &Descriptor,
        from: &dyn Source,
        audience: &Arc<dyn Audience>,
    ) -> Result<News>;

    /// Sees to it that a document is there, when all that it points to is.
    ///
    /// # Errors
    /// It is not taken.
    fn take_document(&self, document: &Descriptor, bytes: &[u8]) -> Result<()>;

    /// The last: the name.
    ///
    /// # Errors
    /// It is not taken.
    fn name(&self, image: &Descriptor, bytes: &[u8]) -> Result<()>;
}

/// An image in a registry.
#[derive(Clone, Debug)]
pub struct InRegistry {
    /// Which registry.
    pub registry: Registry,
    /// Which image.
    pub reference: Reference,
    /// How large the pieces are in which blobs are sent; none is in one piece.
    pub piece: Option<u64>,
}

impl Source for InRegistry {
    fn image(&self) -> Result<(Descriptor, Vec<u8>)> {
        let repository = self.reference.repository();
        let fetched = self.registry.document(repository, &self.reference.wanted())?;
        let claimed = MediaType::from(fetched.media_type);
        let document = Document::read(&fetched.bytes, &claimed)
            .map_err(Error::about(self.reference.to_string()))?;
        let size = fetched.bytes.len() as u64;
        Ok((Descriptor::new(document.media_type(), fetched.digest, size), fetched.bytes))
    }

    fn document(&self, wanted: &Descriptor) -> Result<Option<Vec<u8>>> {
        let repository = self.reference.repository();
        let fetched = self.registry.document(repository, &wanted.digest.to_string())?;
        match fetched.bytes.len() as u64 == wanted.size {
            true => Ok(Some(fetched.bytes)),
            false => Err(Error::Unusable(format!("{} has another size", wanted.digest))),
        }
    }

    fn blob(&self, wanted: &Descriptor, at: u64) -> Result<Box<dyn Read + Send>> {
        let Descriptor { digest, size, urls, .. } = wanted;
        let blob = self.registry.blob(self.reference.repository(), digest, *size, urls);
        // From the middle only, nobody could say whether the whole has the right digest: but then whoever
        // takes it has the beginning, and says so.
        match at {
            0 => Ok(Box::new(Verified::new(blob, digest.clone(), *size))),
            at => Ok(Box::new(blob.from(at))),
        }
    }

    fn also_in(&self, registry: &str, _: &Digest) -> Option<String> {
        (self.registry.name() == registry).then(|| self.reference.repository().to_owned())
    }
}

impl Target for InRegistry {
    fn take_blob(
        &self,
        blob: &Descriptor,
        from: &dyn Source,
        audience: &Arc<dyn Audience>,
    ) -> Result<News> {
        let also_in = from.also_in(self.registry.name(), &blob.digest);
        let also_in = also_in.filter(|repository| repository != self.reference.repository());
        let passing = Passing::default();
        let open = |at: u64| passing.open(blob, at, from, audience);
        let outgoing = Outgoing {
            digest: &blob.digest,
            size: blob.size,
            open: &open,
            piece: self.piece,
            from: also_in.as_deref(),
        };
        Ok(match self.registry.upload(self.reference.repository(), &outgoing)? {
            Uploaded::WasThere => News::WasHere,
            Uploaded::Mounted => News::Mounted,
            Uploaded::Sent => News::Done,
        })
    }

    fn take_document(&self, document: &Descriptor, bytes: &[u8]) -> Result<()> {
        let repository = self.reference.repository();
        if self.registry.has_document(repository, &document.digest)? {
            return Ok(());
        }
        self.put(document, bytes, &document.digest.to_string())
    }

    fn name(&self, image: &Descriptor, bytes: &[u8]) -> Result<()> {
        match self.reference.tag() {
            Some(tag) => self.put(image, bytes, tag),
            None => self.put(image, bytes, &image.digest.to_string()),
        }
    }
}

impl InRegistry {
    fn put(&self, document: &Descriptor, bytes: &[u8], wanted: &str) -> Result<()> {
        let media_type = document.media_type.to_string();
        let repository = self.reference.repository();
        let digest = &document.digest;
        let lists = self.registry.put_document(repository, wanted, &media_type, bytes, digest)?;
        match lists {
            Lists::Itself => Ok(()),
            Lists::Nothing => referrers::enter(&self.registry, repository, document, bytes),
        }
    }
}

/// A blob on its way into a registry, in one piece or several; it is opened anew only where one does not
/// begin behind the last.
#[derive(Default)]
struct Passing(Mutex<Option<Counted>>);

/// Counts what passes, for whoever watches.
#[derive(Clone)]
struct Counted {
    inner: Arc<Mutex<Box<dyn Read + Send>>>,
    at: Arc<AtomicU64>,
    blob: Descriptor,
    audience: Arc<dyn Audience>,
}

impl Passing {
    fn open(
        &self,
        blob: &Descriptor,
        at: u64,
        from: &dyn Source,
        audience: &Arc<dyn Audience>,
    ) -> registry::Result<Box<dyn Read + Send>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = open.as_ref().filter(|is| is.at.load(Ordering::Relaxed) == at) {
            return Ok(Box::new(counted.clone()));
        }
        audience.hear(blob, News::Begins { at });
        let inner = from.blob(blob, at).map_err(|error| match error {
            Error::Registry(error) => error,
            other => registry::Error::Unusable(super::whole(&other)),
        })?;
        let (inner, at) = (Arc::new(Mutex::new(inner)), Arc::new(AtomicU64::new(at)));
        let counted = Counted { inner, at, blob: blob.clone(), audience: audience.clone() };
        *open = Some(counted.clone());
        Ok(Box::new(counted))
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let read = inner.read(buffer)?;
        self.at.fetch_add(read as u64, Ordering::Relaxed);
        self.audience.hear(&self.blob, News::Came(read as u64));
        Ok(read)
    }
}

/// An image in the store.
#[derive(Debug)]
pub struct InStore<'a> {
    /// The store.
    pub store: &'a Store,
    /// What it is called there.
    pub name: String,
    /// Which repositories of a registry have which blobs, as far as the store knows.
    known: HashMap<(String, Digest), String>,
}

impl<'a> InStore<'a> {
    /// The image of this name, which need not be there yet.
    pub fn new(store: &'a Store, name: &str) -> InStore<'a> {
        InStore { store, name: name.to_owned(), known: HashMap::new() }
    }

    /// Learns from the names in the store which repositories of a registry have which blobs: what was
    /// pulled from there or pushed to there is probably still there.
    ///
    /// # Errors
    /// The names cannot be read.
    pub fn knowing(mut self, registry: &str) -> Result<InStore<'a>> {
        for named in self.store.names()? {
            let Ok(reference) = named.name.parse::<Reference>() else { continue };
            if reference.registry() == registry {
                // Only a guess: what cannot be read here is no reason to stop.
                let _ = self.learn(&named.image, registry, reference.repository(), 0);
            }
        }
        Ok(self)
    }

    fn learn(&mut self, image: &Descriptor, registry: &str, at: &str, depth: u32) -> Result<()> {
        if depth > 2 || !self.store.has(image) {
            return Ok(());
        }
        let bytes = self.store.read(image, MOST_OF_A_DOCUMENT)?;
        let document =
            Document::read(&bytes, &image.media_type).map_err(Error::about(at.to_owned()))?;
        for child in document.children() {
            let kind = &child.media_type;
            match kind.is_index() || kind.is_manifest() {
                true => self.learn(child, registry, at, depth + 1)?,
                false => {
                    let key = (registry.to_owned(), child.digest.clone());
                    self.known.insert(key, at.to_owned());
                }
            }
        }
        Ok(())
    }
}

impl Source for InStore<'_> {
    fn image(&self) -> Result<(Descriptor, Vec<u8>)> {
        let mut image = self.store.resolve(&self.name)?;
        image.annotations.clear();
        let bytes = self.store.read(&image, MOST_OF_A_DOCUMENT)?;
        Ok((image, bytes))
    }

    fn document(&self, wanted: &Descriptor) -> Result<Option<Vec<u8>>> {
        match self.store.has(wanted) {
            true => Ok(Some(self.store.read(wanted, MOST_OF_A_DOCUMENT)?)),
            false => Ok(None),
        }
    }

    fn blob(&self, wanted: &Descriptor, at: u64) -> Result<Box<dyn Read + Send>> {
        let mut reader = self.store.reader(wanted)?;
        let broken = |error| Error::Unusable(format!("{}: {error}", wanted.digest));
        pass_over(&mut reader, at).map_err(broken)?;
        Ok(Box::new(reader))
    }

    fn also_in(&self, registry: &str, blob: &Digest) -> Option<String> {
        self.known.get(&(registry.to_owned(), blob.clone())).cloned()
    }
}

impl Target for InStore<'_> {
    fn take_blob(
        &self,
        blob: &Descriptor,
        from: &dyn Source,
        audience: &Arc<dyn Audience>,
    ) -> Result<News> {
        let mut receiving = match self.store.receive(blob)? {
            Arrival::AlreadyHere => return Ok(News::WasHere),
            Arrival::Awaited(receiving) => receiving,
        };
        let at = receiving.have();
        audience.hear(blob, News::Begins { at });
        let mut reader = from.blob(blob, at)?;
        let mut room = vec![0; 128 << 10];
        loop {
            let read = reader.read(&mut room).map_err(explained)?;
            if read == 0 {
                break;
            }
            receiving.write_all(&room[..read]).map_err(explained)?;
            audience.hear(blob, News::Came(read as u64));
        }
        receiving.finish()?;
        Ok(News::Done)
    }

    fn take_document(&self, document: &Descriptor, bytes: &[u8]) -> Result<()> {
        Ok(self.store.put(bytes, &document.digest)?)
    }

    fn name(&self, image: &Descriptor, bytes: &[u8]) -> Result<()> {
        self.store.put(bytes, &image.digest)?;
        let name: Reference =
            self.name.parse().map_err(|error: NotAReference| Error::Unusable(error.to_string()))?;
        Ok(self.store.name(&name, image)?)
    }
}

/// What lies at the bottom of an error of reading or writing.
fn explained(error: io::Error) -> Error {
    match error.downcast::<crate::store::Error>() {
        Ok(error) => Error::Store(error),
        Err(error) => Error::Registry(error_in(error)),
    }
}
