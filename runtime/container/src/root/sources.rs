//! Who opens what is bound, and where?
//!
//! The child, in its own copy of the mounts, as long as it may see everything that its parent may. In
//! a user namespace it may not: a source can lie behind directories that are closed to it, and other
//! owners of files can be shown by nobody in there. So then the parent copies the mounts before the
//! child is made, and the child attaches them where it has to. Where it can it takes a copy of its own
//! all the same: of that one the kernel lets nobody in the user namespace take the host's read-only
//! away.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use bundle::{Flag, IdMaps, IdRange, Kind, Mount, Origin, Owners, Plan, What};
use primitives::{
    Birth, Errno, Error, IdMap, MountChange, MsFlags, Namespaces, Recursive, Result,
    mount_setattr_to, open_namespace, open_tree_copy, spawn, step_giving, write_gid_map,
    write_uid_map,
};

use super::place::refused;
use super::stand::ties;
use super::{about, answer};

/// What the parent has opened for the child: for each mount of the plan a copy that is attached
/// nowhere, or nothing, where the child opens it itself. The descriptors are closed on execve.
#[derive(Debug, Default)]
pub struct Sources(Vec<Option<OwnedFd>>);

impl Sources {
    /// What shall be bound, as a copy that is attached nowhere; called by the child.
    pub(super) fn tree(&mut self, index: usize, mount: &Mount, plan: &Plan) -> Result<OwnedFd> {
        let What::Bind { source, recursive } = &mount.what else {
            return Err(refused(&mount.destination, "is no bind mount"));
        };
        let given = self.0.get_mut(index).and_then(Option::take);
        let given = match given {
            Some(tree) if is_mapped(mount) || joins_mounts(plan) => return Ok(tree),
            other => other,
        };
        let recursive = if *recursive { Recursive::Yes } else { Recursive::No };
        let why = "have a copy of what is bound, which is attached nowhere yet";
        match (open_tree_copy(source, recursive, why), given) {
            (Err(error), Some(tree))
                if matches!(answer(&error), Some(Errno::EACCES | Errno::EINVAL)) =>
            {
                Ok(tree)
            }
            (own, _) => own,
        }
    }
}

/// Opens what the child could not. Called by the parent, in the mount namespace of the host, before
/// the child is made; enters no step when there is nothing to open.
///
/// # Errors
/// A source is not there, or cannot be shown with other owners.
pub fn open_sources(plan: &Plan) -> Result<Sources> {
    let wanted = |mount: &Mount| is_bound(mount) && (is_mapped(mount) || child_sees_less(plan));
    if !plan.mounts.iter().any(wanted) {
        return Ok(Sources::default());
    }
    step_giving("open what is bound", || {
        let mut maps = Maps { plan, made: Vec::new() };
        let mut sources = Vec::with_capacity(plan.mounts.len());
        for mount in &plan.mounts {
            let source = match wanted(mount) {
                true => open(mount, &mut maps),
                false => Ok(None),
            };
            sources.push(source.map_err(|error| about(&mount.destination, error))?);
        }
        Ok(Sources(sources))
    })
}

fn is_bound(mount: &Mount) -> bool {
    matches!(mount.what, What::Bind { .. }) && !mount.set.contains(&Flag::Remount)
}

fn is_mapped(mount: &Mount) -> bool {
    mount.owners != Owners::AsTheyAre
}

/// In another user namespace it has fewer rights; in a mount namespace that is joined, other mounts.
fn child_sees_less(plan: &Plan) -> bool {
    joins_mounts(plan) || !plan.namespaces.inherits(Kind::User)
}

fn joins_mounts(plan: &Plan) -> bool {
    matches!(plan.namespaces.origin(Kind::Mount), Origin::Joined(_))
}

