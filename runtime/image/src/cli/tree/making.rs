//! Trees, mounts and bundles.

use std::path::{Path, PathBuf};

use image::digest::Digest;
use image::model::{Descriptor, Platform};
use image::reference::Reference;
use image::rootfs::bundle::{self, Root};
use image::rootfs::config::Wishes;
use image::rootfs::inside::{self, Maps};
use image::rootfs::{copy, implied, layers, overlay};
use image::store::{self, Image, Store, Uses};
use image::unpack::{self, Manner, Owners};
use primitives::{Errno, Error, Result, mkdir, own_ids};

use super::Source;
use crate::cli::Global;

/// `unpack`.
pub(super) fn unpack(global: &Global, source: &Source, directory: &Path) -> Result<()> {
    let root = global.root();
    make_empty(directory)?;
    inside::as_root(|| {
        let ready = Ready::make(&root, source)?;
        copy::lay_down(&ready.layers, directory)
    })
}

/// `mount`.
pub(super) fn mount(global: &Global, source: &Source, directory: &Path) -> Result<()> {
    must_be_root("what an ordinary user mounts is gone with the command: try unpack")?;
    let (root, directory) = (global.root(), absolute(directory)?);
    inside::as_root(|| {
        let ready = Ready::make(&root, source)?;
        ready.keep_for(&directory, |folder| {
            let mended = folder.join("mended");
            mkdir(mended.as_path(), 0o755, "have a layer for what the others only imply")?;
            let mut layers = ready.layers.clone();
            if implied::mend(&layers, &mended)? {
                layers.push(mended);
            }
            overlay::mount_readonly(&layers, &directory)
        })
    })
}

/// `umount`.
pub(super) fn umount(global: &Global, directory: &Path) -> Result<()> {
    let directory = absolute(directory)?;
    let rootfs = directory.join("rootfs");
    overlay::unmount(if rootfs.is_dir() { &rootfs } else { &directory })?;
    Ok(global.store()?.forget(&place_name(&directory))?)
}

/// `bundle`.
pub(super) fn bundle(
    global: &Global,
    source: &Source,
    bundle: &Path,
    copy: bool,
    wishes: &Wishes,
) -> Result<()> {
    let root = global.root();
    make_empty(bundle)?;
    let bundle = absolute(bundle)?;
    let maps = maps();
    inside::as_root(|| {
        let ready = Ready::make(&root, source)?;
        let how = if copy || maps.is_some() { Root::Copied } else { Root::Mounted };
        let config = &ready.image.config;
        let make = || bundle::make(&bundle, &ready.layers, config, wishes, how, maps.as_ref());
        match how {
            Root::Mounted => ready.keep_for(&bundle, |_| make()),
            Root::Copied => make(),
        }
    })
}

/// An image in the store, with its layers unpacked.
pub(super) struct Ready {
    pub(super) store: Store,
    named: Descriptor,
    pub(super) image: Image,
    pub(super) layers: Vec<PathBuf>,
}

impl Ready {
    /// Finds the image, and unpacks what is not unpacked yet.
    pub(super) fn make(root: &Path, source: &Source) -> Result<Ready> {
        let store = Store::open(root)?;
        let named = resolve(&store, &source.image)?;
        let image = store.image(&named, &Platform::here())?;
        let mut manner = Manner::of_this_process();
        if source.squash_owners {
            manner.owners = Owners::Squashed;
        }
        let layers = layers::ready(&store, &image, &manner).map_err(told)?;
        Ok(Ready { store, named, image, layers })
    }

    /// Has the layers stay for as long as something stands on them.
    pub(super) fn keep(&self, name: &str) -> Result<PathBuf> {
        let layers = self.image.config.rootfs.diff_ids.clone();
        Ok(self.store.use_for(name, &Uses { image: self.named.clone(), layers })?)
    }

    /// Has them stay for what is made at this place, if it is.
    fn keep_for(&self, place: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let name = place_name(place);
        let made = make(&self.keep(&name)?);
        if made.is_err() {
            self.store.forget(&name)?;
        }
        made
    }
}

/// As it was typed, or as a registry would understand it.
pub(super) fn resolve(store: &Store, text: &str) -> Result<Descriptor> {
    match store.resolve(text) {
        Err(store::Error::NoImage(_)) => match text.parse::<Reference>() {
            Ok(reference) => Ok(store.resolve(&reference.to_string())?),
            Err(_) => Ok(store.resolve(text)?),
        },
        other => Ok(other?),
    }
}

/// Who the users of a container are out here, for an ordinary user.
pub(super) fn maps() -> Option<Maps> {
    (own_ids().0 != 0).then(Maps::of_this_user)
}

/// What stands on layers without being a container has a name that is made of its place.
fn place_name(place: &Path) -> String {
    format!("at-{}", Digest::of(place.as_os_str().as_encoded_bytes()).short())
}

fn must_be_root(why: &str) -> Result<()> {
    match own_ids().0 {
        0 => Ok(()),
        _ => Err(Error::Unusable(why.to_string())),
    }
}

fn make_empty(directory: &Path) -> Result<()> {
    let cannot = |e: std::io::Error| Error::Unusable(format!("{}: {e}", directory.display()));
    if directory.symlink_metadata().is_err() {
        return mkdir(directory, 0o755, "have a place for the files of the image");
    }
    match directory.read_dir().map_err(cannot)?.next() {
        None => Ok(()),
        Some(_) => Err(Error::Unusable(format!("{} is not empty", directory.display()))),
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|e| Error::Unusable(format!("{}: {e}", path.display())))
}

/// An error with its causes in one sentence; of owners that are nobody here, also what helps.
fn told(error: layers::Error) -> Error {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        words.push_str(&format!(": {error}"));
        cause = error.source();
    }
    if is_about_owners(&error) {
        words.push_str(
            "; have more ids given to you (usermod --add-subuids 100000-165535 --add-subgids \
             100000-165535 YOU), or let such files be yours (--squash-owners)",
        );
    }
    Error::Unusable(words)
}

fn is_about_owners(error: &layers::Error) -> bool {
    let layers::Error::Unpack { error: unpack::Error::Request { error, .. }, .. } = error else {
        return false;
    };
    matches!(error, Error::Request(refusal)
        if refusal.call.starts_with("fchown") && refusal.errno == Errno::EINVAL && !refusal.here)
}
