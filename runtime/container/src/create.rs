//! How is a container made?
//!
//! One list on this side of the line, and [`crate::init`] is the one on the other. What may have to be
//! cleaned up is written down before it is there; what fails is cleaned up at once.

use std::os::fd::{AsFd, OwnedFd};

use bundle::{Kind, Plan, Terminal};
use primitives::{
    Birth, Child, Door, Helper, IdMap, Pid, Result, Status as Ended, deny_setgroups, own_ids,
    run_map_helper, spawn, step, step_giving, write_gid_map, write_uid_map,
};

use crate::cgroup::Cgroups;
use crate::init::{self, Luggage};
use crate::process::{self, Ready};
use crate::root::{self, Sources};
use crate::state::{self, Status};
use crate::store::{Folder, Known, Remembered, Store};
use crate::wanted::Wanted;
use crate::{delete, hooks, join, start, terminal};

/// A container that is made, and whose process this one has not let go yet.
#[derive(Debug)]
pub struct Created {
    pub(crate) folder: Folder,
    pub(crate) remembered: Remembered,
    pub(crate) init: Child,
    /// The master side of its terminal, if it has one that nobody else got.
    pub(crate) master: Option<OwnedFd>,
}

/// Who opens the door?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Starter {
    /// Somebody who will knock.
    Another,
    /// This process, over the line.
    This,
}

// ANCHOR: create
/// Makes a container, which then waits to be started by [`start()`](crate::start()).
///
/// # Errors
/// Something was refused; then nothing is left of it.
pub fn create(store: &Store, wanted: &Wanted<'_>) -> Result<()> {
    let created = make(store, wanted, Starter::Another)?;
    created.init.let_go();
    Ok(())
}

/// Makes a container, starts it, and waits for its end, after which it is deleted. `detach` leaves it
/// to itself when it runs; `keep` does not delete it.
///
/// # Errors
/// Something was refused; then nothing is left of it.
pub fn run(store: &Store, wanted: &Wanted<'_>, detach: bool, keep: bool) -> Result<Ended> {
    let mut created = make(store, wanted, Starter::This)?;
    let started = start::open(&mut created, wanted.plan);
    let ended = started.and_then(|()| match detach {
        true => Ok(None),
        false => terminal::attend(&mut created.init, created.master.take()).map(Some),
    });
    match ended {
        Ok(None) => {
            created.init.let_go();
            Ok(Ended::Exited(0))
        }
        Ok(Some(status)) if keep => {
            created.init.let_go();
            Ok(status)
        }
        result => {
            let Created { folder, remembered, init, .. } = created;
            // Its end must be seen before its cgroup can be removed.
            drop(init);
            let cleaned = delete::take_away(&folder, Some(&remembered), wanted.plan);
            let status = result?;
            cleaned.map(|()| status.unwrap_or(Ended::Exited(0)))
        }
    }
}
// ANCHOR_END: create

fn make(store: &Store, wanted: &Wanted<'_>, starter: Starter) -> Result<Created> {
    let folder = step_giving("remember the container", || store.begin(&wanted.id))?;
    let mut remembered =
        match Cgroups::find(&wanted.plan.cgroup, wanted.id.as_str(), wanted.options.driver) {
            Ok(cgroups) => remember(wanted, cgroups),
            Err(error) => return folder.remove().and(Err(error)),
        };
    match bring_up(&folder, &mut remembered, wanted, starter) {
        Ok((init, master)) => Ok(Created { folder, remembered, init, master }),
        Err(error) => {
            // What went wrong first is what the reader must know.
            let _ = delete::take_away(&folder, Some(&remembered), wanted.plan);
            Err(error)
        }
    }
}

// ANCHOR: bring_up
/// The list.
fn bring_up(
    folder: &Folder,
    remembered: &mut Remembered,
    wanted: &Wanted<'_>,
    starter: Starter,
) -> Result<(Child, Option<OwnedFd>)> {
    let plan = wanted.plan;
    root::check(plan)?;
    let ready = process::prepare(&plan.process, plan.seccomp.as_ref())?;
    step_giving("write down what will be there", || {
        folder.keep_config(wanted.config)?;
        folder.remember(remembered)
    })?;
    remembered.cgroups.make()?;
    remembered.cgroups.limit(&plan.cgroup)?;
    let door = match starter {
        Starter::Another => Some(lay_door(folder)?),
        Starter::This => None,
    };
    let sources = root::open_sources(plan)?;
    let mut init = make_init(wanted, &remembered.cgroups, sources, ready, door)?;
    step_giving("write down who it is", || {
        remembered.init = Known::of(init.pid());
        folder.remember(remembered)
    })?;
    if plan.namespaces.makes(Kind::User) {
        init.beside(|pid| map_ids(pid, plan))?;
        step_giving("let it go on", || init.release("tell it who it is"))?;
    }
    let master = receive_terminal(&mut init, wanted)?;
    run_hooks_on_the_host(&mut init, wanted)?;
    step_giving("wait until it is ready", || {
        init.meet(init::READY, "not say that it is there before it is")
    })?;
    process::set_from_outside(init.pid(), &plan.process)?;
    if starter == Starter::Another {
        tell_engines(&init, wanted)?;
        step_giving("let others start it", || folder.show_door())?;
        step_giving("let it wait at the door", || init.release("have it outlive this command"))?;
    } else {
        tell_engines(&init, wanted)?;
    }
    Ok((init, master))
}
// ANCHOR_END: bring_up

