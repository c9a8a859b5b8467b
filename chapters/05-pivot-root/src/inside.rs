//! In which namespaces does a program with a root of its own live?

use primitives::{
    Birth, IdMap, Namespaces, Result, Signal, Status, ToParent, deny_setgroups, own_ids, spawn,
    step, step_giving, write_gid_map, write_uid_map,
};

// ANCHOR: namespaces
/// What a root with proc, sys and mqueue in it takes. Each of these file systems shows a namespace,
/// and may be mounted by the master of that one only: so everybody gets one of each kind.
pub(crate) fn for_a_root() -> Namespaces {
    let shown = Namespaces::CLONE_NEWPID | Namespaces::CLONE_NEWNET | Namespaces::CLONE_NEWIPC;
    let all = Namespaces::CLONE_NEWNS | shown;
    match own_ids() {
        (0, _) => all,
        _ => all | Namespaces::CLONE_NEWUSER,
    }
}
// ANCHOR_END: namespaces

/// A mount namespace in a user namespace, for root as well: whatever goes wrong in there stays there.
pub(crate) fn contained() -> Namespaces {
    Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS
}

/// Runs `body` in a child in these new namespaces, as root of them, and ends as it ended.
pub(crate) fn run_inside(
    namespaces: Namespaces,
    body: impl FnOnce(&ToParent) -> Result<u8>,
) -> Result<Status> {
    let (uid, gid) = own_ids();
    let birth = Birth { namespaces, cgroup: None };
    let child = step_giving("make a child", || {
        spawn("child", birth, "have a process with a tree of mounts of its own", |parent| {
            step("tie to the parent", || {
                parent.tie(Signal::SIGKILL, "end when the one that watches over it ends")
            })?;
            if namespaces.contains(Namespaces::CLONE_NEWUSER) {
                step_giving("map root", || map_root(uid, gid))?;
            }
            body(parent)
        })
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn map_root(uid: u32, gid: u32) -> Result<()> {
    deny_setgroups(None, "be allowed to map a group without root")?;
    write_uid_map(None, &[IdMap::one(0, uid)], "be root in here, and own what is made in here")?;
    write_gid_map(None, &[IdMap::one(0, gid)], "have files belong to a group that has a name")
}
