//! What does a container see of its cgroup?
//!
//! Its own part and nothing above; and it may write there only where that part is all it has (a cgroup
//! namespace of its own) or where the configuration says so in words (CVE-2023-25809).

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use bundle::{Flag, Kind, Mount};
use primitives::{
    Errno, MountAttrFlags, MountChange, Recursive, Result, fsconfig_create, fsconfig_flag,
    fsconfig_set, fsmount, fsopen, mkdirat, move_mount_into, open_tree_copy, symlinkat,
};

use crate::cgroup::{Inside, InsideHierarchy};

use super::answer;
use super::attributes::{apply, of_mount};
use super::mounts::{Context, check_what_is_hidden, directory, lay};

/// Mounts the container's cgroup.
pub(super) fn mount(context: &Context<'_>, mount: &Mount) -> Result<()> {
    let place = directory(context.root, &mount.destination)?;
    check_what_is_hidden(&mount.destination, &place, || false)?;
    let has_own = !context.plan.namespaces.inherits(Kind::Cgroup);
    let mount = &with_read_only_unless_asked(mount, has_own);
    match context.cgroups {
        Inside::V2 { own } => {
            let tree = match unified(mount) {
                // Not the owner of the cgroup namespace, or one that is mounted with other options.
                Err(error) if matches!(answer(&error), Some(Errno::EPERM | Errno::EBUSY)) => {
                    part_of_the_host(mount, own)?
                }
                other => other?,
            };
            context.attach(tree, &place, mount)
        }
        Inside::V1 { hierarchies, links } => {
            let top = tmpfs(mount, "have a place for one mount of each hierarchy")?;
            // First, because older kernels attach nothing to what is not attached itself.
            lay(top.as_fd(), &place, mount)?;
            fill(&top, mount, has_own, hierarchies, links)?;
            close(mount, &top)
        }
        Inside::Nothing => {
            let tree = tmpfs(mount, "have nothing to see where there is nothing to have")?;
            close(mount, &tree)?;
            context.attach(tree, &place, mount)
        }
    }
}

fn with_read_only_unless_asked(mount: &Mount, has_own: bool) -> Mount {
    let mut mount = mount.clone();
    if !has_own && !mount.cleared.contains(&Flag::ReadOnly) {
        mount.set.insert(Flag::ReadOnly);
    }
    mount
}

fn unified(mount: &Mount) -> Result<OwnedFd> {
    let fs = fsopen("cgroup2", "let programs see their cgroup")?;
    let fs = fs.as_fd();
    fsconfig_set(fs, "source", "cgroup", "have a name for it in the table of mounts")?;
    for option in &mount.data {
        match option.split_once('=') {
            Some((key, value)) => {
                fsconfig_set(fs, key, value, "have it as the configuration says")?;
            }
            None => fsconfig_flag(fs, option, "have it as the configuration says")?,
        }
    }
    fsconfig_create(fs, "have it from the root of the cgroup namespace on")?;
    fsmount(fs, of_mount(&mount.set), "have it mounted, but nowhere yet")
}

fn part_of_the_host(mount: &Mount, own: &Path) -> Result<OwnedFd> {
    let why = "show the container its part of the host's cgroups, and nothing above";
    let tree = open_tree_copy(own, Recursive::No, why)?;
    let change = MountChange { set: of_mount(&mount.set), ..Default::default() };
    apply(tree.as_fd(), change, Recursive::No, "let it write there only where that was said")?;
    Ok(tree)
}

fn tmpfs(mount: &Mount, why: &'static str) -> Result<OwnedFd> {
    let fs = fsopen("tmpfs", why)?;
    let fs = fs.as_fd();
    fsconfig_set(fs, "source", "tmpfs", "have a name for it in the table of mounts")?;
    fsconfig_set(fs, "mode", "755", "let everybody look and nobody change")?;
    fsconfig_create(fs, "have it made")?;
    fsmount(fs, of_mount(&without(&mount.set, Flag::ReadOnly)), "have it mounted, but nowhere yet")
}

fn without(flags: &BTreeSet<Flag>, flag: Flag) -> BTreeSet<Flag> {
    flags.iter().copied().filter(|other| *other != flag).collect()
}

/// A directory with one mount for each hierarchy.
fn fill(
    top: &OwnedFd,
    mount: &Mount,
    has_own: bool,
    hierarchies: &[InsideHierarchy],
    links: &[(String, String)],
) -> Result<()> {
    for hierarchy in hierarchies {
        let name = Path::new(&hierarchy.name);
        mkdirat(top.as_fd(), name, 0o755, "have a place for this hierarchy")?;
        let tree = match has_own {
            true => one(mount, hierarchy)?,
            false => part_of_the_host(mount, &hierarchy.own)?,
        };
        // By its name, for who could put something else there: the directory is of this very moment.
        move_mount_into(tree.as_fd(), top.as_fd(), name, "let programs see their cgroup")?;
    }
    for (name, target) in links {
        let why = "have each controller under its own name";
        symlinkat(Path::new(target), top.as_fd(), Path::new(name), why)?;
    }
    Ok(())
}

/// The directory is as read-only as what is in it, now that everything is.
fn close(mount: &Mount, directory: &OwnedFd) -> Result<()> {
    let is_closed = mount.set.contains(&Flag::ReadOnly);
    let set = if is_closed { MountAttrFlags::MOUNT_ATTR_RDONLY } else { MountAttrFlags::empty() };
    let change = MountChange { set, ..Default::default() };
    let why = "have the directory as read-only as what is in it";
    apply(directory.as_fd(), change, Recursive::No, why)
}

fn one(mount: &Mount, hierarchy: &InsideHierarchy) -> Result<OwnedFd> {
    // A hybrid machine has one of version 2 beside the others.
    let kind = if hierarchy.name == "unified" { "cgroup2" } else { "cgroup" };
    let fs = fsopen(kind, "let programs see their cgroup")?;
    let fs = fs.as_fd();
    fsconfig_set(fs, "source", "cgroup", "have a name for it in the table of mounts")?;
    for option in hierarchy.options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some((key, value)) => fsconfig_set(fs, key, value, "mean this hierarchy")?,
            None => fsconfig_flag(fs, option, "mean this hierarchy")?,
        }
    }
    fsconfig_create(fs, "have it from the root of the cgroup namespace on")?;
    fsmount(fs, of_mount(&mount.set), "have it mounted, but nowhere yet")
}
