//! What is a container made of, as far as this chapter needs one?
//!
//! Of four namespaces, a proc that shows them, and a devpts: terminals of its own, numbered from 0.
//! That is chapters 2 to 5 without a root file system of its own, and is called a *box* here.

use std::path::Path;

use primitives::{
    Birth, Child, IdMap, MsFlags, Namespaces, Pid, Result, Signal, ToParent, deny_setgroups,
    mount_new, own_ids, sethostname, spawn, step, step_giving, write_gid_map, write_uid_map,
};

/// With a user namespace, also for root: nobody needs root for it, and what is mounted in there cannot
/// spread to us (mount_namespaces(7)).
const KINDS: Namespaces = Namespaces::CLONE_NEWUSER
    .union(Namespaces::CLONE_NEWNS)
    .union(Namespaces::CLONE_NEWPID)
    .union(Namespaces::CLONE_NEWUTS);

// ANCHOR: make
/// Makes a box, whose first process furnishes it and then lives on with `life`.
pub(crate) fn make(life: impl FnOnce(&ToParent) -> Result<u8>) -> Result<Child> {
    let birth = Birth { namespaces: KINDS, cgroup: None };
    let mut child = step_giving("make a box", || {
        spawn("box", birth, "have a container that somebody can come to", |parent| {
            furnish(parent)?;
            life(parent)
        })
    })?;
    child.beside(map_root)?;
    step("let it go on", || child.release("tell it that it is root in there"))?;
    Ok(child)
}
// ANCHOR_END: make

fn map_root(child: Pid) -> Result<()> {
    let (uid, gid) = own_ids();
    step("map root", || {
        deny_setgroups(Some(child), "be allowed to map a group")?;
        write_uid_map(Some(child), &[IdMap::one(0, uid)], "make root in there the same as us")?;
        write_gid_map(Some(child), &[IdMap::one(0, gid)], "make its group the same as ours")
    })
}

fn furnish(parent: &ToParent) -> Result<()> {
    let closed = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    step("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end when the one that keeps the box ends")
    })?;
    step_giving("wait for the maps", || parent.wait("not go on before it is root"))?;
    step("take a name", || sethostname("box", "let everybody see where they are"))?;
    step("mount proc", || {
        let why = "let programs see the processes in here, and no others";
        mount_new("proc", Path::new("/proc"), "proc", closed | MsFlags::MS_NODEV, None, why)
    })?;
    step("mount pts", || {
        let (place, door) = (Path::new("/dev/pts"), Some("ptmxmode=0666,mode=0620"));
        mount_new("devpts", place, "devpts", closed, door, "have terminals of our own")
    })
}
