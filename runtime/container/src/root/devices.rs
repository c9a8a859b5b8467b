//! Which device files does a container have, and how do they get there?
//!
//! Root of the machine makes them. In a user namespace nobody can, or everybody could make a door to
//! the disk; so there the host's own are shown in their place.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use bundle::{Device, Kind, Link, Node, Plan, What};
use primitives::{
    Errno, Error, FileKind, Recursive, Result, fchownat, look_at, mknodat, move_mount_onto,
    open_path, open_tree_of, openat2_itself, step, symlinkat, umask, unlinkat,
};

use super::place::{Place, Root, refused};
use super::{about, answer};

/// Makes device files and links. Nothing to do where `/dev` is the host's: it has its own.
///
/// # Errors
/// Each names the device.
pub fn make_devices(root: &Root, plan: &Plan) -> Result<()> {
    if dev_is_bound(plan) {
        return Ok(());
    }
    step("make devices", || {
        umask(0, "have the permissions that are said, whatever was forbidden to new files")?;
        let mut maker =
            Maker { root, open: Vec::new(), by_mount: !plan.namespaces.inherits(Kind::User) };
        for device in &plan.devices {
            maker.make(device).map_err(|error| about(&device.path, error))?;
        }
        for link in &plan.links {
            maker.link(link).map_err(|error| about(&link.path, error))?;
        }
        umask(0o022, "make what is still missing in the root as any system would")
    })
}

fn dev_is_bound(plan: &Plan) -> bool {
    let binds = |what: &What| matches!(what, What::Bind { .. });
    plan.mounts.iter().any(|mount| mount.destination == Path::new("/dev") && binds(&mount.what))
}

struct Maker<'a> {
    root: &'a Root,
    /// Directories that something was made in already: it is `/dev` for nearly all. And whether what is
    /// made there gets the directory's group.
    open: Vec<(PathBuf, Place, bool)>,
    /// Whether the host's devices are shown, because none can be made.
    by_mount: bool,
}

impl Maker<'_> {
    fn make(&mut self, device: &Device) -> Result<()> {
        let (directory, name) = self.directory(&device.path)?;
        let (_, place, gives_its_group) = &self.open[directory];
        let kind = kind(device.node);
        if self.by_mount && device.node != Node::Fifo {
            return show(place, name, device, kind);
        }
        match mknodat(place.as_fd(), name, kind, device.mode, "have this door to a driver") {
            Ok(()) => {
                if (device.uid, device.gid) != (0, 0) || *gives_its_group {
                    let why = "have it belong to whom the configuration says";
                    fchownat(place.as_fd(), name, device.uid, device.gid, why)?;
                }
                Ok(())
            }
            Err(error) if answer(&error) == Some(Errno::EPERM) && device.node != Node::Fifo => {
                self.by_mount = true;
                self.make(device)
            }
            Err(error) if answer(&error) == Some(Errno::EEXIST) => {
                accept(place, name, device, kind)
            }
            Err(error) => Err(error),
        }
    }

    /// A link of that name that is there already is the root's own choice, as for runc; but `/dev/ptmx`
    /// must lead to the container's own terminals.
    fn link(&mut self, link: &Link) -> Result<()> {
        let (directory, name) = self.directory(&link.path)?;
        let directory = self.open[directory].1.as_fd();
        let why = "have it under the name that programs know";
        match symlinkat(&link.target, directory, name, why) {
            Err(error) if answer(&error) == Some(Errno::EEXIST) => {
                if name != Path::new("ptmx") {
                    return Ok(());
                }
                unlinkat(directory, name, "have no door to terminals of somebody else")?;
                symlinkat(&link.target, directory, name, why)
            }
            other => other,
        }
    }

    /// The directory that a path lies in, as a number in `open`, and the name in it.
    fn directory<'b>(&mut self, path: &'b Path) -> Result<(usize, &'b Path)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(refused(path, "is no place for a device"));
        };
        let index = match self.open.iter().position(|(known, ..)| known == parent) {
            Some(index) => index,
            None => {
                let place = self.root.make_directory(parent)?;
                let gives = gives_its_group(&place, parent)?;
                self.open.push((parent.to_path_buf(), place, gives));
                self.open.len() - 1
            }
        };
        Ok((index, Path::new(name)))
    }
}

/// Whether what is made in a directory gets its group. That of a fresh `/dev` does not; that of an
/// image may.
fn gives_its_group(directory: &Place, path: &Path) -> Result<bool> {
    const SET_GROUP_ID: u32 = 0o2000;
    Ok(directory.look(path)?.mode & SET_GROUP_ID != 0)
}

/// Something is there already. The device itself is taken as it is; over an empty file, which a
/// container that could not make devices left there, the host's is laid; anything else is refused.
fn accept(place: &Place, name: &Path, device: &Device, kind: FileKind) -> Result<()> {
    let found = openat2_itself(place.as_fd(), name, "see what is there already")?;
    match look(&found, device)? {
        found if found == kind => Ok(()),
        FileKind::Regular if device.node != Node::Fifo => show(place, name, device, kind),
        other => Err(refused(&device.path, format!("is {other} already, and not {kind}"))),
    }
}

/// Shows the host's device. What bears its name there may be something else, so it is looked at first.
fn show(place: &Place, name: &Path, device: &Device, kind: FileKind) -> Result<()> {
    let host = open_path(&device.path, "have the host's, where none can be made")?;
    let found = look(&host, device)?;
    if found != kind {
        let path = device.path.display();
        return Err(Error::Unusable(format!("{path} of the host is {found}, and not {kind}")));
    }
    let made = mknodat(place.as_fd(), name, FileKind::Regular, 0o666, "have a file to mount it on");
    match made {
        Err(error) if answer(&error) != Some(Errno::EEXIST) => return Err(error),
        _ => {}
    }
    let at = openat2_itself(place.as_fd(), name, "mean this file, and no link in its place")?;
    let tree = open_tree_of(host.as_fd(), Recursive::No, "have a mount of the device alone")?;
    move_mount_onto(tree.as_fd(), at.as_fd(), "show the host's device")
}

fn look(file: &OwnedFd, device: &Device) -> Result<FileKind> {
    look_at(file.as_fd()).map(|seen| seen.kind).map_err(|error| refused(&device.path, error))
}

fn kind(node: Node) -> FileKind {
    match node {
        Node::Character { major, minor } => FileKind::Character(major, minor),
        Node::Block { major, minor } => FileKind::Block(major, minor),
        Node::Fifo => FileKind::Fifo,
    }
}
