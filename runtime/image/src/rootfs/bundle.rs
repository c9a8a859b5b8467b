//! How does an image become a bundle: a root and a config.json beside it?
//!
//! The root is either the layers, shown over each other by overlayfs with a place for changes, or a
//! copy that stands alone. Whatever is made in it on the way (the directory that the program starts
//! in) is found beneath it and nowhere else.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use primitives::{
    Errno, Error, Result, create, mkdir, mkdirat, open_directory_at, open_directory_in_root,
    open_path, step,
};

use super::config::{self, Wishes};
use super::inside::Maps;
use super::overlay::{self, Changes};
use super::{copy, implied, user};
use crate::model::ImageConfig;

/// How layers become the root of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// By overlayfs.
    Mounted,
    /// By copying.
    Copied,
}

/// Makes a bundle in `bundle`, which must be there and empty, out of unpacked layers, the lowest first.
///
/// # Errors
/// The image asks for somebody or something that is not in it, or the kernel refuses.
pub fn make(
    bundle: &Path,
    layers: &[PathBuf],
    image: &ImageConfig,
    wishes: &Wishes,
    root: Root,
    maps: Option<&Maps>,
) -> Result<()> {
    let rootfs = bundle.join("rootfs");
    mkdir(rootfs.as_path(), 0o755, "have a place for the root")?;
    match root {
        Root::Copied => copy::lay_down(layers, &rootfs)?,
        Root::Mounted => {
            let (upper, work) = (bundle.join("upper"), bundle.join("work"));
            mkdir(upper.as_path(), 0o755, "have a place for changes")?;
            mkdir(work.as_path(), 0o700, "have a place where changes are prepared")?;
            implied::mend(layers, &upper)?;
            overlay::mount_writable(layers, Changes { upper: &upper, work: &work }, &rootfs)?;
        }
    }
    let made = step("say how it is run", || configure(bundle, &rootfs, image, wishes, maps));
    if made.is_err() && root == Root::Mounted {
        // The error is the news; a mount that stays is told by the next command.
        let _ = overlay::unmount(&rootfs);
    }
    made
}

fn configure(
    bundle: &Path,
    rootfs: &Path,
    image: &ImageConfig,
    wishes: &Wishes,
    maps: Option<&Maps>,
) -> Result<()> {
    let inside = open_path(rootfs, "have a root that no name in the image leads out of")?;
    let user = user::find(inside.as_fd(), wishes.user.as_ref().unwrap_or(&image.config.user))?;
    let directory = directory(image, wishes);
    make_directory(inside.as_fd(), &directory)?;
    let config = config::write(image, wishes, &user, &directory, maps)?;
    let mut text = serde_json::to_vec_pretty(&config)
        .map_err(|error| Error::Unusable(format!("config.json: {error}")))?;
    text.push(b'\n');
    let path = bundle.join("config.json");
    create(&path, &text, 0o644, "say how the image's program is run")
}

/// The directory that the program starts in, from the root on.
fn directory(image: &ImageConfig, wishes: &Wishes) -> String {
    let wanted = wishes.directory.as_deref().unwrap_or(&image.config.working_dir);
    let parts: Vec<&str> =
        wanted.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

/// Makes a directory beneath the root, and those above it, where they are missing. A link on the way
/// is followed as it would be by a program that has this root.
fn make_directory(root: BorrowedFd<'_>, path: &str) -> Result<()> {
    const WHY: &str = "find the directory that the program starts in";
    let mut above: OwnedFd = open_directory_at(root, Path::new("."), WHY)?;
    let mut way = PathBuf::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        way.push(part);
        above = match open_directory_in_root(root, &way, WHY) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => {
                let why = "have the directory that the program starts in";
                mkdirat(above.as_fd(), Path::new(part), 0o755, why)?;
                open_directory_in_root(root, &way, WHY)?
            }
            other => other?,
        };
    }
    Ok(())
}
