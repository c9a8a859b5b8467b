//! Mounts: attaching, changing, moving and detaching them, and changing the root.
//!
//! `mount(2)` does five different things by its flags; here each is a function of its own. The new
//! mount API (Linux 5.2) does the same in steps that can be looked at one by one.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::args::{Word, fields, flags, or_null};
use crate::call;
use crate::error::Result;
use crate::gate::perform;
use crate::process::from_rustix;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};

/// Attaches a new instance of a file system at `target`.
///
/// - man: mount(2)
/// - since: Linux 1.0
/// - EPERM: this needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace; for proc
///   and sysfs also that nothing of the outer one is hidden
/// - ENODEV: this kernel does not know the file system
/// - ENOENT: the target is not there
/// - EBUSY: the source is mounted there already
#[track_caller]
pub fn mount_new(
    source: &str,
    target: &Path,
    kind: &str,
    flags: MsFlags,
    data: Option<&str>,
    why: &'static str,
) -> Result<()> {
    let call = call!("mount" as "mount_new", source, target, kind, flags, or_null(data));
    perform(call, why, || nix::mount::mount(Some(source), target, Some(kind), flags, data))
}

/// Makes a directory or file visible at a second place. Flags other than `MS_REC` are ignored here
/// by the kernel, so a read-only bind takes a second call: [`mount_remount`].
///
/// - man: mount(2)
/// - since: Linux 2.4; recursive since 2.4.11
/// - EINVAL: the source has mounts that were locked by a more privileged namespace: take them along
///   (recursive); or it is marked unbindable
/// - ENOENT: the source or the target is not there
#[track_caller]
pub fn mount_bind(source: &Path, target: &Path, why: &'static str) -> Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    let null = Word("NULL");
    let call = call!("mount" as "mount_bind", source, target, null, flags, null);
    perform(call, why, || nix::mount::mount(Some(source), target, NONE, flags, NONE))
}

/// Changes the options of a bind mount: read-only, nosuid, nodev, noexec.
///
/// - man: mount(2)
/// - since: Linux 2.6.26
/// - EPERM: an option that a more privileged namespace has set cannot be taken away
/// - EINVAL: there is no mount at the target
#[track_caller]
pub fn mount_remount(target: &Path, options: MsFlags, why: &'static str) -> Result<()> {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | options;
    let null = Word("NULL");
    let call = call!("mount" as "mount_remount", null, target, null, flags, null);
    perform(call, why, || nix::mount::mount(NONE, target, NONE, flags, NONE))
}

/// Changes how mounts and unmounts spread from and to other mount namespaces: `MS_PRIVATE`,
/// `MS_SLAVE`, `MS_SHARED` or `MS_UNBINDABLE`, with `MS_REC` for all mounts below.
///
/// - man: mount(2), mount_namespaces(7)
/// - since: Linux 2.6.15
/// - EINVAL: there is no mount at the target, or more than one kind of propagation was named
#[track_caller]
pub fn mount_change(target: &Path, propagation: MsFlags, why: &'static str) -> Result<()> {
    let null = Word("NULL");
    let call = call!("mount" as "mount_change", null, target, null, propagation, null);
    perform(call, why, || nix::mount::mount(NONE, target, NONE, propagation, NONE))
}

/// Moves a mount to another place, with everything below it.
///
/// - man: mount(2)
/// - since: Linux 2.4.18
/// - EINVAL: the mount that holds it is shared, so the move would have to happen elsewhere too
#[track_caller]
pub fn mount_move(source: &Path, target: &Path, why: &'static str) -> Result<()> {
    let flags = MsFlags::MS_MOVE;
    let null = Word("NULL");
    let call = call!("mount" as "mount_move", source, target, null, flags, null);
    perform(call, why, || nix::mount::mount(Some(source), target, NONE, flags, NONE))
}

const NONE: Option<&str> = None;

/// Detaches a mount; with `MNT_DETACH` at once, even if it is still in use.
///
/// - man: umount2(2)
/// - since: Linux 2.1.116; MNT_DETACH since 2.4.11
/// - EBUSY: a process has a file of it open or works in it
/// - EINVAL: there is no mount there; or it came from a more privileged namespace, which locks it
#[track_caller]
pub fn umount(target: &Path, flags: MntFlags, why: &'static str) -> Result<()> {
    perform(call!("umount2" as "umount", target, flags), why, || nix::mount::umount2(target, flags))
}

