//! What does `unshare --mount CMD` do?

use std::ffi::OsString;

use primitives::{Result, Status, become_program, step_giving};

use crate::inside::{of_ones_own, run_inside};
use crate::propagation::Propagation;

// ANCHOR: run
/// Runs a program in a mount namespace of its own, tied to ours in this way.
pub(crate) fn run(propagation: Propagation, command: &[OsString]) -> Result<Status> {
    run_inside(of_ones_own(), |_| {
        propagation.set()?;
        step_giving("become the program", || become_program(command, "run what was asked for"))
    })
}
// ANCHOR_END: run
