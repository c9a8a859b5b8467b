//! Where can one mount, make and delete without anybody noticing?

use std::path::{Path, PathBuf};

use primitives::{
    Error, IdMap, MsFlags, Namespaces, Result, deny_setgroups, mount_change, mount_new, own_ids,
    read_small, step_giving, unshare, write_gid_map, write_uid_map,
};

// ANCHOR: own
/// Leaves the shared view of files, as root of our own where we are not root already. It is all gone
/// with the last process in it, however that one ends.
pub(crate) fn of_our_own() -> Result<()> {
    let (uid, gid) = own_ids();
    // Chapters 3 and 4 take this apart. Here it cannot be left out: root would mount for everybody.
    step_giving("take a view of our own", || {
        if uid != 0 {
            let both = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS;
            unshare(both, "be root of a view of files that nobody else has")?;
            map_root(uid, gid)?;
        } else {
            unshare(Namespaces::CLONE_NEWNS, "have a view of files that nobody else has")?;
        }
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount_change(Path::new("/"), private, "keep our mounts from spreading to everybody")
    })
}
// ANCHOR_END: own

/// Becomes root of our own where we are not root already: for what is only read and written.
pub(crate) fn be_root() -> Result<()> {
    let (uid, gid) = own_ids();
    if uid == 0 {
        return Ok(());
    }
    step_giving("be root of our own", || {
        unshare(Namespaces::CLONE_NEWUSER, "call ourselves root, as whoever reads the layer will")?;
        map_root(uid, gid)
    })
}

fn map_root(uid: u32, gid: u32) -> Result<()> {
    deny_setgroups(None, "be allowed to map a group without root")?;
    write_uid_map(None, &[IdMap::one(0, uid)], "make root in here the same as us")?;
    write_gid_map(None, &[IdMap::one(0, gid)], "make its group the same as ours")
}

// ANCHOR: place
/// An empty directory in memory that nobody else sees, over one that exists: a program that is killed
/// cannot leave behind what was never on a disk.
pub(crate) fn empty_place(used: &[&Path]) -> Result<PathBuf> {
    let place = free_place(used)?;
    step_giving("make an empty place", || {
        let (none, mode) = (MsFlags::empty(), Some("mode=0755"));
        mount_new("place", &place, "tmpfs", none, mode, "work where nothing can be left behind")
    })?;
    Ok(place)
}
// ANCHOR_END: place

/// A directory over which a mount hides nothing that is used.
fn free_place(used: &[&Path]) -> Result<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let hides = |place: &Path| {
        let absolute = |path: &Path| here.join(path).canonicalize().unwrap_or_default();
        here.starts_with(place) || used.iter().any(|path| absolute(path).starts_with(place))
    };
    let places = ["/mnt", "/media", "/srv", "/opt", "/tmp"].map(PathBuf::from);
    places.into_iter().find(|place| place.is_dir() && !hides(place)).ok_or_else(|| {
        Error::Unusable("there is no /mnt, /media, /srv, /opt or /tmp that is not in use".into())
    })
}

/// Whether root here is root of the machine. Only that one may write attributes called `trusted.*`.
pub(crate) fn is_first_user_namespace() -> bool {
    let map = read_small(Path::new("/proc/self/uid_map")).unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// How overlayfs's own attributes begin here.
pub(crate) fn overlay_attribute(name: &str) -> String {
    let kind = if is_first_user_namespace() { "trusted" } else { "user" };
    format!("{kind}.overlay.{name}")
}
