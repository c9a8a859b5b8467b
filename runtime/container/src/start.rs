//! How is a container that was made set going?

use std::os::fd::AsFd;

use bundle::Plan;
use primitives::{Child, Error, Result, step_giving};

use crate::create::Created;
use crate::hooks::{self, Moment};
use crate::state::{self, Status};
use crate::store::{Container, Id, Remembered, Store};

// ANCHOR: start
/// Opens the door that a container waits behind, and stays until its program runs.
///
/// # Errors
/// It does not wait, or could not become its program: then it has stopped.
pub fn start(store: &Store, id: &Id) -> Result<()> {
    let container = store.find(id)?;
    let init = match (container.status(), container.remembered.init) {
        (Status::Created, Some(init)) => init,
        (status, _) => return Err(cannot(status)),
    };
    let mut waiting = step_giving("knock at its door", || {
        let directory = container.folder.open()?;
        let why = "be to it what its parent was";
        Child::knock(directory.as_fd(), container.folder.door(), "init", init.pid(), why)
    })?;
    step_giving("let it begin", || {
        waiting.release("have it run its program")?;
        waiting.watch_it_become_another()
    })?;
    tell_of_start(&container)
}
// ANCHOR_END: start

/// As runc has it.
fn cannot(status: Status) -> Error {
    Error::Unusable(match status {
        Status::Stopped => "cannot start a container that has stopped".to_string(),
        Status::Running | Status::Paused => "cannot start an already running container".to_string(),
        other => format!("cannot start a container in the {} state", other.word()),
    })
}

/// As [`start`], for the one that has made it.
pub(crate) fn open(created: &mut Created, plan: &Plan) -> Result<()> {
    step_giving("let it begin", || {
        created.init.release("have it run its program")?;
        created.init.watch_it_go()
    })?;
    run_poststart(&created.remembered, plan)
}

fn tell_of_start(container: &Container) -> Result<()> {
    match container.remembered.hooks_to_come {
        true => run_poststart(&container.remembered, &container.plan()?),
        false => Ok(()),
    }
}

/// runtime.md, "Lifecycle", step 9.
fn run_poststart(remembered: &Remembered, plan: &Plan) -> Result<()> {
    let pid = remembered.init.map_or(0, |init| init.pid);
    let Remembered { id, bundle, annotations, .. } = remembered;
    let told = state::for_hooks(id, Status::Running, pid, bundle, annotations);
    hooks::run(Moment::Poststart, &plan.hooks.poststart, &told)
}
