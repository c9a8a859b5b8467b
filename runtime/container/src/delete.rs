//! How is nothing left of a container?
//!
//! What has to go is what was written down before it was there, so it does not matter how far the
//! command came that made the container, nor how far an earlier `delete` came.

use bundle::Plan;
use primitives::{Error, Pid, Result, Signal, clean_up, step_giving};

use crate::cgroup::Cgroups;
use crate::hooks::{self, Moment};
use crate::resctrl::Group;
use crate::state::{self, Status};
use crate::store::{Container, Folder, Id, Known, Remembered, Store};

// ANCHOR: delete
/// Takes a container away that has ended; with `force` also one that has not, which is killed first,
/// and also when there is none.
///
/// # Errors
/// It has not ended; or something of it could not be removed, and then it can be deleted again.
pub fn delete(store: &Store, id: &Id, force: bool) -> Result<()> {
    let mut folder = match store.folder(id) {
        Ok(folder) => folder,
        Err(_) if force => return Ok(()),
        Err(error) => return Err(error),
    };
    if force {
        stop_who_makes_it(&folder)?;
    }
    folder.lock()?;
    if !folder.has_state() {
        // Whoever made it was killed before it could write anything down, and so before it had done
        // anything. A state that cannot be read is another matter: there may be processes behind it.
        return step_giving("forget the container", || folder.remove());
    }
    let container = store.find(id)?;
    refuse_to_delete(&container, force)?;
    let plan = container.plan().ok().filter(|_| container.remembered.more_to_come);
    take_away(&folder, &container.remembered, plan.as_ref())
}
// ANCHOR_END: delete

fn refuse_to_delete(container: &Container, force: bool) -> Result<()> {
    let status = container.status_when_locked();
    match status {
        _ if force => Ok(()),
        // As in runc: what never ran may go without being asked twice.
        Status::Stopped | Status::Created => Ok(()),
        status => {
            let id = &container.remembered.id;
            let word = status.word();
            let text = format!("cannot delete container {id} that is not stopped: {word}");
            Err(Error::Unusable(text))
        }
    }
}

/// A command that is making the container, or removing it, and has perhaps been at it for ever.
fn stop_who_makes_it(folder: &Folder) -> Result<()> {
    const PATIENCE: u32 = 1000;
    let Some(pid) = folder.locked_by() else { return Ok(()) };
    step_giving("stop who is at work on it", || {
        clean_up::kill(pid, Signal::SIGKILL, "have nobody make what is being removed")
    })?;
    for _ in 0..PATIENCE {
        if folder.locked_by() != Some(pid) {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(Error::Unusable(format!("process {pid} works on the container and cannot be killed")))
}

/// For the one who has run it to its end. Somebody else may have deleted it meanwhile, or be about to.
pub(crate) fn after_run(mut folder: Folder, remembered: &Remembered, plan: &Plan) -> Result<()> {
    match folder.lock_to_clean_up() {
        Ok(()) => take_away(&folder, remembered, Some(plan)),
        Err(_) if !folder.is_there() || folder.is_being_made() => Ok(()),
        Err(error) => Err(error),
    }
}

// ANCHOR: take_away
/// Also for whoever failed to make it: nothing of it stays.
pub(crate) fn take_away(
    folder: &Folder,
    remembered: &Remembered,
    plan: Option<&Plan>,
) -> Result<()> {
    if let Some(init) = remembered.init.filter(Known::lives) {
        step_giving("end its first process", || end(init, &remembered.cgroups))?;
    }
    remembered.cgroups.remove()?;
    remembered.resctrl.iter().try_for_each(Group::remove)?;
    if let Some(plan) = plan.filter(|_| remembered.init.is_some()) {
        run_poststop(remembered, plan);
    }
    step_giving("forget the container", || folder.remove())
}
// ANCHOR_END: take_away

fn end(init: Known, cgroups: &Cgroups) -> Result<()> {
    const PATIENCE: u32 = 10_000;
    let pid: Pid = init.pid();
    clean_up::kill(pid, Signal::SIGKILL, "end it, and with it all in its pid namespace")?;
    cgroups.let_die()?;
    for round in 0..PATIENCE {
        if !init.lives() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_micros(if round < 100 { 100 } else { 1000 }));
    }
    Err(Error::Unusable(format!("process {pid} of the container does not end")))
}

/// runtime.md, "Lifecycle": after the container is destroyed. What fails there is told, and changes
/// nothing.
fn run_poststop(remembered: &Remembered, plan: &Plan) {
    let Remembered { id, bundle, annotations, .. } = remembered;
    let told = state::for_hooks(id, Status::Stopped, 0, bundle, annotations);
    for error in hooks::run_all(Moment::Poststop, &plan.hooks.poststop, &told) {
        primitives::say(&format!("warning: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use primitives::{create_durably, mkdir};

    use super::delete;
    use crate::store::{Id, Store};

    /// What a killed command has left of the container "c".
    fn left(root: &std::path::Path, file: &str, content: &[u8]) {
        let folder = root.join("c");
        mkdir(folder.as_path(), 0o700, "have a container").unwrap();
        create_durably(&folder.join(file), content, 0o600, "have something of it").unwrap();
    }

    #[test]
    fn what_was_never_written_down_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        left(folder.path(), "lock", b"");
        delete(&Store::at(folder.path()), &Id::new("c").unwrap(), true).unwrap();
        assert!(!folder.path().join("c").exists());
    }

    #[test]
    fn a_state_that_cannot_be_read_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        left(folder.path(), "state.json", b"{");
        let error = delete(&Store::at(folder.path()), &Id::new("c").unwrap(), true).unwrap_err();
        assert!(error.to_string().contains("state.json"), "{error}");
        assert!(folder.path().join("c/state.json").exists());
    }
}
