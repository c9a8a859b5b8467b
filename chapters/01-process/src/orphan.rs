//! Who looks after a process whose parent has ended?
//!
//! Its nearest ancestor that has offered to (a "subreaper"), or else pid 1. A container runtime's
//! monitor makes that offer: the runtime itself ends, and the container must not get lost.

use std::thread::sleep;
use std::time::{Duration, Instant};

use primitives::{
    Error, Pid, Result, Status, getpid, getppid, prctl_set_child_subreaper, step, step_giving,
    wait_any,
};

use crate::spawning::small;

// ANCHOR: orphan
/// Makes a child that makes a grandchild and ends, so that the grandchild gets another parent.
pub(crate) fn orphan() -> Result<Status> {
    step("offer to adopt", || {
        prctl_set_child_subreaper("become the parent of descendants who lose theirs")
    })?;
    let me = getpid();
    let child = step_giving("make a child", || {
        small("child", "have somebody who will leave a child behind", |_| be_a_bad_parent(me))
    })?;
    step_giving("take the child's status", || child.finish("see it end before its own child"))?;
    let orphan = step_giving("take the orphan's status", || {
        wait_any("take leave of the grandchild too, now that it is ours")
    })?;
    Ok(orphan.status)
}
// ANCHOR_END: orphan

/// The child: makes a child of its own and ends without waiting for it.
fn be_a_bad_parent(grandparent: Pid) -> Result<u8> {
    let me = getpid();
    let grandchild = step_giving("make a grandchild", || {
        let why = "have a process that outlives its parent";
        small("grandchild", why, |_| be_an_orphan(me, grandparent))
    })?;
    grandchild.let_go();
    Ok(0)
}

// ANCHOR: adopted
/// The grandchild: waits until it has another parent, and says who that is.
fn be_an_orphan(parent: Pid, grandparent: Pid) -> Result<u8> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while getppid() == parent {
        if Instant::now() > deadline {
            return Err(Error::Unusable("the parent did not end within five seconds".to_string()));
        }
        sleep(Duration::from_millis(1));
    }
    let now = getppid();
    let who = if now == grandparent { "its grandparent" } else { "somebody else" };
    println!("the parent of the orphan is now {who}, pid {now}");
    Ok(0)
}
// ANCHOR_END: adopted
