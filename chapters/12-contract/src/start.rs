//! How is a container set going, by somebody who has not made it?

use std::os::fd::AsFd;

use primitives::{Child, Result, step_giving};

use crate::hooks::{self, Moment};
use crate::state::{Status, told};
use crate::store::{DOOR, Id, Store};
use crate::unusable;

// ANCHOR: start
/// Opens the door that a container waits behind, and stays until its program runs.
pub(crate) fn start(store: &Store, id: &Id) -> Result<()> {
    let container = store.find(id)?;
    let (Status::Created, Some(init)) = (container.status(), container.remembered.init) else {
        let word = container.status().word();
        return Err(unusable(format!(
            "container {id} is {word}, and only a created one is started"
        )));
    };
    let mut waiting = step_giving("knock at its door", || {
        let directory = container.folder.open()?;
        let why = "be to it what its parent was";
        Child::knock(directory.as_fd(), DOOR, "init", init.pid(), why)
    })?;
    step_giving("let it begin", || waiting.release("have it run its program"))?;
    waiting.watch_it_become_another()?;
    let plan = container.plan()?;
    let told = told(id, Status::Running, init.pid, &plan.bundle);
    hooks::run(Moment::Poststart, &plan.hooks.poststart, &told)
}
// ANCHOR_END: start
