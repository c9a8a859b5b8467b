//! How does everything that the plan lists come to its place?
//!
//! Each mount is made first, attached nowhere, with all its attributes; then it is laid onto its place
//! in one moment. Nobody sees a mount that is not read-only yet.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use bundle::{Flag, Kind, Mount, Plan, What};
use primitives::{
    Error, FileKind, Recursive, Result, is_on_procfs, look_at, move_mount_onto, step,
};

use crate::cgroup::Inside;

use super::about;
use super::attributes::{apply, apply_recursive, change, propagate};
use super::cgroup_mounts;
use super::file_systems;
use super::place::{Place, Root, refused};
use super::sources::Sources;

/// Mounts what the plan lists, in the order of the list, as far as it can be done without cgroups.
///
/// # Errors
/// Each names the destination.
pub fn mount_up_to_cgroups(root: &Root, plan: &Plan, sources: &mut Sources) -> Result<()> {
    if first_of_cgroups(plan) == 0 {
        return Ok(());
    }
    step("mount what the configuration lists", || {
        let context = Context { root, plan, cgroups: &Inside::Nothing };
        context.mount_all(0..first_of_cgroups(plan), sources)
    })
}

/// Mounts what [`mount_up_to_cgroups`] has left.
///
/// # Errors
/// Each names the destination.
pub fn mount_the_rest(
    root: &Root,
    plan: &Plan,
    sources: &mut Sources,
    cgroups: &Inside,
) -> Result<()> {
    let rest = first_of_cgroups(plan)..plan.mounts.len();
    if rest.is_empty() {
        return Ok(());
    }
    step("mount its cgroups, and what is listed behind", || {
        Context { root, plan, cgroups }.mount_all(rest, sources)
    })
}

fn first_of_cgroups(plan: &Plan) -> usize {
    let first = plan.mounts.iter().position(|mount| mount.what == What::Cgroup);
    first.unwrap_or(plan.mounts.len())
}

/// What every mount needs to know.
pub(super) struct Context<'a> {
    pub(super) root: &'a Root,
    pub(super) plan: &'a Plan,
    pub(super) cgroups: &'a Inside,
}

impl Context<'_> {
    fn mount_all(&self, indices: Range<usize>, sources: &mut Sources) -> Result<()> {
        for index in indices {
            let mount = &self.plan.mounts[index];
            let tree = || sources.tree(index, mount, self.plan);
            self.mount(mount, tree).map_err(|error| about(&mount.destination, error))?;
        }
        Ok(())
    }

    fn mount(&self, mount: &Mount, source: impl FnOnce() -> Result<OwnedFd>) -> Result<()> {
        if mount.set.contains(&Flag::Remount) {
            return file_systems::remount(self.root, mount);
        }
        match &mount.what {
            What::FileSystem { kind, source } => file_systems::mount(self, mount, kind, source),
            What::Cgroup => cgroup_mounts::mount(self, mount),
            What::Bind { .. } => self.bind(mount, source()?),
        }
    }

    /// Attaches a copy of something of the host.
    fn bind(&self, mount: &Mount, tree: OwnedFd) -> Result<()> {
        let destination = mount.destination.as_path();
        let seen = look_at(tree.as_fd()).map_err(|error| refused(destination, error))?;
        let place = match seen.kind {
            FileKind::Directory => directory(self.root, destination)?,
            _ => self.root.make_file(destination)?,
        };
        let shows_processes = || is_on_procfs(tree.as_fd()).unwrap_or(false);
        check_what_is_hidden(destination, &place, shows_processes)?;
        let why = "have it as the configuration says before anybody sees it";
        let now = if is_filled_later(mount) { &without_read_only(mount) } else { mount };
        apply(tree.as_fd(), change(&now.set, &now.cleared), Recursive::No, why)?;
        self.attach(tree, &place, mount)
    }

    /// Attaches a mount, and keeps it where something is left to be done with it.
    pub(super) fn attach(&self, tree: OwnedFd, place: &Place, mount: &Mount) -> Result<()> {
        lay(tree.as_fd(), place, mount)?;
        self.keep(tree, mount);
        Ok(())
    }

    /// What is not needed again is not kept: there may be more mounts than files that can be open.
    pub(super) fn keep(&self, tree: OwnedFd, mount: &Mount) {
        let guarded = ["/dev", "/proc", "/sys"].map(Path::new);
        if guarded.contains(&mount.destination.as_path()) || is_tmpfs(mount) {
            self.root.keep(&mount.destination, tree);
        }
    }

    /// Whether the container has a user namespace of its own, where some file systems are forbidden.
    pub(super) fn is_in_a_user_namespace(&self) -> bool {
        !self.plan.namespaces.inherits(Kind::User)
    }
}

/// Lays a mount that is attached nowhere onto its place, and says with whom it shares.
pub(super) fn lay(tree: BorrowedFd<'_>, place: &Place, mount: &Mount) -> Result<()> {
    apply_recursive(tree, mount)?;
    move_mount_onto(tree, place.as_fd(), "lay it onto its place")?;
    propagate(tree, &mount.propagation)
}

/// The place for something that is a directory. Those of `/proc` and `/sys` must be what they seem.
pub(super) fn directory(root: &Root, destination: &Path) -> Result<Place> {
    match destination == Path::new("/proc") || destination == Path::new("/sys") {
        true => root.make_directory_without_links(destination),
        false => root.make_directory(destination),
    }
}

/// Files of `/proc` that may be covered, as in runc: those that tell programs how large their machine
/// is (lxcfs shows others), and two that checkpoints and cryptography want.
const MAY_BE_COVERED: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// Refuses what would stand in for something in `/proc`. This runtime itself writes there later, and
/// who chose what it finds would choose what it writes to (CVE-2019-16884, CVE-2025-52881).
pub(super) fn check_what_is_hidden(
    destination: &Path,
    place: &Place,
    shows_processes: impl FnOnce() -> bool,
) -> Result<()> {
    let lies_there = destination.starts_with("/proc");
    if !lies_there && !is_on_procfs(place.as_fd()).map_err(|error| refused(destination, error))? {
        return Ok(());
    }
    if destination == Path::new("/proc") {
        return match shows_processes() {
            true => Ok(()),
            false => Err(not_over(destination, "only proc itself may be mounted there")),
        };
    }
    match MAY_BE_COVERED.iter().any(|path| destination == Path::new(path)) {
        true => Ok(()),
        false => Err(not_over(destination, "it lies in /proc, where programs trust the kernel")),
    }
}

fn not_over(destination: &Path, why: &str) -> Error {
    Error::Unusable(format!("nothing can be mounted over {}: {why}", destination.display()))
}

/// Whether it becomes read-only only at the end: devices and links are still made in `/dev`, and
/// directories to mount on in a tmpfs.
pub(super) fn is_filled_later(mount: &Mount) -> bool {
    mount.set.contains(&Flag::ReadOnly)
        && !mount.set.contains(&Flag::Remount)
        && (is_tmpfs(mount) || mount.destination == Path::new("/dev"))
}

fn is_tmpfs(mount: &Mount) -> bool {
    matches!(&mount.what, What::FileSystem { kind, .. } if kind == "tmpfs")
}

pub(super) fn without_read_only(mount: &Mount) -> Mount {
    let mut mount = mount.clone();
    mount.set.remove(&Flag::ReadOnly);
    mount
}
