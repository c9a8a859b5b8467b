//! How is a part of a root hidden, or kept from being changed, when the program in it is root?
//!
//! By mounts: what is mounted over a path hides what was there, and whether one may write is an
//! option of the mount. Permissions would not help; root passes them.

use std::path::{Path, PathBuf};

use primitives::{MsFlags, Result};

use crate::Api;
use crate::api::FileSystem;
use crate::devices;
use crate::place::Place;

const NOTHING: FileSystem = FileSystem {
    kind: "tmpfs",
    source: "nothing",
    data: &[("mode", "0555"), ("size", "4096")],
    flags: MsFlags::MS_RDONLY.union(MsFlags::MS_NOSUID).union(MsFlags::MS_NODEV),
};

// ANCHOR: mask
/// Hides what is at these paths: a directory under an empty one, a file under `/dev/null`.
pub(crate) fn mask(api: Api, root: &Place, paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        // What is not there needs not be hidden: each kernel has other files.
        let Some(place) = root.find(inside(path), "find what a program in there would find")?
        else {
            continue;
        };
        match place.is_directory() {
            true => api.mount(&NOTHING, &place, "let nobody see what is in this directory")?,
            false => {
                let null = devices::machine("null", (1, 3))?;
                api.bind(&null, &place, "let nobody see what is in this file")?;
            }
        }
    }
    Ok(())
}
// ANCHOR_END: mask

/// Keeps everybody from writing at and below these paths.
pub(crate) fn protect(api: Api, root: &Place, paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        let path = inside(path);
        if let Some(place) = root.find(path, "find what a program in there would find")? {
            api.bind_read_only(root, path, &place)?;
        }
    }
    Ok(())
}

/// The path from the root on: `openat2` takes both forms, and in a trace this one says more.
fn inside(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}
