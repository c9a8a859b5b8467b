//! How does a signal reach a container?

use primitives::{Error, Result, Signal, pidfd_open, pidfd_send_signal_number, step_giving};

use crate::state::Status;
use crate::store::{Id, Store};

/// Sends a signal to a container's first process.
///
/// # Errors
/// It has ended, or the signal was refused.
pub fn kill(store: &Store, id: &Id, signal: i32) -> Result<()> {
    let container = store.find(id)?;
    let init = match (container.status(), container.remembered.init) {
        (Status::Stopped, _) | (_, None) => {
            return Err(Error::Unusable("container not running".to_string()));
        }
        (_, Some(init)) => init,
    };
    step_giving("send the signal", || {
        let why = "mean this process, and none that gets its number later";
        let pidfd = pidfd_open(init.pid(), why)?;
        if !init.lives() {
            return Err(Error::Unusable("container not running".to_string()));
        }
        let fd = std::os::fd::AsFd::as_fd(&pidfd);
        pidfd_send_signal_number(fd, signal, "reach the container's first process")?;
        match signal == Signal::SIGKILL as i32 {
            true => container.remembered.cgroups.let_die(),
            false => Ok(()),
        }
    })
}

/// Sends a signal to all processes of a container, also when its first one has ended.
///
/// # Errors
/// A process could not be reached.
pub fn kill_all(store: &Store, id: &Id, signal: i32) -> Result<()> {
    let container = store.find(id)?;
    step_giving("send the signal to all", || container.remembered.cgroups.signal(signal))
}
