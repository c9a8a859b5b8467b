//! What does it take to get into a container that runs?

use primitives::{Error, Result, Status, step_giving};

use crate::exec::{self, Visit};
use crate::inside;
use crate::target::Target;

// ANCHOR: demonstration
/// Makes a box with nobody in it but its first process, and sends a visitor in who tells what it sees.
pub(crate) fn somebody_comes() -> Result<Status> {
    let mut first = inside::make(|parent| {
        step_giving("live", || {
            parent.arrive("furnished", "let others come")?;
            parent.wait("be there until the visitor has gone")
        })?;
        Ok(0)
    })?;
    step_giving("wait until it is ready", || {
        first.meet("furnished", "send nobody into a box that is not ready")
    })?;
    let pidfd = first.pidfd().ok_or_else(|| Error::Unusable("there is no pidfd".into()))?;
    let pidfd = pidfd.try_clone_to_owned();
    let script = "read number rest < /proc/self/stat
        echo \"process $number of $(hostname), user $(id -u), at $(tty)\"";
    let command = ["sh", "-c", script].map(Into::into);
    let visit = Visit { tty: true, console_socket: None, order: &[], command: &command };
    let status = first.beside(|pid| exec::exec(&Target::held(pid, pidfd)?, &visit))?;
    step_giving("end the box", || {
        first.release("let its first process end, and the box with it")?;
        first.finish("leave nobody behind")
    })?;
    Ok(status)
}
// ANCHOR_END: demonstration
