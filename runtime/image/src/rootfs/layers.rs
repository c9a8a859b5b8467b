//! Are the layers of an image unpacked, and if not, how do they get there?
//!
//! Whoever pulls an image unpacks its layers on the way; one that was loaded from a file, or was pulled
//! by another program, has them as blobs alone. They are unpacked as many at once as there are cores,
//! and none is seen before its digest was compared with the one in the image's configuration.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use primitives::step_giving;

use crate::digest::Digest;
use crate::model::Descriptor;
use crate::store::{self, Image, Store};
use crate::unpack::{self, Budget, Manner, layer};

/// Why a layer is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be unpacked.
    #[error("layer {layer}")]
    Unpack {
        /// Its digest in the store.
        layer: Digest,
        /// What is wrong with it.
        #[source]
        error: unpack::Error,
    },
    /// It is not the one that the image was made of.
    #[error(
        "layer {layer} unpacks to {found}, and the image's configuration says {expected}: \
         one of them is not what it should be"
    )]
    Another {
        /// Its digest in the store.
        layer: Digest,
        /// The digest of what it unpacks to.
        found: Digest,
        /// The digest that was expected.
        expected: Digest,
    },
    /// It is no layer.
    #[error("{layer} is of the type {kind}, which is no layer that can be unpacked")]
    Kind {
        /// Its digest in the store.
        layer: Digest,
        /// Its media type.
        kind: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The directories of an image's layers, the lowest first; those that are missing are unpacked.
///
/// # Errors
/// One cannot be unpacked, or is another one than the configuration says.
pub fn ready(store: &Store, image: &Image, manner: &Manner) -> Result<Vec<PathBuf>, Error> {
    let diff_ids = &image.config.rootfs.diff_ids;
    let missing: Vec<(&Descriptor, &Digest)> = image
        .manifest
        .layers
        .iter()
        .zip(diff_ids)
        .filter(|(_, diff_id)| !store.has_layer(diff_id))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((blob, diff_id)) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            unpack_one(store, blob, diff_id, manner)?;
        }
        Ok(())
    };
    let cores = thread::available_parallelism().map_or(1, usize::from).min(missing.len());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| worker.join().expect("a panic is one here"));
        ended.collect::<Result<(), Error>>()
    })?;
    Ok(diff_ids.iter().map(|diff_id| store.layer(diff_id)).collect())
}

fn unpack_one(
    store: &Store,
    blob: &Descriptor,
    diff_id: &Digest,
    manner: &Manner,
) -> Result<(), Error> {
    let compression = blob.media_type.compression().ok_or_else(|| Error::Kind {
        layer: blob.digest.clone(),
        kind: blob.media_type.to_string(),
    })?;
    let reader = store.reader(blob)?;
    let place = store.new_layer(diff_id)?;
    let budget = Budget::default();
    let unpacked =
        step_giving("unpack a layer", || Ok(layer(reader, compression, &place, &budget, manner)));
    let unpacked = unpacked
        .map_err(unpack::Error::Place)
        .and_then(|unpacked| unpacked)
        .map_err(|error| Error::Unpack { layer: blob.digest.clone(), error })
        .and_then(|unpacked| match unpacked.diff_id == *diff_id {
            true => Ok(()),
            false => Err(Error::Another {
                layer: blob.digest.clone(),
                found: unpacked.diff_id,
                expected: diff_id.clone(),
            }),
        });
    keep_or_drop(store, &place, diff_id, unpacked)
}

/// A layer that is not what it should be is gone before its error is told.
fn keep_or_drop(
    store: &Store,
    place: &Path,
    diff_id: &Digest,
    unpacked: Result<(), Error>,
) -> Result<(), Error> {
    match unpacked {
        Ok(()) => Ok(store.keep_layer(place, diff_id)?),
        Err(error) => {
            // Why it failed is the news, and the next one to open the store sweeps it out as well.
            let _ = store.drop_layer(place);
            Err(error)
        }
    }
}
