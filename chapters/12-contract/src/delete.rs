//! How is nothing left of a container, however far the commands before came?

use std::thread::sleep;
use std::time::Duration;

use bundle::Plan;
use primitives::{Result, Signal, clean_up, step_giving};

use crate::hooks::{self, Moment};
use crate::state::{Status, told};
use crate::store::{Folder, Id, Known, Remembered, Store};
use crate::unusable;

// ANCHOR: delete
/// Takes away what is left of a container. It can be killed and called again, as often as one likes.
pub(crate) fn delete(store: &Store, id: &Id, force: bool) -> Result<()> {
    let folder = store.folder(id);
    if force && !folder.is_there() {
        return Ok(());
    }
    if folder.is_there() && !folder.has_state() {
        // Whoever took the name came no further than that, and so has made nothing.
        return step_giving("forget the container", || folder.forget());
    }
    let container = store.find(id)?;
    match container.status() {
        Status::Stopped => {}
        _ if force => {}
        other => {
            let word = other.word();
            return Err(unusable(format!("container {id} is {word}: kill it first, or --force")));
        }
    }
    let plan = container.plan().ok();
    take_away(&folder, &container.remembered, plan.as_ref())
}
// ANCHOR_END: delete

// ANCHOR: take_away
/// Also for a command that has failed to make it.
pub(crate) fn take_away(
    folder: &Folder,
    remembered: &Remembered,
    plan: Option<&Plan>,
) -> Result<()> {
    if let Some(init) = remembered.init.filter(Known::lives) {
        step_giving("end its first process", || end(init))?;
    }
    if let (Some(plan), Some(_)) = (plan, remembered.init) {
        let told = told(&remembered.id, Status::Stopped, 0, &remembered.bundle);
        hooks::run_all(Moment::Poststop, &plan.hooks.poststop, &told);
    }
    step_giving("forget the container", || folder.forget())
}
// ANCHOR_END: take_away

fn end(init: Known) -> Result<()> {
    const PATIENCE: u32 = 10_000;
    clean_up::kill(init.pid(), Signal::SIGKILL, "end it, and with it all in its pid namespace")?;
    for _ in 0..PATIENCE {
        if !init.lives() {
            return Ok(());
        }
        sleep(Duration::from_millis(1));
    }
    Err(unusable(format!("process {} does not end", init.pid)))
}
