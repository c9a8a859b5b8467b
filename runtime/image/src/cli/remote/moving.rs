//! Commands that move images.

use std::path::Path;

use image::model::Platform;
use image::registry::{Registry, Settings};
use image::rootfs::inside;
use image::store::Store;
use image::transfer::copy::{self, Extent};
use image::transfer::ends::{InRegistry, InStore, Source, Target};
use image::transfer::jobs;
use image::transfer::layout::{InLayout, ToLayout};
use image::transfer::pull::{self, Wishes};
use image::unpack::{Budget, Manner};
use primitives::{Result, Status, own_ids};

use super::{Copy, Pull, Push, Sending, reference};
use crate::cli::Global;
use crate::cli::printing::print;

/// Brings an image, and prints what it is. Files that belong to many are for root to make: an ordinary
/// user is root in a user namespace of its own.
pub(super) fn pull(global: &Global, wanted: &Pull) -> Result<Status> {
    let root = global.root();
    let unpacks = !wanted.no_unpack && !wanted.all_platforms;
    match unpacks && own_ids().0 != 0 {
        true => inside::as_root(|| bring(&root, wanted, unpacks))?,
        false => bring(&root, wanted, unpacks)?,
    }
    Ok(Status::Exited(0))
}

fn bring(root: &Path, wanted: &Pull, unpacks: bool) -> Result<()> {
    let reference = reference(&wanted.image)?;
    let audience = wanted.showing.audience();
    let settings = wanted.towards.settings(&audience)?;
    let registry = Registry::open(reference.registry(), &settings)?;
    let store = Store::open(root)?;
    let wishes = Wishes {
        platform: wanted.platform.clone().unwrap_or_else(Platform::here),
        every_platform: wanted.all_platforms,
        unpacks,
        jobs: wanted.jobs.unwrap_or_else(jobs),
        budget: Budget::default(),
        manner: Manner::of_this_process(),
    };
    let pulled = pull::pull(&store, &registry, &reference, &wishes, &*audience)?;
    if !pulled.is_new && !wanted.showing.quiet {
        primitives::say(&format!("{reference} is up to date"));
    }
    let at = match reference.digest() {
        Some(_) => String::new(),
        None => format!("@{}", pulled.image.digest),
    };
    print(&format!("{reference}{at}\n")).map(drop)
}

/// Sends an image of the store.
pub(super) fn push(global: &Global, wanted: &Push) -> Result<Status> {
    let store = global.store()?;
    let name = in_store(&store, &wanted.image);
    let to = reference(wanted.to.as_deref().unwrap_or(&name))?;
    let audience = wanted.sending.showing.audience();
    let settings = wanted.sending.towards.settings(&audience)?;
    let target = wanted.sending.registry(to.registry(), &to.to_string(), &settings)?;
    let source = InStore::new(&store, &name).knowing(to.registry())?;
    let extent = wanted.sending.extent(true);
    move_it(&source, &target, &extent, &wanted.sending, &to.to_string())
}

/// Copies an image from anywhere to anywhere.
pub(super) fn copy(global: &Global, wanted: &Copy) -> Result<Status> {
    let sending = &wanted.sending;
    let settings = sending.towards.settings(&sending.showing.audience())?;
    // Both are ready before either has threads: who we are may be asked of another program.
    let (from, to) = (End::of(&wanted.from)?, End::of(&wanted.to)?);
    let store_of_source = if from.is_layout() { None } else { from.store(global)? };
    let store_of_target = to.store(global)?;
    let target: Box<dyn Target + '_> = match &to {
        End::Registry(name) => Box::new(sending.in_registry(name, &settings)?),
        End::Layout { name, .. } => {
            let store = store_of_target.as_ref().expect("it was opened above");
            Box::new(ToLayout::new(store, name.as_deref().unwrap_or("latest")))
        }
        End::Store(name) => {
            let store = store_of_target.as_ref().expect("it was opened above");
            Box::new(InStore::new(store, name.as_deref().unwrap_or_default()))
        }
    };
    let source: Box<dyn Source + '_> = match &from {
        End::Registry(name) => Box::new(sending.in_registry(name, &settings)?),
        End::Layout { directory, name } => {
            let layout = InLayout::open(Path::new(directory), name.as_deref());
            Box::new(layout.map_err(primitives::Error::from)?)
        }
        End::Store(name) => {
            let store = store_of_source.as_ref().expect("it was opened above");
            let name = in_store(store, name.as_deref().unwrap_or_default());
            Box::new(InStore::new(store, &name))
        }
    };
    let extent = sending.extent(!matches!(from, End::Registry(_)));
    move_it(&*source, &*target, &extent, sending, &wanted.to)
}

fn move_it(
    source: &dyn Source,
    target: &dyn Target,
    extent: &Extent,
    sending: &Sending,
    to: &str,
) -> Result<Status> {
    let audience = sending.showing.audience();
    let image = copy::copy(source, target, extent, sending.jobs, &audience);
    let image = image.map_err(primitives::Error::from)?;
    let at = if to.contains('@') { String::new() } else { format!("@{}", image.digest) };
    print(&format!("{to}{at}\n"))
}

/// A name as it stands in the store, which is in full; a digest stays what it is.
fn in_store(store: &Store, text: &str) -> String {
    let full = text.parse::<image::reference::Reference>().map(|full| full.to_string());
    match full {
        Ok(full) if store.resolve(&full).is_ok() => full,
        _ => text.to_owned(),
    }
}

impl Sending {
    /// How much of an index is moved: from what is here, what is here; from elsewhere, all.
    fn extent(&self, from_here: bool) -> Extent {
        match &self.platform {
            Some(platform) => Extent::One(platform.clone()),
            None if self.all_platforms || !from_here => Extent::Everything,
            None => Extent::WhatIsThere(Platform::here()),
        }
    }

    fn in_registry(&self, name: &Option<String>, settings: &Settings) -> Result<InRegistry> {
        let name = name.as_deref().unwrap_or_default();
        let registry = reference(name)?.registry().to_owned();
        self.registry(&registry, name, settings)
    }

    fn registry(&self, registry: &str, name: &str, settings: &Settings) -> Result<InRegistry> {
        let (registry, reference) = (Registry::open(registry, settings)?, reference(name)?);
        Ok(InRegistry { registry, reference, piece: self.chunk })
    }
}

/// Where an image is, or is to be.
enum End {
    Registry(Option<String>),
    Layout { directory: String, name: Option<String> },
    Store(Option<String>),
}

impl End {
    fn of(text: &str) -> Result<End> {
        if let Some(name) = text.strip_prefix("store:") {
            let full = reference(name).map(|full| full.to_string());
            return Ok(End::Store(Some(full.unwrap_or_else(|_| name.to_owned()))));
        }
        if let Some(rest) = text.strip_prefix("oci:") {
            let (directory, name) = match rest.split_once(':') {
                Some((directory, name)) => (directory, Some(name.to_owned())),
                None => (rest, None),
            };
            return Ok(End::Layout { directory: directory.to_owned(), name });
        }
        // As skopeo and podman write it.
        let name = text.strip_prefix("docker://").unwrap_or(text);
        Ok(End::Registry(Some(name.to_owned())))
    }

    fn is_layout(&self) -> bool {
        matches!(self, End::Layout { .. })
    }

    /// The store that it is in. A layout that is written is one: it has a few folders more.
    fn store(&self, global: &Global) -> Result<Option<Store>> {
        match self {
            End::Registry(_) => Ok(None),
            End::Layout { directory, .. } => Ok(Some(Store::open(Path::new(directory))?)),
            End::Store(_) => Ok(Some(global.store()?)),
        }
    }
}
