//! How is something mounted: by one call for all, or by one for each part of it?
//!
//! Both ways end in the same mount; a test compares the tables. What differs is what can be seen
//! and refused on the way, and when it becomes visible to others.

use std::os::fd::AsFd;
use std::path::Path;

use primitives::{
    MountAttrFlags, MsFlags, Recursive, Result, fsconfig_create, fsconfig_flag, fsconfig_set,
    fsmount, fsopen, mount_bind, mount_new, mount_remount, mount_setattr, move_mount_onto,
    open_tree,
};

use crate::Api;
use crate::mountinfo;
use crate::place::Place;

/// A file system to be mounted.
pub(crate) struct FileSystem {
    pub(crate) kind: &'static str,
    /// What it says where a disk would stand.
    pub(crate) source: &'static str,
    /// Its own parameters, with their values.
    pub(crate) data: &'static [(&'static str, &'static str)],
    pub(crate) flags: MsFlags,
}

impl Api {
    // ANCHOR: mount
    /// Mounts a new file system.
    pub(crate) fn mount(self, fs: &FileSystem, at: &Place, why: &'static str) -> Result<()> {
        match self {
            Api::Classic => {
                let data: Vec<String> =
                    fs.data.iter().map(|(key, value)| format!("{key}={value}")).collect();
                let data = (!data.is_empty()).then(|| data.join(","));
                mount_new(fs.source, &at.path(), fs.kind, fs.flags, data.as_deref(), why)
            }
            Api::New => {
                let new = fsopen(fs.kind, "begin to describe a file system")?;
                let new = new.as_fd();
                fsconfig_set(new, "source", fs.source, "give it a name in the table of mounts")?;
                for (key, value) in fs.data {
                    fsconfig_set(new, key, value, "say what it shall be like")?;
                }
                if fs.flags.contains(MsFlags::MS_RDONLY) {
                    fsconfig_flag(new, "ro", "have it read-only whoever mounts it")?;
                }
                fsconfig_create(new, "have it made, so that mistakes are found before it is seen")?;
                let mount =
                    fsmount(new, attributes(fs.flags), "have a mount of it, still nowhere")?;
                move_mount_onto(mount.as_fd(), at.as_fd(), why)
            }
        }
    }
    // ANCHOR_END: mount

    /// Makes a file or directory of the machine visible at a place.
    pub(crate) fn bind(self, source: &Path, at: &Place, why: &'static str) -> Result<()> {
        match self {
            Api::Classic => mount_bind(source, &at.path(), why),
            Api::New => {
                let tree = open_tree(source, "have a copy of the mount, still nowhere")?;
                move_mount_onto(tree.as_fd(), at.as_fd(), why)
            }
        }
    }

    // ANCHOR: read_only
    /// Makes what is at a place, and all below it, read-only there and nowhere else.
    pub(crate) fn bind_read_only(self, root: &Place, path: &Path, at: &Place) -> Result<()> {
        match self {
            Api::Classic => {
                let why = "have a mount of its own there, with options of its own";
                mount_bind(&at.path(), &at.path(), why)?;
                // What was opened before lies under the new mount.
                let why = "reach the new mount";
                root.find(path, why)?.map_or(Ok(()), |top| remount_all(root, &top))
            }
            Api::New => {
                let tree = open_tree(&at.path(), "have a copy of the mount, still nowhere")?;
                let why = "make all of it read-only before anybody sees it";
                mount_setattr(
                    tree.as_fd(),
                    MountAttrFlags::MOUNT_ATTR_RDONLY,
                    Recursive::Yes,
                    why,
                )?;
                move_mount_onto(tree.as_fd(), at.as_fd(), "lay it over what can be written to")
            }
        }
    }
    // ANCHOR_END: read_only

    /// Makes one mount read-only.
    pub(crate) fn make_read_only(self, mount: &Place, why: &'static str) -> Result<()> {
        match self {
            Api::Classic => {
                let all = mountinfo::below(&mount.true_path()?)?;
                let at = mount.true_path()?;
                let is = all.iter().rev().find(|other| other.at == at);
                let options = is.map_or(MsFlags::empty(), |is| is.options);
                mount_remount(&mount.path(), options | MsFlags::MS_RDONLY, why)
            }
            Api::New => {
                let read_only = MountAttrFlags::MOUNT_ATTR_RDONLY;
                mount_setattr(mount.as_fd(), read_only, Recursive::No, why)
            }
        }
    }
}

/// A remount changes one mount and says *all* of its options: the ones that are left out go, or, where
/// a more privileged namespace has set them, it is refused.
fn remount_all(root: &Place, top: &Place) -> Result<()> {
    let (outside, top) = (root.true_path()?, top.true_path()?);
    for mount in mountinfo::below(&top)? {
        let path = mount.at.strip_prefix(&outside).unwrap_or(&mount.at);
        if let Some(place) = root.find(path, "reach one of the mounts")? {
            let why = "let nobody write by way of this mount, and keep its other options";
            mount_remount(&place.path(), mount.options | MsFlags::MS_RDONLY, why)?;
        }
    }
    Ok(())
}

/// The same options under the names of the new calls.
fn attributes(flags: MsFlags) -> MountAttrFlags {
    const NAMES: [(MsFlags, MountAttrFlags); 4] = [
        (MsFlags::MS_RDONLY, MountAttrFlags::MOUNT_ATTR_RDONLY),
        (MsFlags::MS_NOSUID, MountAttrFlags::MOUNT_ATTR_NOSUID),
        (MsFlags::MS_NODEV, MountAttrFlags::MOUNT_ATTR_NODEV),
        (MsFlags::MS_NOEXEC, MountAttrFlags::MOUNT_ATTR_NOEXEC),
    ];
    NAMES.into_iter().filter(|(old, _)| flags.contains(*old)).map(|(_, new)| new).collect()
}
