//! Mounts that are held by a descriptor: copying them, changing them, and file systems that are
//! mounted already.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::args::{Word, fields, flags};
use crate::call;
use crate::error::Result;
use crate::gate::perform;
use crate::mount::{Recursive, set_attributes};
use crate::process::from_rustix;
use crate::{MsFlags, ToArg};
use rustix::mount::{FsPickFlags, MountAttrFlags, OpenTreeFlags};
use trace::Arg;

/// Copies the mount at `path`, alone or with all below, into a tree that is not attached anywhere
/// yet.
///
/// - man: open_tree(2)
/// - since: Linux 5.2
/// - EINVAL: the mount is unbindable; or there are mounts below that were locked by a more privileged
///   namespace: take them along (rbind)
/// - EPERM: this needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace
/// - ENOENT: there is nothing at this path
/// - EACCES: a directory on the way is closed to this user
#[track_caller]
pub fn open_tree_copy(path: &Path, recursive: Recursive, why: &'static str) -> Result<OwnedFd> {
    let options = copying(recursive);
    let call = call!("open_tree" as "open_tree_copy", Word("AT_FDCWD"), path, flags(&options));
    perform(call, why, || {
        rustix::mount::open_tree(rustix::fs::CWD, path, options).map_err(from_rustix)
    })
}

/// Copies the mount of something that is open, from there on, alone or with all below.
///
/// - man: open_tree(2)
/// - since: Linux 5.2
/// - EINVAL: the mount is unbindable, or belongs to another mount namespace; or there are mounts below
///   that were locked by a more privileged namespace: take them along
/// - EPERM: this needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace
#[track_caller]
pub fn open_tree_of(
    place: BorrowedFd<'_>,
    recursive: Recursive,
    why: &'static str,
) -> Result<OwnedFd> {
    let options = copying(recursive) | OpenTreeFlags::AT_EMPTY_PATH;
    perform(call!("open_tree" as "open_tree_of", place, "", flags(&options)), why, || {
        rustix::mount::open_tree(place, c"", options).map_err(from_rustix)
    })
}

fn copying(recursive: Recursive) -> OpenTreeFlags {
    let alone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    match recursive {
        Recursive::No => alone,
        Recursive::Yes => alone | OpenTreeFlags::AT_RECURSIVE,
    }
}

/// What is changed of a mount.
#[derive(Clone, Copy, Debug)]
pub struct MountChange<'a> {
    /// Attributes that it gets.
    pub set: MountAttrFlags,
    /// Attributes that it loses first. Where access times are set, all three ways of them are lost.
    pub clear: MountAttrFlags,
    /// Its new propagation: `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE` or `MS_UNBINDABLE`.
    pub propagation: Option<MsFlags>,
    /// The user namespace by whose maps it shows the owners of its files.
    pub id_map: Option<BorrowedFd<'a>>,
}

impl Default for MountChange<'_> {
    fn default() -> Self {
        let none = MountAttrFlags::empty();
        MountChange { set: none, clear: none, propagation: None, id_map: None }
    }
}

impl MountChange<'_> {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
            && self.clear.is_empty()
            && self.propagation.is_none()
            && self.id_map.is_none()
    }

    fn all_set(&self) -> MountAttrFlags {
        match self.id_map {
            None => self.set,
            Some(_) => self.set | MountAttrFlags::MOUNT_ATTR_IDMAP,
        }
    }
}

/// Changes a mount, and with `recursive` all below: everything in one call, or nothing.
///
/// - man: mount_setattr(2)
/// - since: Linux 5.12; for idmaps on tmpfs since 6.3
/// - EPERM: an attribute that a more privileged namespace has set cannot be taken away; an idmap needs
///   CAP_SYS_ADMIN in the user namespace of the file system
/// - EINVAL: it is no mount point; or this file system cannot show other owners
/// - ENOSYS: mounts are changed by this call alone here, so this program needs Linux 5.12
#[track_caller]
pub fn mount_setattr_to(
    mount: BorrowedFd<'_>,
    change: MountChange<'_>,
    recursive: Recursive,
    why: &'static str,
) -> Result<()> {
    let shown = || {
        fields([
            ("attr_set", flags(&change.all_set())),
            ("attr_clr", flags(&change.clear)),
            ("propagation", flags(&change.propagation.unwrap_or(MsFlags::empty()))),
            ("userns_fd", change.id_map.map_or(Arg::Number(0), |namespace| namespace.to_arg())),
        ])
    };
    let call =
        call!("mount_setattr" as "mount_setattr_to", mount, "", recursive.at_flags(), shown());
    perform(call, why, || {
        let attr = libc::mount_attr {
            attr_set: u64::from(change.all_set().bits()),
            attr_clr: u64::from(change.clear.bits()),
            propagation: change.propagation.map_or(0, |propagation| propagation.bits()),
            userns_fd: change.id_map.map_or(0, |namespace| namespace.as_raw_fd() as u64),
        };
        set_attributes(mount, recursive, &attr)
    })
}

/// Opens a file system that is mounted, to configure it anew: it is meant wherever else it is mounted,
/// too.
///
/// - man: fspick(2)
/// - since: Linux 5.2
/// - EPERM: this needs CAP_SYS_ADMIN in the user namespace of the file system
/// - EINVAL: no mount begins there
#[track_caller]
pub fn fspick(mount: BorrowedFd<'_>, why: &'static str) -> Result<OwnedFd> {
    let options = FsPickFlags::FSPICK_CLOEXEC | FsPickFlags::FSPICK_EMPTY_PATH;
    let shown = Word("FSPICK_CLOEXEC|FSPICK_EMPTY_PATH");
    perform(call!("fspick", mount, "", shown), why, || {
        rustix::mount::fspick(mount, c"", options).map_err(from_rustix)
    })
}

/// Has a file system that is mounted take on the parameters that were set.
///
/// - man: fsconfig(2)
/// - since: Linux 5.2
/// - EBUSY: it cannot be made read-only while a file is open for writing
/// - EINVAL: a parameter cannot be changed any more
#[track_caller]
pub fn fsconfig_reconfigure(fs: BorrowedFd<'_>, why: &'static str) -> Result<()> {
    let (command, null) = (Word("FSCONFIG_CMD_RECONFIGURE"), Word("NULL"));
    perform(call!("fsconfig" as "fsconfig_reconfigure", fs, command, null, null, 0), why, || {
        rustix::mount::fsconfig_reconfigure(fs).map_err(from_rustix)
    })
}

/// Whether the file system that a path is in is mounted read-only there; looking changes nothing.
pub fn is_mounted_readonly(path: &Path) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|about| about.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}
