//! How is a container made?
//!
//! One list on this side of the line, and [`crate::init`] is the one on the other. What may have to be
//! cleaned up is written down before it is there; what fails is cleaned up at once.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use bundle::{Kind, Plan};
use primitives::{
    Birth, Child, Door, Errno, Error, Helper, IdMap, Pid, Result, Status as Ended, create_durably,
    deny_setgroups, hold_signals, own_ids, rename, run_map_helper, spawn, step, step_giving,
    write_gid_map, write_uid_map,
};

use crate::cgroup::Cgroups;
use crate::hooks::{self, Moment};
use crate::init::{self, Luggage};
use crate::process::{self, Inherited, Ready};
use crate::root::{self, Sources};
use crate::state::{self, Status};
use crate::store::{Folder, Known, Remembered, Store};
use crate::wanted::{Options, Wanted};
use crate::{console, delete, join, network_devices, resctrl, start, sysctl};

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
    let _held = (!detach).then(hold_signals);
    let started = start::open(&mut created.init, &created.remembered, Some(wanted.plan));
    let ended = started.and_then(|()| match detach {
        true => Ok(None),
        false => console::attend(&mut created.init, created.master.take()).map(Some),
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
            let cleaned = delete::after_run(folder, &remembered, wanted.plan);
            let status = result?;
            cleaned.map(|()| status.unwrap_or(Ended::Exited(0)))
        }
    }
}
// ANCHOR_END: create

fn make(store: &Store, wanted: &Wanted<'_>, starter: Starter) -> Result<Created> {
    let mut folder = step_giving("remember the container", || store.begin(&wanted.id))?;
    let mut remembered = match find_cgroups(wanted) {
        Ok(cgroups) => remember(wanted, cgroups),
        Err(error) => return folder.remove().and(Err(error)),
    };
    match bring_up(&folder, &mut remembered, wanted, starter) {
        Ok((init, master)) => {
            folder.unlock();
            Ok(Created { folder, remembered, init, master })
        }
        Err(error) => {
            // What went wrong first is the error; and what is left, that somebody knows of it.
            if let Err(left) = delete::take_away(&folder, &remembered, Some(wanted.plan)) {
                let id = &wanted.id;
                primitives::say(&format!("note: something is left of {id}, delete it: {left}"));
            }
            Err(error)
        }
    }
}

