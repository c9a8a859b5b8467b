//! How does a directory become something that can be a root?
//!
//! It must be a mount, and what is mounted in it must not be seen on the host.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use bundle::{Kind, Peers, Plan};
use primitives::{
    Error, FileKind, MountChange, MsFlags, Recursive, Result, look_at, mount_change,
    mount_setattr_to, move_mount_onto, open_path, open_tree_of, step, step_giving, umask,
};

use super::place::Root;

/// Sees to it that what is mounted in this mount namespace stays in it. Nothing to do where the
/// container has none of its own, or shall share its mounts.
///
/// The default of runc, `rslave`, still lets in what the host mounts later. Where the plan asks for a
/// propagation without its `r`, all mounts get it here all the same: one that stays shared would show
/// the container's mounts on the host.
///
/// # Errors
/// Those of `mount_change`.
pub fn cut_mount_ties(plan: &Plan) -> Result<()> {
    if plan.namespaces.inherits(Kind::Mount) {
        return Ok(());
    }
    let Some(peers) = ties(plan.root.propagation.peers) else {
        return Ok(());
    };
    step("cut the ties of mounts", || {
        let why = "have what is mounted in here stay in here";
        mount_change(Path::new("/"), peers | MsFlags::MS_REC, why)
    })
}

/// What mounts are to the host's before anything is done with them; none: what they were.
pub(super) fn ties(peers: Peers) -> Option<MsFlags> {
    match peers {
        Peers::Slave => Some(MsFlags::MS_SLAVE),
        // What is unbindable cannot be bound, the root first of all: it becomes so at the end.
        Peers::Private | Peers::Unbindable => Some(MsFlags::MS_PRIVATE),
        Peers::Shared => None,
    }
}

/// Makes the root directory a mount and opens it. Without a mount namespace of the container's own it
/// is only opened.
///
/// # Errors
/// It is not there, or no directory, or may not be mounted.
pub fn stand_up(plan: &Plan) -> Result<Root> {
    step_giving("stand the root up", || {
        umask(0o022, "make what is missing in the root as any system would")?;
        let path = plan.root.path.as_path();
        let directory = open_path(path, "mean this directory and no other from now on")?;
        if look_at(directory.as_fd()).map(|seen| seen.kind).ok() != Some(FileKind::Directory) {
            let path = path.display();
            return Err(Error::Unusable(format!("the root {path} is no directory")));
        }
        if plan.namespaces.inherits(Kind::Mount) {
            return Ok(Root::new(directory));
        }
        if plan.root.propagation.peers == Peers::Shared {
            keep_the_mount_below_private(path)?;
        }
        mount_onto_itself(&directory).map(Root::new)
    })
}

fn mount_onto_itself(directory: &OwnedFd) -> Result<OwnedFd> {
    let directory = directory.as_fd();
    let why = "have the root as a mount of its own, as pivot_root wants it";
    let tree = open_tree_of(directory, Recursive::Yes, why)?;
    let why = "have it where hooks of the container look for it";
    move_mount_onto(tree.as_fd(), directory, why)?;
    Ok(tree)
}

/// The mount that the root lies in may be shared with the host when nothing was cut. Then it would get
/// the container's root as well, and pivot_root would refuse.
fn keep_the_mount_below_private(path: &Path) -> Result<()> {
    for path in path.ancestors() {
        let directory = open_path(path, "look whether a mount begins here")?;
        if look_at(directory.as_fd()).is_ok_and(|seen| seen.is_mount) {
            let private =
                MountChange { propagation: Some(MsFlags::MS_PRIVATE), ..Default::default() };
            let why = "have the host not get the container's root, and pivot_root not refuse";
            return mount_setattr_to(directory.as_fd(), private, Recursive::No, why);
        }
    }
    Ok(())
}
