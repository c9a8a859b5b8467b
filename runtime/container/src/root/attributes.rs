//! What do the flags of a mount mean to the kernel?
//!
//! Some are of the mount and some of the file system behind it, which may be mounted more than once.

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;

use bundle::{Attribute, Flag, Mount, Peers, Propagation};
use primitives::{MountAttrFlags, MountChange, MsFlags, Recursive, Result, mount_setattr_to};

/// Flags of a mount. Of [`Flag::RelAtime`] there is no bit: it is what is so without another choice.
pub(super) fn of_mount(flags: &BTreeSet<Flag>) -> MountAttrFlags {
    let bit = |flag: &Flag| match flag {
        Flag::ReadOnly => MountAttrFlags::MOUNT_ATTR_RDONLY,
        Flag::NoSuid => MountAttrFlags::MOUNT_ATTR_NOSUID,
        Flag::NoDev => MountAttrFlags::MOUNT_ATTR_NODEV,
        Flag::NoExec => MountAttrFlags::MOUNT_ATTR_NOEXEC,
        Flag::NoSymFollow => MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW,
        Flag::NoDirAtime => MountAttrFlags::MOUNT_ATTR_NODIRATIME,
        Flag::NoAtime => MountAttrFlags::MOUNT_ATTR_NOATIME,
        Flag::StrictAtime => MountAttrFlags::MOUNT_ATTR_STRICTATIME,
        _ => MountAttrFlags::empty(),
    };
    flags.iter().map(bit).collect()
}

/// Parameters of the file system, under the names that the kernel knows for every one of them.
///
/// Two flags of mount(2) have none: `iversion`, which file systems that have it keep on by themselves,
/// and `silent`, which was about messages of the kernel.
pub(super) fn of_file_system(flags: &BTreeSet<Flag>) -> impl Iterator<Item = &'static str> {
    flags.iter().filter_map(|flag| match flag {
        Flag::ReadOnly => Some("ro"),
        Flag::Synchronous => Some("sync"),
        Flag::DirSync => Some("dirsync"),
        Flag::Mandlock => Some("mand"),
        Flag::LazyTime => Some("lazytime"),
        _ => None,
    })
}

/// The same for mount(2), where there is one number for both.
pub(super) fn of_one_call(flags: &BTreeSet<Flag>) -> MsFlags {
    let bit = |flag: &Flag| match flag {
        Flag::ReadOnly => MsFlags::MS_RDONLY,
        Flag::NoSuid => MsFlags::MS_NOSUID,
        Flag::NoDev => MsFlags::MS_NODEV,
        Flag::NoExec => MsFlags::MS_NOEXEC,
        Flag::Synchronous => MsFlags::MS_SYNCHRONOUS,
        Flag::DirSync => MsFlags::MS_DIRSYNC,
        Flag::Mandlock => MsFlags::MS_MANDLOCK,
        Flag::NoAtime => MsFlags::MS_NOATIME,
        Flag::NoDirAtime => MsFlags::MS_NODIRATIME,
        Flag::RelAtime => MsFlags::MS_RELATIME,
        Flag::StrictAtime => MsFlags::MS_STRICTATIME,
        Flag::LazyTime => MsFlags::MS_LAZYTIME,
        _ => MsFlags::empty(),
    };
    flags.iter().map(bit).collect()
}

/// What is changed of a mount that is there: flags that nobody speaks of stay as they are.
pub(super) fn change(set: &BTreeSet<Flag>, cleared: &BTreeSet<Flag>) -> MountChange<'static> {
    let mut clear = of_mount(cleared) - MountAttrFlags::MOUNT_ATTR__ATIME;
    let times = [Flag::NoAtime, Flag::RelAtime, Flag::StrictAtime];
    let other_times = [Flag::NoAtime, Flag::StrictAtime];
    if times.iter().any(|flag| set.contains(flag))
        || other_times.iter().any(|flag| cleared.contains(flag))
    {
        clear |= MountAttrFlags::MOUNT_ATTR__ATIME;
    }
    MountChange { set: of_mount(set), clear, ..Default::default() }
}

