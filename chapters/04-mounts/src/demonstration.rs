//! What does it take to give one process other files than the rest of the machine has?

use std::path::Path;

use primitives::{
    Birth, MsFlags, Namespaces, Result, Status, ToParent, mount_new, spawn, step, step_giving,
};

// ANCHOR: demonstration
/// Shows whether there is a file of users in here and out there, after `/etc` was covered in here.
pub(crate) fn a_view_of_its_own() -> Result<Status> {
    look("outside, before:");
    let child = step_giving("make a child", || {
        // The user namespace is what makes it root of the other one, and it keeps everything that
        // is mounted in there from spreading to the machine.
        let namespaces = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS;
        let birth = Birth { namespaces, cgroup: None };
        spawn("child", birth, "have a process with a view of files of its own", cover)
    })?;
    let status = step_giving("take its status", || child.finish("wait until it has looked"))?;
    look("outside, after:");
    Ok(status)
}

fn cover(_: &ToParent) -> Result<u8> {
    step("cover a directory", || {
        let why = "have nothing where the others see the machine's settings";
        mount_new("nothing", Path::new("/etc"), "tmpfs", MsFlags::empty(), None, why)
    })?;
    look("inside:");
    Ok(0)
}
// ANCHOR_END: demonstration

fn look(from: &str) {
    let is = if Path::new("/etc/passwd").exists() { "is there" } else { "is not there" };
    println!("{from:<17}/etc/passwd {is}");
}
