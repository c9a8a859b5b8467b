//! What does the container's first process do before it becomes the program?
//!
//! It waits until it is somebody and has its limits, takes a name, and changes the floor under its
//! feet: chapters 2 to 5 in ten lines.

use std::path::Path;

use primitives::{
    Error, MntFlags, MsFlags, Namespaces, Result, Signal, ToParent, become_program, chdir, create,
    mount_bind, mount_new, pivot_root, sethostname, step, step_giving, umount, unshare,
};

use crate::cgroup::{Group, Version};
use crate::container::Container;

/// Where the root is put together when none was given: every machine has this directory, and in the
/// mount namespace of the container nobody else sees what is mounted on it.
const WORKSHOP: &str = "/tmp";

// ANCHOR: live
/// The life of the container's first process.
pub(crate) fn live(parent: &ToParent, wanted: &Container, group: Option<&Group>) -> Result<u8> {
    step("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end when the one that watches over it ends")
    })?;
    if let Some(group) = group.filter(|group| group.version == Version::V1) {
        step("enter the cgroup", || group.enter())?;
    }
    step_giving("wait for the maps", || parent.wait("not go on before it is root"))?;
    step("hide the cgroups above", || {
        unshare(Namespaces::CLONE_NEWCGROUP, "see its own cgroup as the root of all")
    })?;
    if let Some(name) = &wanted.hostname {
        step("take the name", || sethostname(name, "be called by a name of its own"))?;
    }
    // No tie has to be cut as in chapter 4: in a mount namespace of another user namespace all mounts
    // are slaves, and nothing of ours gets out (mount_namespaces(7)).
    let root = prepare_root(wanted.rootfs.as_deref())?;
    change_root(root)?;
    step_giving("become the program", || become_program(&wanted.command, "run what was asked for"))
}
// ANCHOR_END: live

/// A root that cannot be one is found out before anything is made.
pub(crate) fn check_root(root: Option<&Path>) -> Result<()> {
    let Some(root) = root else { return Ok(()) };
    let unusable =
        |what: String| Err(Error::Unusable(format!("--rootfs {}: {what}", root.display())));
    if !root.exists() {
        return unusable("there is no such directory".to_string());
    }
    if root.is_file() {
        return Ok(());
    }
    for needed in ["proc", "dev"] {
        if !root.join(needed).is_dir() {
            return unusable(format!("it needs a directory {needed} to mount on: mkdir it"));
        }
    }
    if root.canonicalize().is_ok_and(|path| path == Path::new("/")) {
        return unusable("that is the root already: name a directory below it".to_string());
    }
    Ok(())
}

// ANCHOR: root
fn prepare_root(given: Option<&Path>) -> Result<&Path> {
    let root = match given {
        Some(root) if root.is_dir() => {
            step("make the root a mount", || {
                mount_bind(root, root, "have a mount, which is all that can become the root")
            })?;
            root
        }
        other => make_a_root(other)?,
    };
    step("mount proc", || {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let why = "let programs see the processes in here only";
        mount_new("proc", &root.join("proc"), "proc", flags, None, why)
    })?;
    step("give it a dev", || give_it_a_dev(&root.join("dev")))?;
    Ok(root)
}

fn change_root(root: &Path) -> Result<()> {
    let here = Path::new(".");
    step("change the root", || {
        chdir(root, "stand in the new root")?;
        pivot_root(here, here, "make it the root, and put the old one on top of it")
    })?;
    step("drop the old root", || {
        umount(here, MntFlags::MNT_DETACH, "keep no way back")?;
        chdir(Path::new("/"), "stand where paths begin")
    })
}
// ANCHOR_END: root

/// Without a root of somebody else it is one in memory, made of this machine's own programs.
fn make_a_root(tar: Option<&Path>) -> Result<&'static Path> {
    let place = Path::new(WORKSHOP);
    step_giving("make a root", || {
        let flags = MsFlags::MS_NODEV;
        let why = "have an empty place that goes with the container";
        mount_new("root", place, "tmpfs", flags, Some("mode=0755"), why)?;
        match tar {
            Some(tar) => rootfs::make(place, &rootfs::Source::Tar(tar.to_path_buf())),
            None => rootfs::lend(place),
        }
    })?;
    Ok(place)
}

/// The two devices that a limit is tried out with. Chapter 5 has the others.
fn give_it_a_dev(dev: &Path) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_new("dev", dev, "tmpfs", flags, Some("mode=0755"), "have a place for devices")?;
    for name in ["null", "zero"] {
        let (theirs, ours) = (Path::new("/dev").join(name), dev.join(name));
        create(&ours, b"\n", 0o666, "have a file to mount on")?;
        mount_bind(&theirs, &ours, "let programs have nothing, and as much of it as they want")?;
    }
    Ok(())
}