pub(crate) fn find_cgroups(wanted: &Wanted<'_>) -> Result<Cgroups> {
    let options = &wanted.options;
    let cgroups = Cgroups::find(&wanted.plan.cgroup, wanted.id.as_str(), options.driver)?;
    match cgroups.is_empty() && options.needs_cgroups {
        false => Ok(cgroups),
        true => Err(Error::Unusable(
            "this user may make no cgroup, and --rootless=false does not do without".to_string(),
        )),
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
    // ANCHOR: before_birth
    root::check(plan)?;
    sysctl::check(plan)?;
    let devices = network_devices::find(plan)?;
    remembered.resctrl = resctrl::find(plan, wanted.id.as_str())?;
    let inherited = process::inherited(wanted.options.preserve_fds)?;
    let ready = process::prepare(&plan.process, plan.seccomp.as_ref())?;
    step_giving("write down what will be there", || {
        folder.keep_config(wanted.config)?;
        folder.remember(remembered)
    })?;
    let meanwhile = init::waits_for_cgroups(plan, &remembered.cgroups);
    remembered.cgroups.make_birth_place()?;
    if !meanwhile {
        make_cgroups(&remembered.cgroups, plan)?;
    }
    remembered.resctrl.iter().try_for_each(|group| group.make(plan))?;
    let door = match starter {
        Starter::Another => Some(lay_door(folder)?),
        Starter::This => None,
    };
    let sources = root::open_sources(plan)?;
    let mut init = make_init(wanted, &remembered.cgroups, (sources, ready, inherited, door))?;
    // ANCHOR_END: before_birth
    // ANCHOR: after_birth
    if meanwhile {
        init.beside(|_| make_cgroups(&remembered.cgroups, plan))?;
        step_giving("let it enter its cgroups", || init.release("have it held to its limits"))?;
    }
    step_giving("write down who it is", || {
        remembered.init = Known::of(init.pid());
        folder.remember(remembered)
    })?;
    process::set_oom_score(init.pid(), &plan.process)?;
    remembered.cgroups.register(init.pid(), &plan.cgroup)?;
    remembered.resctrl.iter().try_for_each(|group| group.take(init.pid()))?;
    if plan.namespaces.makes(Kind::User) && !join::is_mapped_ahead(plan) {
        init.beside(|pid| map_ids(pid, plan))?;
    }
    init.beside(|pid| network_devices::hand_over(&devices, pid))?;
    let_it_go_on(&mut init, plan)?;
    let master = receive_terminal(&mut init, wanted)?;
    run_hooks_on_the_host(&mut init, wanted)?;
    step_giving("wait until it is ready", || {
        init.meet(init::READY, "not say that it is there before it is")
    })?;
    process::set_from_outside(init.pid(), &plan.process)?;
    // ANCHOR_END: after_birth
    let Options { pid_file, pidfd_socket, .. } = &wanted.options;
    tell_engines(&init, pid_file.as_deref(), pidfd_socket.as_deref())?;
    step_giving("let it be seen", || folder.show_door(starter == Starter::Another))?;
    if starter == Starter::Another {
        step_giving("let it wait at the door", || init.release("have it outlive this command"))?;
    }
    Ok((init, master))
}
// ANCHOR_END: bring_up

pub(crate) fn remember(wanted: &Wanted<'_>, cgroups: Cgroups) -> Remembered {
    let plan = wanted.plan;
    Remembered {
        id: wanted.id.clone(),
        bundle: plan.bundle.clone(),
        rootfs: plan.root.path.clone(),
        created: primitives::now(),
        owner: own_ids().0,
        init: None,
        restored: false,
        cgroups,
        resctrl: None,
        more_to_come: !plan.hooks.poststart.is_empty()
            || !plan.hooks.poststop.is_empty()
            || plan.seccomp.as_ref().is_some_and(|seccomp| seccomp.listener.is_some()),
        annotations: plan.annotations.clone(),
    }
}

/// Init waits where it has to be told who it is, or has to find its devices.
fn let_it_go_on(init: &mut Child, plan: &Plan) -> Result<()> {
    if !init::waits_for_its_place(plan) {
        return Ok(());
    }
    let why = match plan.network_devices.is_empty() {
        true => "tell it who it is",
        false => "tell it that its network devices are there",
    };
    step_giving("let it go on", || init.release(why))
}

/// Those that init enters by itself; and the limits of all.
pub(crate) fn make_cgroups(cgroups: &Cgroups, plan: &Plan) -> Result<()> {
    cgroups.make_those_to_enter()?;
    cgroups.limit(&plan.cgroup)
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
    (sources, ready, inherited, door): (Sources, Ready, Inherited, Option<Door>),
) -> Result<Child> {
    let plan = wanted.plan;
    let luggage = Luggage { wanted, cgroups, sources, ready, inherited, door };
    let directory = cgroups.birth_place()?;
    let cgroup = directory.as_ref().map(AsFd::as_fd);
    if !join::needs_one_ahead(plan) {
        let birth = Birth { namespaces: join::new_ones(plan), cgroup };
        return step_giving("make the first process", || {
            let why = "have a process that sees, and is, nobody else";
            let made = spawn("init", birth, why, |parent| init::live(parent, luggage));
            made.map_err(|error| for_who_is_not_root(error, plan))
        });
    }
    step_giving("send one ahead", || {
        let birth = Birth { cgroup, ..Birth::default() };
        let why = "join what must be joined before the first process is made";
        let mut ahead = spawn("join", birth, why, |parent| join::go_ahead(parent, luggage))?;
        if join::is_mapped_ahead(plan) {
            ahead.meet(join::NOBODY, "map the ids of a user namespace that is there")?;
            ahead.beside(|pid| map_ids(pid, plan))?;
            ahead.release("let it set the clocks")?;
        }
        ahead.succeeded("init", "have the first process for a child")?;
        Ok(ahead)
    })
}

/// The errno alone does not say that there is a way.
fn for_who_is_not_root(error: Error, plan: &Plan) -> Error {
    let (uid, _) = own_ids();
    match error {
        Error::Request(mut refusal)
            if !refusal.here
                && refusal.errno == Errno::EPERM
                && uid != 0
                && plan.namespaces.inherits(Kind::User) =>
        {
            refusal.advice = Some(
                "only root makes these without a user namespace: `runtime spec --rootless` writes a \
                 config.json for other users",
            );
            Error::Request(refusal)
        }
        other => other,
    }
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
    console::take(init, &wanted.plan.process, wanted.options.console_socket.as_deref())
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
    hooks::run(Moment::Prestart, &plan.hooks.prestart, &told)?;
    hooks::run(Moment::CreateRuntime, &plan.hooks.create_runtime, &told)?;
    step_giving("let it go on after the hooks", || init.release("have it enter its root"))
}

/// What engines wait for: the process's number, and a descriptor of it.
pub(crate) fn tell_engines(
    child: &Child,
    pid_file: Option<&Path>,
    pidfd_socket: Option<&Path>,
) -> Result<()> {
    if let Some(path) = pid_file {
        step("write the pid file", || write_pid_file(path, child.pid()))?;
    }
    if let (Some(path), Some(pidfd)) = (pidfd_socket, child.pidfd()) {
        step("send the pidfd", || console::send(pidfd, path, b"pidfd"))?;
    }
    Ok(())
}

/// Engines look for the file until it is there, and must not find half a number.
fn write_pid_file(path: &Path, pid: Pid) -> Result<()> {
    let name = path.file_name().unwrap_or_default();
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    let new = path.with_file_name(hidden);
    create_durably(&new, pid.to_string().as_bytes(), 0o644, "have the whole number in a file")?;
    rename(&new, path, "let it be found in one moment")
}
