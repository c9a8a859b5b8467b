//! What may the container's programs not read, or not write, when the root has become theirs?

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use bundle::{Kind, Peers, Plan};
use primitives::{
    FileKind, MountAttrFlags, MountChange, MsFlags, Recursive, Result, fsconfig_create,
    fsconfig_flag, fsconfig_set, fsmount, fsopen, mount_change, mount_setattr_to, move_mount_onto,
    open_tree_of, step,
};

use super::about;
use super::mounts::is_filled_later;
use super::place::{Place, Root, refused};

const READ_ONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY;

/// Closes what was open until now: called after [`super::enter`], and after everything was written to
/// `/proc/sys` that shall be.
///
/// # Errors
/// Each names the path.
pub fn finish(root: Root, plan: &Plan) -> Result<()> {
    if plan.namespaces.inherits(Kind::Mount) {
        return Ok(());
    }
    close_what_was_filled(&root, plan)?;
    let guarded = &plan.guarded_paths;
    if !guarded.readonly.is_empty() {
        step("make paths read-only", || each(&guarded.readonly, |path| protect(&root, path)))?;
    }
    if !guarded.masked.is_empty() {
        step("cover paths", || {
            let mut covers = Covers { root: &root, empty: None, null: None };
            each(&guarded.masked, |path| covers.cover(path))
        })?;
    }
    if plan.root.readonly {
        step("make the root read-only", || {
            let why = "let nobody change the container's own files";
            mount_setattr_to(root.as_fd(), set(READ_ONLY), Recursive::No, why)
        })?;
    }
    say_with_whom_the_root_shares(plan)
}

fn each<P: AsRef<Path>>(paths: &[P], mut body: impl FnMut(&Path) -> Result<()>) -> Result<()> {
    paths.iter().try_for_each(|path| {
        let path = path.as_ref();
        body(path).map_err(|error| about(path, error))
    })
}

fn set(attributes: MountAttrFlags) -> MountChange<'static> {
    MountChange { set: attributes, ..Default::default() }
}

/// Mounts that had to be written to until now.
fn close_what_was_filled(root: &Root, plan: &Plan) -> Result<()> {
    let mut mounts = plan.mounts.iter().filter(|mount| is_filled_later(mount)).peekable();
    if mounts.peek().is_none() {
        return Ok(());
    }
    step("close what was filled", || {
        let filled: Vec<&Path> = mounts.map(|mount| mount.destination.as_path()).collect();
        root.each_mount(|destination, mount| match filled.contains(&destination) {
            true => {
                let why = "have it read-only, now that everything is in it";
                mount_setattr_to(mount, set(READ_ONLY), Recursive::No, why)
                    .map_err(|error| about(destination, error))
            }
            false => Ok(()),
        })
    })
}

/// Mounts a path read-only over itself. Everything is done to the one file or directory that was
/// found: looked up twice, it could be two (GHSA-3q8j-pf29-vwv8). What is not there needs no guard.
fn protect(root: &Root, path: &Path) -> Result<()> {
    let Some(place) = root.find_in_mount(path)? else {
        return Ok(());
    };
    let why = "have a mount of it, with what is mounted below, to give a rule of its own";
    let tree = open_tree_of(place.as_fd(), Recursive::Yes, why)?;
    let why = "let nobody write there";
    mount_setattr_to(tree.as_fd(), set(READ_ONLY), Recursive::No, why)?;
    move_mount_onto(tree.as_fd(), place.as_fd(), "lay it over the one that can be written to")
}

/// What other things are covered with, made when the first one is: one file and one directory do for
/// all of them.
struct Covers<'a> {
    root: &'a Root,
    empty: Option<OwnedFd>,
    null: Option<Place>,
}

impl Covers<'_> {
    fn cover(&mut self, path: &Path) -> Result<()> {
        let Some(place) = self.root.find_in_mount(path)? else {
            return Ok(());
        };
        match place.look(path)?.kind {
            FileKind::Directory => self.cover_directory(&place),
            _ => self.cover_file(&place),
        }
    }

    fn cover_directory(&mut self, place: &Place) -> Result<()> {
        let why = "have nothing to see there";
        let Some(first) = &self.empty else {
            let empty = make_empty()?;
            // Older kernels copy only what is attached, so the first is laid down itself.
            move_mount_onto(empty.as_fd(), place.as_fd(), why)?;
            self.empty = Some(empty);
            return Ok(());
        };
        let again = open_tree_of(first.as_fd(), Recursive::No, "cover this with the same nothing")?;
        move_mount_onto(again.as_fd(), place.as_fd(), why)
    }

    fn cover_file(&mut self, place: &Place) -> Result<()> {
        let null = match self.null.take() {
            Some(null) => null,
            None => find_null(self.root)?,
        };
        let tree = open_tree_of(null.as_fd(), Recursive::No, "have a file that is always empty")?;
        self.null = Some(null);
        move_mount_onto(tree.as_fd(), place.as_fd(), "have nothing to read there")
    }
}

/// The container's `/dev/null`, if it is that: who could put something else there would have it shown
/// in the place of what is to be hidden (CVE-2025-31133).
fn find_null(root: &Root) -> Result<Place> {
    let path = Path::new("/dev/null");
    let null = root.place(path)?;
    match null.look(path)?.kind {
        FileKind::Character(1, 3) => Ok(null),
        other => Err(refused(path, format!("is {other}, so nothing can be covered with it"))),
    }
}

fn make_empty() -> Result<OwnedFd> {
    let fs = fsopen("tmpfs", "have an empty directory to cover others with")?;
    let fs = fs.as_fd();
    fsconfig_set(fs, "source", "tmpfs", "have a name for it in the table of mounts")?;
    fsconfig_set(fs, "nr_inodes", "1", "have room for nothing but the directory")?;
    fsconfig_flag(fs, "ro", "keep it empty wherever it is mounted")?;
    fsconfig_create(fs, "have it made")?;
    let attributes = READ_ONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(fs, attributes, "have it mounted, but nowhere yet")
}

/// Last of all: pivot_root refuses mounts that are shared, and what is unbindable cannot be copied.
/// Nothing is left to do where the root is a slave: it was made one first of all.
fn say_with_whom_the_root_shares(plan: &Plan) -> Result<()> {
    let propagation = plan.root.propagation;
    let peers = match propagation.peers {
        Peers::Slave => return Ok(()),
        Peers::Private => return Ok(()),
        Peers::Shared => MsFlags::MS_SHARED,
        Peers::Unbindable => MsFlags::MS_UNBINDABLE,
    };
    let recursive = if propagation.recursive { MsFlags::MS_REC } else { MsFlags::empty() };
    step("say with whom the root shares mounts", || {
        let why = "share what is mounted in the root as the configuration says";
        mount_change(Path::new("/"), peers | recursive, why)
    })
}
