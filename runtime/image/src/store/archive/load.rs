//! How does an image come out of an archive, or out of a layout, into the store?

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use super::entries::{Kind, for_each};
use super::{docker, folder, packed};
use crate::digest::Digest;
use crate::model::{Descriptor, Document, MediaType, NAME_IN_CONTAINERD};
use crate::reference::Reference;
use crate::steps::step;
use crate::store::nameless::Stored;
use crate::store::{Arrival, Error, Reach, Result, Store, Taken};

/// Files up to this size are kept in memory until it is known what they are: documents.
const SMALL: u64 = 4 << 20;
/// The most that is kept in memory.
const MOST_SMALL: u64 = 24 << 20;
/// How long an image stays that has no name.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is wished of loading.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Only the image that is called so there: the whole name, or the tag alone.
    pub only: Option<String>,
    /// The name for the image, whatever the archive calls it; there must be one image only.
    pub name: Option<Reference>,
    /// Whether names that other images have are taken away from them.
    pub force: bool,
}

/// An image that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its name, if it has one; else it is kept for a day.
    pub name: Option<Reference>,
    /// What it is.
    pub image: Descriptor,
}

/// What an archive has in it.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Small files, by their names.
    pub(super) small: BTreeMap<String, Vec<u8>>,
    /// Large files that are kept already, by their names.
    pub(super) large: BTreeMap<String, Stored>,
    /// Other names.
    pub(super) links: BTreeMap<String, String>,
    /// All blobs that have come.
    pub(super) came: Reach,
}

/// Loads all images of an archive or a layout: a directory, a file, or `-` for standard input. What
/// was brought and belongs to none of them goes again, if nobody else is at work in the store.
///
/// # Errors
/// It is not what it should be, or a name is taken. Then no name has changed.
pub fn load(store: Store, source: &Path, wishes: &Load) -> Result<Vec<Loaded>> {
    let mut gathered = Gathered::default();
    let loaded = match source.is_dir() {
        true => folder::load(&store, source, &mut gathered),
        false => from_archive(&store, source, &mut gathered),
    };
    let loaded = loaded.and_then(|images| name_them(&store, images, wishes));
    if let Ok(alone) = store.alone_now()? {
        // An image that was here before may be spoiled, and then nothing may go: that is another story.
        let _ = alone.collect_of(&gathered.came);
    }
    loaded
}

fn from_archive(store: &Store, source: &Path, gathered: &mut Gathered) -> Result<Vec<Found>> {
    let stdin = source == Path::new("-");
    let plain: Box<dyn Read> = match stdin {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(source).map_err(Error::reading(source))?),
    };
    step("read the archive", || gather(store, packed::unpacked(plain)?, gathered))?;
    match gathered.small.get("index.json").cloned() {
        Some(index) => from_index(store, &index),
        None => docker::images(store, gathered),
    }
}

/// Brings everything that is in an archive, without believing that it is what its name says.
fn gather(store: &Store, archive: impl Read, gathered: &mut Gathered) -> Result<()> {
    let mut small = 0;
    for_each(archive, |name, kind, content| {
        match kind {
            Kind::Other => {}
            Kind::Link(target) => drop(gathered.links.insert(name, target)),
            Kind::File(size) => match digest_of(&name) {
                Some(digest) => {
                    gathered.came.blobs.insert(digest.clone());
                    bring(store, &digest, size, content)?;
                }
                None if size <= SMALL && small + size <= MOST_SMALL => {
                    small += size;
                    let mut bytes = Vec::new();
                    content.read_to_end(&mut bytes).map_err(broken)?;
                    gathered.small.insert(name, bytes);
                }
                None => {
                    let stored = keep(store, content)?;
                    gathered.came.blobs.insert(stored.digest.clone());
                    gathered.large.insert(name, stored);
                }
            },
        }
        Ok(())
    })
}

/// The digest that a blob's name in a layout says.
pub(super) fn digest_of(name: &str) -> Option<Digest> {
    let (algorithm, hex) = name.strip_prefix("blobs/")?.split_once('/')?;
    format!("{algorithm}:{hex}").parse().ok()
}

/// Brings a blob that must have this digest.
pub(super) fn bring(
    store: &Store,
    digest: &Digest,
    size: u64,
    content: &mut dyn Read,
) -> Result<()> {
    let wanted = Descriptor::new(MediaType::Other(String::new()), digest.clone(), size);
    let Arrival::Awaited(mut receiving) = store.receive(&wanted)? else { return Ok(()) };
    // What an earlier try has left is read again: from an archive that costs nothing.
    receiving.start_over()?;
    pour(content, &mut receiving).map_err(|error| receiving.told(error))?;
    receiving.finish()
}