/// Swaps the root mount of this mount namespace: `new_root` becomes it, the old one goes to
/// `put_old`.
///
/// - man: pivot_root(2)
/// - since: Linux 2.3.41
/// - EINVAL: the new root must be a mount point: bind it onto itself first; neither it nor its parent
///   mount may be shared, and the old place must lie at or below the new root
/// - EBUSY: the new root, or the old place, lies on the root mount of now: bind the new root onto itself
///   first
/// - EPERM: this needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace
#[track_caller]
pub fn pivot_root(new_root: &Path, put_old: &Path, why: &'static str) -> Result<()> {
    let call = call!("pivot_root", new_root, put_old);
    perform(call, why, || nix::unistd::pivot_root(new_root, put_old))
}

/// Makes a directory look like the root to this process. What it has open stays open, and so a way
/// out: this is no jail.
///
/// - man: chroot(2)
/// - since: Linux 1.0
/// - EPERM: this needs CAP_SYS_CHROOT
/// - ENOENT: there is no such directory
#[track_caller]
pub fn chroot(path: &Path, why: &'static str) -> Result<()> {
    perform(call!("chroot", path), why, || nix::unistd::chroot(path))
}

/// Opens a file system that is to be configured: the first step of the new mount API.
///
/// - man: fsopen(2)
/// - since: Linux 5.2
/// - ENODEV: this kernel does not know the file system
/// - EPERM: this needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace
#[track_caller]
pub fn fsopen(kind: &str, why: &'static str) -> Result<OwnedFd> {
    let cloexec = FsOpenFlags::FSOPEN_CLOEXEC;
    perform(call!("fsopen", kind, flags(&cloexec)), why, || {
        rustix::mount::fsopen(kind, cloexec).map_err(from_rustix)
    })
}

/// Sets one parameter of a file system that is being configured.
///
/// - man: fsconfig(2)
/// - since: Linux 5.2
/// - EINVAL: the file system does not know the parameter, or not this value: it says more when its
///   descriptor is read
#[track_caller]
pub fn fsconfig_set(fs: BorrowedFd<'_>, key: &str, value: &str, why: &'static str) -> Result<()> {
    let command = Word("FSCONFIG_SET_STRING");
    perform(call!("fsconfig" as "fsconfig_set", fs, command, key, value, 0), why, || {
        rustix::mount::fsconfig_set_string(fs, key, value).map_err(from_rustix)
    })
}

/// Sets a parameter that has no value of a file system that is being configured.
///
/// - man: fsconfig(2)
/// - since: Linux 5.2
/// - EINVAL: the file system does not know the parameter, or wants a value for it
/// - EPERM: this parameter is not for user namespaces
#[track_caller]
pub fn fsconfig_flag(fs: BorrowedFd<'_>, key: &str, why: &'static str) -> Result<()> {
    let (command, null) = (Word("FSCONFIG_SET_FLAG"), Word("NULL"));
    perform(call!("fsconfig" as "fsconfig_flag", fs, command, key, null, 0), why, || {
        rustix::mount::fsconfig_set_flag(fs, key).map_err(from_rustix)
    })
}

/// Makes the file system that was configured.
///
/// - man: fsconfig(2)
/// - since: Linux 5.2
/// - EBUSY: it was made already
#[track_caller]
pub fn fsconfig_create(fs: BorrowedFd<'_>, why: &'static str) -> Result<()> {
    let (command, null) = (Word("FSCONFIG_CMD_CREATE"), Word("NULL"));
    perform(call!("fsconfig" as "fsconfig_create", fs, command, null, null, 0), why, || {
        rustix::mount::fsconfig_create(fs).map_err(from_rustix)
    })
}

/// Makes a mount of the file system, which is not attached anywhere yet.
///
/// - man: fsmount(2)
/// - since: Linux 5.2
/// - EINVAL: the file system was not made yet
#[track_caller]
pub fn fsmount(
    fs: BorrowedFd<'_>,
    attributes: MountAttrFlags,
    why: &'static str,
) -> Result<OwnedFd> {
    let cloexec = FsMountFlags::FSMOUNT_CLOEXEC;
    perform(call!("fsmount", fs, flags(&cloexec), flags(&attributes)), why, || {
        rustix::mount::fsmount(fs, cloexec, attributes).map_err(from_rustix)
    })
}