fn open(mount: &Mount, maps: &mut Maps<'_>) -> Result<Option<OwnedFd>> {
    let What::Bind { source, recursive } = &mount.what else {
        return Ok(None);
    };
    let recursive = if *recursive { Recursive::Yes } else { Recursive::No };
    let why = "have a copy that the child can attach where it may not reach the source";
    let tree = match open_tree_copy(source, recursive, why) {
        Ok(tree) => tree,
        // Without rights on the host, the child in its user namespace is the one who has some.
        Err(error) if answer(&error) == Some(Errno::EPERM) && !is_mapped(mount) => return Ok(None),
        Err(error) => return Err(error),
    };
    // A copy shares mounts with what it was copied from, and in its own namespace it would not.
    let change = MountChange { propagation: maps.ties(), ..Default::default() };
    if !change.is_empty() {
        let why = "have what is mounted in here stay in here";
        mount_setattr_to(tree.as_fd(), change, recursive, why)?;
    }
    match &mount.owners {
        Owners::AsTheyAre => {}
        Owners::AsInContainer { recursive } => {
            show_owners(&tree, maps.of_container()?, *recursive)?;
        }
        Owners::ByMaps { maps: own, recursive } => {
            show_owners(&tree, maps.like(own)?, *recursive)?;
        }
    }
    Ok(Some(tree))
}

fn show_owners(tree: &OwnedFd, namespace: &OwnedFd, recursive: bool) -> Result<()> {
    let change = MountChange { id_map: Some(namespace.as_fd()), ..Default::default() };
    let recursive = if recursive { Recursive::Yes } else { Recursive::No };
    let why = "show the owners of files as these maps have them, before anybody sees the mount";
    mount_setattr_to(tree.as_fd(), change, recursive, why)
}

/// User namespaces that are there for their maps alone.
///
/// A mount takes its maps from a user namespace. The container's own is made with its process, which
/// is later; so one with the same maps is made here, each once, by a child that does nothing and ends.
struct Maps<'a> {
    plan: &'a Plan,
    made: Vec<(IdMaps, OwnedFd)>,
}

impl Maps<'_> {
    fn ties(&self) -> Option<MsFlags> {
        let wanted = ties(self.plan.root.propagation.peers);
        // A mount namespace in another user namespace gets copies that share nothing with the host.
        let user = !self.plan.namespaces.inherits(Kind::User);
        wanted.or(user.then_some(MsFlags::MS_SLAVE))
    }

    fn of_container(&mut self) -> Result<&OwnedFd> {
        match self.plan.namespaces.origin(Kind::User) {
            Origin::Joined(path) => self.joined(path),
            _ => self.like(&self.plan.id_maps),
        }
    }

    fn joined(&mut self, path: &Path) -> Result<&OwnedFd> {
        let unusable = |error| Error::Unusable(format!("{}: {error}", path.display()));
        let namespace = open_namespace(path).map_err(unusable)?;
        self.made.push((IdMaps::default(), namespace));
        Ok(self.last())
    }

    fn like(&mut self, maps: &IdMaps) -> Result<&OwnedFd> {
        match self.made.iter().position(|(made, _)| made == maps && !made.is_empty()) {
            Some(index) => Ok(&self.made[index].1),
            None => {
                self.made.push((maps.clone(), make_namespace(maps)?));
                Ok(self.last())
            }
        }
    }

    fn last(&self) -> &OwnedFd {
        &self.made.last().expect("one was just put in").1
    }
}

fn make_namespace(maps: &IdMaps) -> Result<OwnedFd> {
    let birth = Birth { namespaces: Namespaces::CLONE_NEWUSER, cgroup: None };
    let why = "have a user namespace to take the maps from";
    let mut child = spawn("maps", birth, why, |parent| {
        parent.arrive("born", "have the maps written")?;
        parent.wait("keep the namespace until it is open")?;
        Ok(0)
    })?;
    child.meet("born", "write no map of a process that has failed")?;
    let namespace = child.beside(|pid| {
        write_uid_map(Some(pid), &lines(&maps.uids), "say which users are which on the mount")?;
        write_gid_map(Some(pid), &lines(&maps.gids), "say which groups are which on the mount")?;
        let path = format!("/proc/{pid}/ns/user");
        open_namespace(Path::new(&path)).map_err(|e| Error::Unusable(format!("{path}: {e}")))
    })?;
    child.release("let it end: the descriptor keeps the namespace")?;
    child.finish("leave no process behind")?;
    Ok(namespace)
}

fn lines(ranges: &[IdRange]) -> Vec<IdMap> {
    let line =
        |range: &IdRange| IdMap { inside: range.inside, outside: range.host, count: range.size };
    ranges.iter().map(line).collect()
}
