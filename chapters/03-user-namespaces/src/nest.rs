//! How deep can user namespaces be nested?
//!
//! In each one the process is root, so in each it may make the next: until the kernel's limit of 33
//! below the first, or of as many as `/proc/sys/user/max_user_namespaces` allows in all.

use primitives::{
    Birth, IdMap, Namespaces, Pid, Result, Status, ToParent, deny_setgroups, own_ids, spawn, step,
    step_giving, write_gid_map, write_uid_map,
};

// ANCHOR: nest
/// Makes `depth` user namespaces, each in the last, from `level` on, and says from the innermost who it is.
pub(crate) fn nest(depth: u32, level: usize) -> Result<Status> {
    if depth == 0 {
        println!("root of the innermost: user {}", own_ids().0);
        return Ok(Status::Exited(0));
    }
    let (uid, gid) = own_ids();
    let birth = Birth { namespaces: Namespaces::CLONE_NEWUSER, cgroup: None };
    let mut child = step_giving("make a child", || {
        let why = "have a process that is root one level further in";
        spawn(role(level), birth, why, |parent| live_inside(parent, depth - 1, level + 1))
    })?;
    child.beside(|pid| {
        step("deny setgroups", || deny_setgroups(Some(pid), "be allowed to map a group"))?;
        step("map root", || map_root(pid, uid, gid))
    })?;
    step("let it go on", || child.release("tell the child that it is root now"))?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}
// ANCHOR_END: nest

fn live_inside(parent: &ToParent, depth: u32, level: usize) -> Result<u8> {
    step("wait for the maps", || parent.wait("not go on before we are root"))?;
    nest(depth, level).map(Status::code)
}

/// What a descendant is called in the trace.
fn role(level: usize) -> &'static str {
    const NAMES: [&str; 3] = ["child", "grandchild", "great-grandchild"];
    NAMES.get(level).copied().unwrap_or("descendant")
}

fn map_root(child: Pid, uid: u32, gid: u32) -> Result<()> {
    write_uid_map(Some(child), &[IdMap::one(0, uid)], "make root in there the same as us")?;
    write_gid_map(Some(child), &[IdMap::one(0, gid)], "make its group the same as ours")
}