fn remember(wanted: &Wanted<'_>, cgroups: Cgroups) -> Remembered {
    let plan = wanted.plan;
    Remembered {
        id: wanted.id.clone(),
        bundle: plan.bundle.clone(),
        rootfs: plan.root.path.clone(),
        created: primitives::now(),
        owner: own_ids().0,
        init: None,
        cgroups,
        hooks_to_come: !plan.hooks.poststart.is_empty() || !plan.hooks.poststop.is_empty(),
        annotations: plan.annotations.clone(),
    }
}

fn lay_door(folder: &Folder) -> Result<Door> {
    step_giving("lay the door", || {
        let directory = folder.open()?;
        Door::lay(directory.as_fd(), folder.door_before(), "let it be started by another command")
    })
}

/// One clone3 with all that is new; where something must be joined first, somebody goes ahead.
fn make_init(
    wanted: &Wanted<'_>,
    cgroups: &Cgroups,
    sources: Sources,
    ready: Ready,
    door: Option<Door>,
) -> Result<Child> {
    let plan = wanted.plan;
    let luggage = Luggage { wanted, cgroups, sources, ready, door };
    let directory = cgroups.birth_place()?;
    let cgroup = directory.as_ref().map(AsFd::as_fd);
    if !join::needs_one_ahead(plan) {
        let birth = Birth { namespaces: join::new_ones(plan), cgroup };
        return step_giving("make the first process", || {
            let why = "have a process that sees, and is, nobody else";
            spawn("init", birth, why, |parent| init::live(parent, luggage))
        });
    }
    step_giving("send one ahead", || {
        let birth = Birth { cgroup, ..Birth::default() };
        let why = "join what must be joined before the first process is made";
        let mut ahead = spawn("join", birth, why, |parent| join::go_ahead(parent, luggage))?;
        ahead.succeeded("init", "have the first process for a child")?;
        Ok(ahead)
    })
}

/// Who may write any map does. Who may not can map themselves, or ask a program that may.
fn map_ids(child: Pid, plan: &Plan) -> Result<()> {
    let lines = |ranges: &[bundle::IdRange]| -> Vec<IdMap> {
        let line = |range: &bundle::IdRange| IdMap {
            inside: range.inside,
            outside: range.host,
            count: range.size,
        };
        ranges.iter().map(line).collect()
    };
    let (uids, gids) = (lines(&plan.id_maps.uids), lines(&plan.id_maps.gids));
    let (own_uid, own_gid) = own_ids();
    let may = own_uid == 0;
    let alone =
        |map: &[IdMap], own| matches!(map, [IdMap { outside, count: 1, .. }] if *outside == own);
    step_giving("map the users", || match may || alone(&uids, own_uid) {
        true => write_uid_map(Some(child), &uids, "say who its users are out here"),
        false => run_map_helper(Helper::Newuidmap, child, &uids, "say who its users are out here"),
    })?;
    step_giving("map the groups", || match may || alone(&gids, own_gid) {
        true => {
            if !may {
                deny_setgroups(Some(child), "be allowed to map a group")?;
            }
            write_gid_map(Some(child), &gids, "say which its groups are out here")
        }
        false => {
            run_map_helper(Helper::Newgidmap, child, &gids, "say which its groups are out here")
        }
    })
}

/// The terminal of the container: for whom the command line names, or for this process.
fn receive_terminal(init: &mut Child, wanted: &Wanted<'_>) -> Result<Option<OwnedFd>> {
    if wanted.plan.process.terminal == Terminal::None {
        return Ok(None);
    }
    let master = step_giving("take its terminal", || {
        init.receive_fd("have the side of it that people sit at")
    })?;
    match &wanted.options.console_socket {
        None => Ok(Some(master)),
        Some(socket) => {
            step_giving("hand its terminal over", || terminal::send(master.as_fd(), socket))?;
            Ok(None)
        }
    }
}

/// runtime.md, "Lifecycle": prestart, then createRuntime, after the environment is there and before the
/// pivot.
fn run_hooks_on_the_host(init: &mut Child, wanted: &Wanted<'_>) -> Result<()> {
    let plan = wanted.plan;
    if !init::has_hooks_on_the_host(plan) {
        return Ok(());
    }
    step_giving("wait until its mounts are there", || {
        init.meet(init::MOUNTED, "show them to programs of the host")
    })?;
    let pid = init.pid().as_raw();
    let told = state::for_hooks(&wanted.id, Status::Creating, pid, &plan.bundle, &plan.annotations);
    step("run the host's hooks", || {
        hooks::run(&plan.hooks.prestart, &told)?;
        hooks::run(&plan.hooks.create_runtime, &told)
    })?;
    step_giving("let it go on after the hooks", || init.release("have it enter its root"))
}

/// What engines wait for.
fn tell_engines(init: &Child, wanted: &Wanted<'_>) -> Result<()> {
    if let Some(path) = &wanted.options.pid_file {
        step("write the pid file", || process::write_pid_file(path, init.pid()))?;
    }
    if let (Some(path), Some(pidfd)) = (&wanted.options.pidfd_socket, init.pidfd()) {
        step("send the pidfd", || terminal::send(pidfd, path))?;
    }
    Ok(())
}
