//! Where can one pack, unpack and spoil without anybody noticing?

use std::path::{Path, PathBuf};

use primitives::{
    IdMap, MsFlags, Namespaces, Result, deny_setgroups, mount_change, mount_new, own_ids,
    step_giving, unshare, write_gid_map, write_uid_map,
};

/// Becomes root of our own where we are not root already: the files of an image belong to root.
pub(crate) fn be_root() -> Result<()> {
    let (uid, gid) = own_ids();
    if uid == 0 {
        return Ok(());
    }
    step_giving("be root of our own", || {
        unshare(Namespaces::CLONE_NEWUSER, "be the root that the files shall belong to")?;
        map_root(uid, gid)
    })
}

/// An empty directory in memory, in a view of files that nobody else has (chapters 3, 4 and 6).
pub(crate) fn empty_place() -> Result<PathBuf> {
    be_root()?;
    let place = PathBuf::from("/mnt");
    step_giving("make an empty place", || {
        unshare(Namespaces::CLONE_NEWNS, "have a view of files that nobody else has")?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount_change(Path::new("/"), private, "keep our mounts from spreading to everybody")?;
        let (none, options) = (MsFlags::empty(), Some("mode=0755,size=64M"));
        mount_new("place", &place, "tmpfs", none, options, "work where nothing can be left behind")
    })?;
    Ok(place)
}

fn map_root(uid: u32, gid: u32) -> Result<()> {
    deny_setgroups(None, "be allowed to map a group without root")?;
    write_uid_map(None, &[IdMap::one(0, uid)], "make root in here the same as us")?;
    write_gid_map(None, &[IdMap::one(0, gid)], "make its group the same as ours")
}
