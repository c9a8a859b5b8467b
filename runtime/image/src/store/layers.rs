//! Where are unpacked layers?
//!
//! A layer is unpacked into a directory whose name begins with a dot, and gets its name when all of it
//! is there and the digest of its tar archive is right. It lies beside its later place, because a
//! directory that nobody may write to cannot be moved into another one except by root.
//!
//! Nobody waits until an unpacked layer is on the disk, which for a gigabyte of small files takes longer
//! than to unpack it again. What a layer was made of is there: after a power cut `image gc --layers`
//! takes away all that could be incomplete.

use std::path::{Path, PathBuf};

use primitives::{Errno, clean_up_tree, mkdtemp, open_directory, rename};

use super::{Error, Result, Store};
use crate::digest::Digest;

impl Store {
    /// Where an unpacked layer is, if it is here.
    pub fn layer(&self, diff_id: &Digest) -> PathBuf {
        self.layers(diff_id).join(diff_id.hex())
    }

    /// Whether a layer is here, unpacked.
    pub fn has_layer(&self, diff_id: &Digest) -> bool {
        self.layer(diff_id).symlink_metadata().is_ok_and(|is| is.is_dir())
    }

    /// A new, empty directory to unpack a layer into.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new_layer(&self, diff_id: &Digest) -> Result<PathBuf> {
        let prefix = format!(".{}-", diff_id.short());
        Ok(mkdtemp(&self.layers(diff_id), &prefix, "unpack where nobody takes it for the layer")?)
    }

    /// Gives an unpacked layer its place, after whoever unpacked it has seen that its digest is right.
    /// If another command was faster its layer stays, and this one is taken away.
    ///
    /// # Errors
    /// It cannot be moved.
    pub fn keep_layer(&self, unpacked: &Path, diff_id: &Digest) -> Result<()> {
        match rename(unpacked, &self.layer(diff_id), "show the layer, whole and verified") {
            Ok(()) => Ok(()),
            Err(primitives::Error::Request(refusal))
                if matches!(refusal.errno, Errno::ENOTEMPTY | Errno::EEXIST) && !refusal.here =>
            {
                self.drop_layer(unpacked)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a directory of [`Store::new_layer`] away again.
    ///
    /// # Errors
    /// Something is mounted in it, or it cannot be removed.
    pub fn drop_layer(&self, unpacked: &Path) -> Result<()> {
        let (Some(folder), Some(name)) = (unpacked.parent(), unpacked.file_name()) else {
            return Err(Error::Unusable(format!("{} is no layer", unpacked.display())));
        };
        let open = open_directory(folder).map_err(Error::reading(folder))?;
        Ok(clean_up_tree(&open, Path::new(name), "leave no half of a layer")?)
    }

    fn layers(&self, diff_id: &Digest) -> PathBuf {
        self.root.join("layers").join(diff_id.algorithm().name())
    }
}