fn recursive_change(mount: &Mount) -> MountChange<'static> {
    let flags = |attributes: &BTreeSet<Attribute>| attributes.iter().map(as_flag).collect();
    change(&flags(&mount.set_recursively), &flags(&mount.cleared_recursively))
}

fn as_flag(attribute: &Attribute) -> Flag {
    match attribute {
        Attribute::ReadOnly => Flag::ReadOnly,
        Attribute::NoSuid => Flag::NoSuid,
        Attribute::NoDev => Flag::NoDev,
        Attribute::NoExec => Flag::NoExec,
        Attribute::NoDirAtime => Flag::NoDirAtime,
        Attribute::RelAtime => Flag::RelAtime,
        Attribute::NoAtime => Flag::NoAtime,
        Attribute::StrictAtime => Flag::StrictAtime,
        Attribute::NoSymFollow => Flag::NoSymFollow,
    }
}

/// Changes a mount, unless there is nothing to change.
pub(super) fn apply(
    tree: BorrowedFd<'_>,
    change: MountChange<'_>,
    recursive: Recursive,
    why: &'static str,
) -> Result<()> {
    if change.is_empty() { Ok(()) } else { mount_setattr_to(tree, change, recursive, why) }
}

/// Gives a mount and all below it the recursive attributes of the plan, before anybody sees it.
pub(super) fn apply_recursive(tree: BorrowedFd<'_>, mount: &Mount) -> Result<()> {
    let why = "have the same rules in everything that is mounted below";
    apply(tree, recursive_change(mount), Recursive::Yes, why)
}

/// Says with whom a mount that is attached now shares what is mounted in it.
pub(super) fn propagate(tree: BorrowedFd<'_>, changes: &[Propagation]) -> Result<()> {
    changes.iter().try_for_each(|Propagation { peers, recursive }| {
        let change = MountChange { propagation: Some(as_flags(*peers)), ..Default::default() };
        let recursive = if *recursive { Recursive::Yes } else { Recursive::No };
        mount_setattr_to(tree, change, recursive, "share mounts below it with these and no others")
    })
}

pub(super) fn as_flags(peers: Peers) -> MsFlags {
    match peers {
        Peers::Private => MsFlags::MS_PRIVATE,
        Peers::Slave => MsFlags::MS_SLAVE,
        Peers::Shared => MsFlags::MS_SHARED,
        Peers::Unbindable => MsFlags::MS_UNBINDABLE,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bundle::Flag;
    use primitives::MountAttrFlags;

    use super::change;

    #[test]
    fn what_nobody_speaks_of_stays() {
        let none = BTreeSet::new();
        assert!(change(&none, &none).is_empty());
        let change = change(&BTreeSet::from([Flag::ReadOnly]), &BTreeSet::from([Flag::NoExec]));
        assert_eq!(change.set, MountAttrFlags::MOUNT_ATTR_RDONLY);
        assert_eq!(change.clear, MountAttrFlags::MOUNT_ATTR_NOEXEC);
    }

    #[test]
    fn access_times_are_one_choice_of_three() {
        let none = BTreeSet::new();
        for (set, cleared) in [
            (BTreeSet::from([Flag::NoAtime]), none.clone()),
            (BTreeSet::from([Flag::RelAtime]), none.clone()),
            (none.clone(), BTreeSet::from([Flag::NoAtime])),
            (none.clone(), BTreeSet::from([Flag::StrictAtime])),
        ] {
            assert_eq!(change(&set, &cleared).clear, MountAttrFlags::MOUNT_ATTR__ATIME);
        }
        assert!(change(&none, &BTreeSet::from([Flag::RelAtime])).is_empty());
    }
}
