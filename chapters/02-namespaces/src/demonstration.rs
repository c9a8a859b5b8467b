//! What does it take to give one process a host name of its own?

use primitives::{
    Birth, Namespaces, Result, Status, ToParent, hostname, own_ids, sethostname, spawn, step,
    step_giving, unshare,
};

// ANCHOR: demonstration
/// Shows the host name in here and out there, before and after it was changed in here.
pub(crate) fn a_name_of_its_own() -> Result<Status> {
    println!("outside, before: {}", hostname());
    let child = step_giving("make a child", || {
        let why = "have a process whose names we can change";
        spawn("child", Birth::default(), why, change_the_name)
    })?;
    let status = step_giving("take its status", || child.finish("wait until it has looked"))?;
    println!("outside, after:  {}", hostname());
    Ok(status)
}

fn change_the_name(_: &ToParent) -> Result<u8> {
    step("leave the shared name", || {
        unshare(namespaces(), "change a name without changing it for everybody")
    })?;
    step("take a name", || sethostname("porthole", "see whether the machine gets it too"))?;
    println!("inside:          {}", hostname());
    Ok(0)
}
// ANCHOR_END: demonstration

/// Only root may make a namespace for host names; anybody may make a user namespace, in which they
/// are root. That is the next chapter's subject, and here it lets everybody see this one's.
fn namespaces() -> Namespaces {
    match own_ids() {
        (0, _) => Namespaces::CLONE_NEWUTS,
        _ => Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWUTS,
    }
}
