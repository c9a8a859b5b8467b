//! How does a container get a root of its own, and how does nobody get out through it?
//!
//! In the order of the calls: [`open_sources`] in the parent; in the child [`cut_mount_ties`],
//! [`stand_up`], [`mount_up_to_cgroups`], [`mount_the_rest`], [`make_devices`], [`enter`], [`finish`].
//!
//! What is in the root was made by somebody else, who may be an enemy. So no path in it is ever put
//! together from strings: it is looked up by the kernel with the root as its limit ([`Root::place`]),
//! and mounts are attached to what was found, whatever happens to its name meanwhile.

mod attributes;
mod cgroup_mounts;
mod copy_up;
mod devices;
mod enter;
mod file_systems;
mod guarded;
mod mounts;
mod place;
mod sources;
mod stand;

use std::path::Path;

use bundle::Plan;
use primitives::{Errno, Error, Result};

pub use devices::make_devices;
pub use enter::{Way, enter};
pub use guarded::finish;
pub use mounts::{mount_the_rest, mount_up_to_cgroups};
pub use place::{Place, Root};
pub use sources::{Sources, open_sources};
pub use stand::{cut_mount_ties, stand_up};

/// Looks whether there is a root at all, before anything is made for the container. Looking changes
/// nothing; whoever removes it afterwards is told so by [`stand_up`].
///
/// # Errors
/// [`Error::Unusable`] names the directory.
pub fn check(plan: &Plan) -> Result<()> {
    let path = plan.root.path.as_path();
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Error::Unusable(format!("the root {} is no directory", path.display()))),
        Err(error) => Err(Error::Unusable(format!("the root {}: {error}", path.display()))),
    }
}

/// Adds to a refusal which path of the container it is about: descriptors are only numbers.
fn about(path: &Path, error: Error) -> Error {
    match error {
        Error::Request(mut refusal) => {
            refusal.more = format!("{} for {}", refusal.more, path.display());
            Error::Request(refusal)
        }
        other => other,
    }
}

/// The kernel's answer, when it was the kernel's: what the window says in its place is none.
fn answer(error: &Error) -> Option<Errno> {
    match error {
        Error::Request(refusal) if !refusal.here => Some(refusal.errno),
        _ => None,
    }
}
