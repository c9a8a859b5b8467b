//! How is a container that was made set going?

use std::os::fd::AsFd;

use bundle::Plan;
use primitives::{Child, Error, Result, step_giving};

use crate::hooks::{self, Moment};
use crate::process;
use crate::state::{self, Status};
use crate::store::{Id, Remembered, Store};

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
    let plan = match container.remembered.more_to_come {
        true => Some(container.plan()?),
        false => None,
    };
    open(&mut waiting, &container.remembered, plan.as_ref())
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

/// The last steps of a container's process are its own; this one waits for how they end.
pub(crate) fn open(init: &mut Child, remembered: &Remembered, plan: Option<&Plan>) -> Result<()> {
    let told = |status| {
        let pid = remembered.init.map_or(0, |init| init.pid);
        let Remembered { id, bundle, annotations, .. } = remembered;
        state::for_hooks(id, status, pid, bundle, annotations)
    };
    step_giving("let it begin", || init.release("have it run its program"))?;
    let seccomp = plan.and_then(|plan| plan.seccomp.as_ref());
    if let Some(seccomp) = seccomp.filter(|seccomp| seccomp.listener.is_some()) {
        process::tell_listener(init, seccomp, state::OCI_VERSION, &told(Status::Created))?;
    }
    init.watch_it_become_another()?;
    let hooks = plan.map_or(&[][..], |plan| &plan.hooks.poststart);
    hooks::run(Moment::Poststart, hooks, &told(Status::Running))
}
