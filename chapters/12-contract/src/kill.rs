//! How does a signal reach a container, and nobody else?

use std::os::fd::AsFd;

use primitives::{Result, Signal, pidfd_open, pidfd_send_signal, step_giving};

use crate::state::Status;
use crate::store::{Id, Store};
use crate::unusable;

// ANCHOR: kill
/// Sends a signal to the first process of a container.
pub(crate) fn kill(store: &Store, id: &Id, signal: Signal) -> Result<()> {
    let container = store.find(id)?;
    let gone = || unusable(format!("container {id} is stopped: there is nobody to be killed"));
    let (Status::Created | Status::Running, Some(init)) =
        (container.status(), container.remembered.init)
    else {
        return Err(gone());
    };
    step_giving("send the signal", || {
        let pidfd = pidfd_open(init.pid(), "hold whoever has this number now")?;
        // It may have ended since the look above, and the number may be another one's.
        if !init.lives() {
            return Err(gone());
        }
        pidfd_send_signal(pidfd.as_fd(), signal, "reach that process, and no later one")
    })
}
// ANCHOR_END: kill
