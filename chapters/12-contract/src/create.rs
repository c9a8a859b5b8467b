//! How is a container made, by somebody who will not be there when it runs?
//!
//! The list of the command; [`crate::init`] is the one of the process that it makes. Before anything
//! is made it is written down, so that whatever is left of a command that was killed can be found.

use std::os::fd::AsFd;

use bundle::{Kind, Plan};
use container::{process, root};
use primitives::{
    Birth, Child, Door, IdMap, Namespaces, Pid, Result, deny_setgroups, own_ids,
    prctl_set_dumpable, seal_own_program, spawn, step_giving, write_gid_map, write_uid_map,
};

use crate::delete;
use crate::hooks::{self, Moment};
use crate::init::{self, Luggage};
use crate::opening::{Opened, refuse_what_is_left_out};
use crate::state::{Status, told};
use crate::store::{DOOR_BEFORE, Folder, Id, Known, Remembered, Store, myself};

/// A container that shall be made.
pub(crate) struct Wanted<'a> {
    pub(crate) id: &'a Id,
    pub(crate) opened: &'a Opened,
    pub(crate) guard: Guard,
}

/// Whether the defences of this chapter are up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    On,
    Off,
}

impl Guard {
    // ANCHOR: seal
    /// Begins this program anew from a mount, or a copy, that nobody can write to: whoever gets hold
    /// of it from inside a container has not got the file on the host.
    pub(crate) fn runtime(self) -> Result<()> {
        match self {
            Guard::On => seal_own_program(),
            Guard::Off => Ok(()),
        }
    }

    /// Lets nobody in the container look into this process, as long as it is still the runtime: not at
    /// its memory, its descriptors, or its file.
    pub(crate) fn process(self) -> Result<()> {
        match self {
            Guard::On => step_giving("hide from the container", || {
                prctl_set_dumpable(false, "be no way to the host for who is in there already")
            }),
            Guard::Off => Ok(()),
        }
    }
    // ANCHOR_END: seal
}

/// Makes a container, and ends. The container waits.
pub(crate) fn create(store: &Store, wanted: &Wanted<'_>) -> Result<()> {
    let plan = &wanted.opened.plan;
    refuse_what_is_left_out(plan)?;
    root::check(plan)?;
    let folder = step_giving("remember the container", || store.begin(wanted.id))?;
    let (id, bundle) = (wanted.id.clone(), plan.bundle.clone());
    let mut remembered = Remembered { id, bundle, maker: myself(), init: None };
    match bring_up(&folder, &mut remembered, wanted) {
        Ok(init) => {
            init.let_go();
            Ok(())
        }
        // What went wrong first is what is told.
        Err(error) => delete::take_away(&folder, &remembered, Some(plan)).and(Err(error)),
    }
}

fn bring_up(folder: &Folder, remembered: &mut Remembered, wanted: &Wanted<'_>) -> Result<Child> {
    let plan = &wanted.opened.plan;
    // ANCHOR: create_in_order
    step_giving("write down what will be there", || {
        folder.keep_config(&wanted.opened.text)?;
        folder.remember(remembered)
    })?;
    let ready = process::prepare(&plan.process, plan.seccomp.as_ref())?;
    let sources = root::open_sources(plan)?;
    let door = step_giving("lay the door", || lay_door(folder))?;
    let luggage = Luggage { wanted, sources, ready, door };
    let mut init = step_giving("make the first process", || make_init(plan, luggage))?;
    step_giving("write down who it is", || {
        remembered.init = Known::of(init.pid());
        folder.remember(remembered)
    })?;
    process::set_oom_score(init.pid(), &plan.process)?;
    step_giving("say who is who in there", || introduce(&mut init, plan))?;
    run_hooks(&mut init, remembered, plan)?;
    step_giving("wait until it is ready", || {
        init.meet(init::READY, "not say that it is there before it is")
    })?;
    process::set_from_outside(init.pid(), &plan.process)?;
    step_giving("show the door", || folder.show_door())?;
    step_giving("let it wait", || {
        init.release("have it outlive this command")?;
        init.meet(init::WAITING, "not end before it can do without this command")
    })?;
    // ANCHOR_END: create_in_order
    Ok(init)
}

fn lay_door(folder: &Folder) -> Result<Door> {
    let directory = folder.open()?;
    Door::lay(directory.as_fd(), DOOR_BEFORE, "let it be started by another command")
}

fn make_init(plan: &Plan, luggage: Luggage<'_>) -> Result<Child> {
    let birth = Birth { namespaces: new_namespaces(plan), cgroup: None };
    let why = "have a process that sees, and is, nobody else";
    spawn("init", birth, why, |parent| init::live(parent, luggage))
}

fn new_namespaces(plan: &Plan) -> Namespaces {
    let flag = |kind| match kind {
        Kind::User => Namespaces::CLONE_NEWUSER,
        Kind::Pid => Namespaces::CLONE_NEWPID,
        Kind::Network => Namespaces::CLONE_NEWNET,
        Kind::Mount => Namespaces::CLONE_NEWNS,
        Kind::Ipc => Namespaces::CLONE_NEWIPC,
        Kind::Uts => Namespaces::CLONE_NEWUTS,
        Kind::Cgroup => Namespaces::CLONE_NEWCGROUP,
        // It is refused, see `opening`.
        Kind::Time => Namespaces::empty(),
    };
    let new = plan.namespaces.iter().filter(|(kind, _)| plan.namespaces.makes(*kind));
    new.map(|(kind, _)| flag(kind)).collect()
}

/// Chapter 3: the maps of its ids, and then the word to go on.
fn introduce(init: &mut Child, plan: &Plan) -> Result<()> {
    if plan.namespaces.makes(Kind::User) {
        init.beside(|pid| map_ids(pid, plan))?;
    }
    init.release("let it begin")
}

fn map_ids(init: Pid, plan: &Plan) -> Result<()> {
    let lines = |ranges: &[bundle::IdRange]| -> Vec<IdMap> {
        let line = |range: &bundle::IdRange| IdMap {
            inside: range.inside,
            outside: range.host,
            count: range.size,
        };
        ranges.iter().map(line).collect()
    };
    if own_ids().0 != 0 {
        deny_setgroups(Some(init), "be allowed to map a group without root")?;
    }
    write_uid_map(Some(init), &lines(&plan.id_maps.uids), "say who its users are out here")?;
    write_gid_map(Some(init), &lines(&plan.id_maps.gids), "say which its groups are out here")
}

// ANCHOR: hooks
/// createRuntime: when the mounts are there, and before the root is another one.
fn run_hooks(init: &mut Child, remembered: &Remembered, plan: &Plan) -> Result<()> {
    if !init::has_hooks_on_the_host(plan) {
        return Ok(());
    }
    step_giving("wait until its mounts are there", || {
        init.meet(init::MOUNTED, "show them to programs of the host")
    })?;
    let told = told(&remembered.id, Status::Creating, init.pid().as_raw(), &plan.bundle);
    hooks::run(Moment::Prestart, &plan.hooks.prestart, &told)?;
    hooks::run(Moment::CreateRuntime, &plan.hooks.create_runtime, &told)?;
    step_giving("let it go on", || init.release("have it enter its root"))
}
// ANCHOR_END: hooks