/// Copies the mounts at and below `path` into a tree that is not attached anywhere yet: the first
/// half of a bind mount.
///
/// - man: open_tree(2)
/// - since: Linux 5.2
/// - EINVAL: the tree has mounts that were locked by a more privileged namespace
#[track_caller]
pub fn open_tree(path: &Path, why: &'static str) -> Result<OwnedFd> {
    let options = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    perform(call!("open_tree", Word("AT_FDCWD"), path, flags(&options)), why, || {
        rustix::mount::open_tree(rustix::fs::CWD, path, options).map_err(from_rustix)
    })
}

/// Attaches a mount that is not attached anywhere: the last step of the new mount API.
///
/// - man: move_mount(2)
/// - since: Linux 5.2
/// - ENOENT: the target is not there
/// - EINVAL: the mount belongs to another mount namespace
#[track_caller]
pub fn move_mount(mount: BorrowedFd<'_>, target: &Path, why: &'static str) -> Result<()> {
    let empty = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    let here = Word("AT_FDCWD");
    perform(call!("move_mount", mount, "", here, target, flags(&empty)), why, || {
        rustix::mount::move_mount(mount, c"", rustix::fs::CWD, target, empty).map_err(from_rustix)
    })
}

/// Attaches a mount at a place that is open already: nobody can put something else there meanwhile.
///
/// - man: move_mount(2)
/// - since: Linux 5.2
/// - EINVAL: the mount belongs to another mount namespace
/// - ENOTDIR: a directory is to be attached at a file, or a file at a directory
#[track_caller]
pub fn move_mount_onto(
    mount: BorrowedFd<'_>,
    place: BorrowedFd<'_>,
    why: &'static str,
) -> Result<()> {
    let both = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    let call = call!("move_mount" as "move_mount_onto", mount, "", place, "", flags(&both));
    perform(call, why, || {
        rustix::mount::move_mount(mount, c"", place, c"", both).map_err(from_rustix)
    })
}

/// Attaches a mount at a name in an open directory that nobody else can change.
///
/// - man: move_mount(2)
/// - since: Linux 5.2
/// - ENOENT: there is nothing of this name
/// - EINVAL: the mount belongs to another mount namespace
#[track_caller]
pub fn move_mount_into(
    mount: BorrowedFd<'_>,
    directory: BorrowedFd<'_>,
    name: &Path,
    why: &'static str,
) -> Result<()> {
    let empty = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    let call = call!("move_mount" as "move_mount_into", mount, "", directory, name, flags(&empty));
    perform(call, why, || {
        rustix::mount::move_mount(mount, c"", directory, name, empty).map_err(from_rustix)
    })
}

/// Changes the attributes of a mount, and with `recursive` of all below, in one call: what the
/// classic API needs a remount of each mount for.
///
/// - man: mount_setattr(2)
/// - since: Linux 5.12
/// - EPERM: an attribute that a more privileged namespace has set cannot be taken away
/// - EINVAL: the path is no mount point
#[track_caller]
pub fn mount_setattr(
    mount: BorrowedFd<'_>,
    set: MountAttrFlags,
    recursive: Recursive,
    why: &'static str,
) -> Result<()> {
    let shown = fields([("attr_set", flags(&set))]);
    perform(call!("mount_setattr", mount, "", recursive.at_flags(), shown), why, || {
        let set = u64::from(set.bits());
        let attr = libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 };
        set_attributes(mount, recursive, &attr)
    })
}

/// The one mount_setattr.
pub(crate) fn set_attributes(
    mount: BorrowedFd<'_>,
    recursive: Recursive,
    attr: &libc::mount_attr,
) -> std::result::Result<(), Errno> {
    let flags = match recursive {
        Recursive::No => libc::AT_EMPTY_PATH,
        Recursive::Yes => libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
    };
    let (fd, size) = (mount.as_raw_fd(), size_of::<libc::mount_attr>());
    let (empty, attr) = (c"".as_ptr(), &raw const *attr);
    // SAFETY: the string is a constant, and `attr` is borrowed until the call returns.
    let done = unsafe { libc::syscall(libc::SYS_mount_setattr, fd, empty, flags, attr, size) };
    Errno::result(done).map(drop)
}

/// Whether a change of a mount is for all mounts below it as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recursive {
    /// This mount alone.
    No,
    /// This mount and all below.
    Yes,
}

impl Recursive {
    /// How the calls that take it as a flag have it.
    pub(crate) fn at_flags(self) -> Word {
        match self {
            Recursive::No => Word("AT_EMPTY_PATH"),
            Recursive::Yes => Word("AT_EMPTY_PATH|AT_RECURSIVE"),
        }
    }
}
