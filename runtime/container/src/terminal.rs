//! (under construction)
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use primitives::{Child, Error, Result, Status, ToParent, step_giving};

use crate::root::Root;

pub fn give_to_parent(_root: &Root, process: &bundle::Process, _parent: &ToParent) -> Result<()> {
    match process.terminal {
        bundle::Terminal::None => Ok(()),
        _ => Err(Error::Unusable("no terminals yet".into())),
    }
}
pub fn take(_child: &mut Child, _socket: Option<&Path>) -> Result<Option<OwnedFd>> {
    Err(Error::Unusable("no terminals yet".into()))
}
pub fn send(_fd: BorrowedFd<'_>, _socket: &Path) -> Result<()> {
    Err(Error::Unusable("no terminals yet".into()))
}
pub fn attend(child: &mut Child, _master: Option<OwnedFd>) -> Result<Status> {
    step_giving("take its status", || child.attend("pass its exit code on"))
}
