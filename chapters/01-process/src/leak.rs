//! What does a program inherit that nobody meant it to have?
//!
//! Every open file that is not marked to be closed. A name and its permissions are looked at when a
//! file is opened and never again, so a descriptor is a right that can be handed on, also by mistake.
//! Here the file has no name at all, and the program that we run reads it all the same, unless the
//! step "close the rest" is done.

use std::ffi::OsString;

use primitives::{Result, Status, memfd_create_inheritable, step_giving};

use crate::spawning::{become_it, small};

// ANCHOR: leak
/// Opens a secret and runs a program that tries to read descriptor 3.
pub(crate) fn leak() -> Result<Status> {
    let secret = step_giving("open a secret", || {
        memfd_create_inheritable("secret", b"the key is under the mat\n", "have something to lose")
    })?;
    let child = step_giving("make a child", || {
        let why = "run a program that was not meant to read the secret";
        small("child", why, |parent| become_it(parent, &curious_program()))
    })?;
    let status = step_giving("take its status", || child.finish("wait until it has tried"))?;
    drop(secret);
    Ok(status)
}
// ANCHOR_END: leak

fn curious_program() -> Vec<OsString> {
    let script = "{ cat <&3; } 2>/dev/null || echo 'descriptor 3 is closed: nothing to read'";
    ["sh", "-c", script].map(OsString::from).to_vec()
}
