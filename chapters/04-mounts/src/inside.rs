//! How does a process come by a mount namespace that it is the master of?
//!
//! It is born in one. Who is not root is born in a user namespace too, because a mount namespace
//! belongs to the user namespace in which it was made, and only the master of that one may mount.

use std::path::{Path, PathBuf};

use primitives::{
    Birth, IdMap, MsFlags, Namespaces, Result, Signal, Status, ToParent, deny_setgroups, mount_new,
    own_ids, spawn, step, step_giving, write_gid_map, write_uid_map,
};

/// A mount namespace, and for who is not root a user namespace that it can belong to.
pub(crate) fn of_ones_own() -> Namespaces {
    match own_ids() {
        (0, _) => Namespaces::CLONE_NEWNS,
        _ => contained(),
    }
}

/// A mount namespace in a user namespace, for root as well. Of each mount that is copied into one
/// with another owner the kernel makes a slave, so nothing that is mounted in there gets out.
pub(crate) fn contained() -> Namespaces {
    Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS
}

// ANCHOR: inside
/// Runs `body` in a child in these new namespaces, as root of them, and ends as it ended.
pub(crate) fn run_inside(
    namespaces: Namespaces,
    body: impl FnOnce(&ToParent) -> Result<u8>,
) -> Result<Status> {
    let (uid, gid) = own_ids();
    let birth = Birth { namespaces, cgroup: None };
    let child = step_giving("make a child", || {
        spawn("child", birth, "have a process with a view of files of its own", |parent| {
            step("tie to the parent", || parent.tie(Signal::SIGKILL, TIE))?;
            if namespaces.contains(Namespaces::CLONE_NEWUSER) {
                step("map root", || map_root(uid, gid))?;
            }
            body(parent)
        })
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}
// ANCHOR_END: inside

const TIE: &str = "end when the one that watches over it ends";

/// The child writes its own maps, so nobody has to wait for anybody. It may, because outside it is
/// still who it was.
fn map_root(uid: u32, gid: u32) -> Result<()> {
    deny_setgroups(None, "be allowed to map a group without root")?;
    write_uid_map(None, &[IdMap::one(0, uid)], "be root in here, and own what is made in here")?;
    write_gid_map(None, &[IdMap::one(0, gid)], "have files belong to a group that has a name")
}

/// An empty place that is gone with the last process in here: a tmpfs over a directory that every
/// machine has.
pub(crate) fn empty_place() -> Result<PathBuf> {
    let place = Path::new("/mnt");
    let why = "have an empty directory that leaves nothing behind";
    step_giving("make an empty place", || {
        mount_new("place", place, "tmpfs", MsFlags::empty(), Some("mode=0755"), why)
    })?;
    Ok(place.to_path_buf())
}