fn keep(store: &Store, content: &mut dyn Read) -> Result<Stored> {
    let mut nameless = store.nameless()?;
    pour(content, &mut nameless).map_err(broken)?;
    nameless.finish(store)
}

pub(super) fn pour(from: &mut dyn Read, to: &mut impl Write) -> io::Result<()> {
    let mut some = vec![0; 1 << 16];
    loop {
        match from.read(&mut some) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&some[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn broken(why: io::Error) -> Error {
    match why.downcast::<Error>() {
        Ok(error) => error,
        Err(why) => Error::Unusable(format!("the archive breaks off: {why}")),
    }
}

/// An image as the archive has it, with the names that it has there.
pub(super) struct Found {
    pub(super) image: Descriptor,
    pub(super) names: Vec<Reference>,
    /// What it is called there besides, which need not be a name elsewhere.
    pub(super) called: Vec<String>,
}

impl Found {
    fn is_called(&self, text: &str) -> bool {
        let is = |name: &Reference| text.parse::<Reference>().is_ok_and(|text| text == *name);
        self.called.iter().any(|called| called == text) || self.names.iter().any(is)
    }
}

/// The images that a layout's index leads to, all of whose blobs must be in the store by now.
pub(super) fn from_index(store: &Store, bytes: &[u8]) -> Result<Vec<Found>> {
    let Document::Index(index) = Document::read(bytes, &MediaType::OciIndex)? else {
        return Err(Error::Unusable("index.json is no index".to_string()));
    };
    let mut found: Vec<Found> = Vec::new();
    for image in index.manifests {
        let mut reach = Reach::default();
        store.reach(&image, &mut reach)?;
        if let Some(missing) = reach.missing.first() {
            let why = format!("the archive is not complete: {missing} is not in it");
            return Err(Error::Unusable(why));
        }
        let (name, called) = (name_of(&image), image.name().map(str::to_string));
        // An image with two names stands there twice.
        let at = found.iter().position(|other| other.image.digest == image.digest);
        let at = at.unwrap_or_else(|| {
            found.push(Found { image, names: Vec::new(), called: Vec::new() });
            found.len() - 1
        });
        found[at].names.extend(name);
        found[at].called.extend(called);
    }
    Ok(found)
}

/// What a layout calls an image. Many write no more than a tag, which names nothing by itself.
fn name_of(image: &Descriptor) -> Option<Reference> {
    let whole = image.annotations.get(NAME_IN_CONTAINERD).map(String::as_str);
    let whole = whole.or(image.name().filter(|name| name.contains(['/', ':'])))?;
    whole.parse().ok()
}

fn name_them(store: &Store, mut found: Vec<Found>, wishes: &Load) -> Result<Vec<Loaded>> {
    if let Some(only) = &wishes.only {
        found.retain(|image| image.is_called(only));
        if found.is_empty() {
            return Err(Error::Unusable(format!("no image in it is called {only:?}")));
        }
    }
    if found.is_empty() {
        return Err(Error::Unusable("there is no image in it".to_string()));
    }
    if let (Some(name), 2..) = (&wishes.name, found.len()) {
        let count = found.len();
        let why = format!("there are {count} images in it, which cannot all be {name}: see --only");
        return Err(Error::Unusable(why));
    }
    let mut loaded = Vec::new();
    for Found { mut image, names, .. } in found {
        // What the archive says about it besides is not said here.
        image.annotations.clear();
        let names = wishes.name.as_ref().map_or(names, |name| vec![name.clone()]);
        if names.is_empty() {
            loaded.push(Loaded { name: None, image: image.clone() });
        }
        let named = |name| Loaded { name: Some(name), image: image.clone() };
        loaded.extend(names.into_iter().map(named));
    }
    let named = loaded.iter().filter_map(|one| Some((one.name.clone()?, one.image.clone())));
    let named: Vec<_> = named.collect();
    if !named.is_empty() {
        store.name_all(&named, if wishes.force { Taken::Moves } else { Taken::Stays })?;
    }
    for one in loaded.iter().filter(|one| one.name.is_none()) {
        store.lease(&format!("loaded-{}", one.image.digest.short()), &one.image, DAY)?;
    }
    Ok(loaded)
}
