//! Who removes the cgroup when everybody else was killed?
//!
//! Processes end with their parent and mounts with their namespace, but a cgroup is a directory: it
//! stays. So one more process is made before it, which does nothing but wait at its line. It is in a
//! session of its own, where no Ctrl-C reaches it, and it is not tied to its parent.

use primitives::{
    Birth, Child, Errno, Error, Parting, Result, ToParent, clean_up, spawn, step_giving,
};

use crate::cgroup::Remains;

// ANCHOR: keeper
/// Makes the keeper. There is nothing to wait for: from its first moment on it finds its line closed
/// when we are gone.
pub(crate) fn post(remains: Remains) -> Result<Child> {
    step_giving("post a keeper", || {
        let why = "have somebody who cleans up even if we are killed";
        spawn("keeper", Birth::default(), why, |parent| keep(parent, &remains))
    })
}

fn keep(parent: &ToParent, remains: &Remains) -> Result<u8> {
    step_giving("stand apart", || {
        clean_up::setsid("not be hit by a Ctrl-C that hits the others").map(drop)
    })?;
    let parting = step_giving("keep watch", || {
        parent.outlive("hear that all is done, or that nobody is left to do it")
    })?;
    if parting == Parting::ParentGone {
        remains.clear();
    }
    Ok(0)
}
// ANCHOR_END: keeper

/// Tells it that all is done. If somebody has killed it, that is no harm any more.
pub(crate) fn dismiss(mut keeper: Child) -> Result<()> {
    step_giving("dismiss the keeper", || {
        match keeper.release("tell it that nothing is left to clean up") {
            Err(Error::Request(refusal)) if refusal.here || refusal.errno != Errno::EPIPE => {
                return Err(Error::Request(refusal));
            }
            Err(Error::Request(_)) | Ok(()) => {}
            Err(other) => return Err(other),
        }
        keeper.finish("leave no process behind").map(drop)
    })
}
