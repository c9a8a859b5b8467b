//! What does it take for a process to stand in another root, with the old one gone?

use std::path::Path;

use primitives::{
    Birth, MntFlags, MsFlags, Namespaces, Result, Status, ToParent, chdir, mount_new, pivot_root,
    spawn, step, step_giving, umount,
};

// ANCHOR: demonstration
/// Looks for a file of the machine in here and out there, after the root was changed in here.
pub(crate) fn a_floor_of_its_own() -> Result<Status> {
    look("outside, before:");
    let child = step_giving("make a child", || {
        // The user namespace lets anybody mount in the other one, and keeps mounts from spreading.
        let namespaces = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS;
        let birth = Birth { namespaces, cgroup: None };
        spawn("child", birth, "have a process with a tree of mounts of its own", change_the_floor)
    })?;
    let status = step_giving("take its status", || child.finish("wait until it has looked"))?;
    look("outside, after:");
    Ok(status)
}

fn change_the_floor(_: &ToParent) -> Result<u8> {
    let (floor, here) = (Path::new("/tmp"), Path::new("."));
    step("lay a floor", || {
        let why = "have another mount to stand on: an empty one";
        mount_new("floor", floor, "tmpfs", MsFlags::empty(), None, why)
    })?;
    step("stand on it", || chdir(floor, "call it \".\" from now on"))?;
    step("change the floor", || {
        pivot_root(here, here, "have it as the root of all paths, and the old root on top of it")
    })?;
    step("drop the old floor", || {
        umount(here, MntFlags::MNT_DETACH, "have nothing left that one could walk back to")
    })?;
    look("inside:");
    Ok(0)
}
// ANCHOR_END: demonstration

fn look(from: &str) {
    let is = |path: &str| if Path::new(path).exists() { "is there" } else { "is not there" };
    let (file, above) = ("/etc/passwd", "/../etc/passwd");
    println!("{from:<17}{file} {}, {above} {}", is(file), is(above));
}
