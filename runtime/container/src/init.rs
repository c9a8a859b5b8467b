//! What does the container's first process do, from its birth to its program?
//!
//! One list. Up to the door it is still a part of the runtime, and nothing of the container's own has
//! run in it; behind the door it becomes less and less, and at last another program.

use bundle::{Kind, Origin, Plan};
use primitives::{
    Door, Namespaces, Result, Signal, ToParent, prctl_clear_pdeathsig, set_link_up, setdomainname,
    sethostname, setresgid, setresuid, setsid, step, step_giving, unshare,
};

use crate::cgroup::Cgroups;
use crate::hooks::{self, Moment};
use crate::process::{self, Inherited, Ready};
use crate::root::{self, Sources, Way};
use crate::state::{self, Status};
use crate::terminal::Terminal;
use crate::wanted::Wanted;
use crate::{console, join, sysctl};

/// The meeting points with the process that makes the container.
pub(crate) const MOUNTED: &str = "mounted";
pub(crate) const READY: &str = "ready";

/// What the first process takes along from before its birth.
pub(crate) struct Luggage<'a> {
    pub(crate) wanted: &'a Wanted<'a>,
    pub(crate) cgroups: &'a Cgroups,
    pub(crate) sources: Sources,
    pub(crate) ready: Ready,
    pub(crate) inherited: Inherited,
    /// Where it waits to be started; none when its parent will start it.
    pub(crate) door: Option<Door>,
}

// ANCHOR: live
/// The list of the first process; it returns only when something was refused.
pub(crate) fn live(parent: &ToParent, luggage: Luggage<'_>) -> Result<u8> {
    let Luggage { wanted, cgroups, sources, ready, inherited, door } = luggage;
    let plan = wanted.plan;
    // ANCHOR: up_to_the_door
    join::own_place(plan, cgroups)?;
    become_root(parent, plan)?;
    step("die with whoever makes the container", || {
        parent.tie(Signal::SIGKILL, "never be left half-made")
    })?;
    step_giving("lead a session", || setsid("have no part in the session of the runtime"))?;
    if !wanted.options.no_new_keyring {
        process::join_session_keyring(wanted.id.as_str(), &plan.namespaces)?;
    }
    switch_loopback_on(plan)?;
    let terminal = build_root(parent, wanted, cgroups, sources)?;
    name_the_machine(plan)?;
    settle(plan)?;
    process::go_to_cwd(&plan.process)?;
    process::look_for_program(&ready)?;
    // ANCHOR_END: up_to_the_door
    // ANCHOR: at_the_door
    // Not behind the door: containerd waits for the end of what `create` was given as its output, and
    // this process would hold it open.
    terminal.as_ref().map_or(Ok(()), Terminal::sit_down)?;
    // Before it is let go, for then the command may end at any moment; until then the line's end tells.
    step_giving("live on without who made it", || {
        prctl_clear_pdeathsig("outlive the command that made the container")
    })?;
    step_giving("say that all is ready", || {
        parent.arrive(READY, "have our limits set, and be written down as ready")?;
        parent.wait("not run before the container may be started")
    })?;
    let starter = door.map(Door::wait).transpose()?;
    // ANCHOR_END: at_the_door
    let with = starter.as_ref().unwrap_or(parent);
    let result = become_program(with, wanted, ready, &inherited);
    if let (Some(starter), Err(error)) = (&starter, &result) {
        starter.give_up(error);
    }
    result
}
// ANCHOR_END: live

// ANCHOR: become
/// Behind the door: the last rights go, and then the program comes.
fn become_program(
    starter: &ToParent,
    wanted: &Wanted<'_>,
    mut ready: Ready,
    inherited: &Inherited,
) -> Result<u8> {
    let plan = wanted.plan;
    let process = &plan.process;
    process::become_user(process, &ready)?;
    process::look_around(process)?;
    let told = told(wanted, Status::Created);
    hooks::run(Moment::StartContainer, &plan.hooks.start_container, &told)?;
    process::hand_over_listener(starter, &mut ready)?;
    match process::execute(process, ready, inherited)? {}
}
// ANCHOR_END: become

/// Waits until its ids mean something, and takes on those that own the new namespaces.
fn become_root(parent: &ToParent, plan: &Plan) -> Result<()> {
    if waits_for_its_place(plan) {
        let why = match plan.network_devices.is_empty() {
            true => "be nobody no longer",
            false => "find the network devices that shall be here",
        };
        step_giving("wait for the ids", || parent.wait(why))?;
    }
    take_on_first_ids(plan)
}

/// Whether the parent has something to do about it before it can do anything itself.
pub(crate) fn waits_for_its_place(plan: &Plan) -> bool {
    plan.namespaces.makes(Kind::User) || !plan.network_devices.is_empty()
}

/// In a user namespace, becomes who its namespaces and new files belong to.
pub(crate) fn take_on_first_ids(plan: &Plan) -> Result<()> {
    if plan.namespaces.inherits(Kind::User) {
        return Ok(());
    }
    let first = |ranges: &[bundle::IdRange]| {
        // Where no maps are given the namespace was joined, and root in it is a good guess.
        let zero = ranges.is_empty() || ranges.iter().any(|range| range.inside == 0);
        if zero { 0 } else { ranges.first().map_or(0, |range| range.inside) }
    };
    let (uid, gid) = (first(&plan.id_maps.uids), first(&plan.id_maps.gids));
    step_giving("be root in there", || {
        setresgid(gid, "make files as a group that is known in there")?;
        setresuid(uid, "make files as a user who is known in there")
    })
}

fn switch_loopback_on(plan: &Plan) -> Result<()> {
    match plan.namespaces.makes(Kind::Network) {
        true => step("switch the loopback device on", || {
            set_link_up("lo", "let programs reach 127.0.0.1, as everywhere")
        }),
        false => Ok(()),
    }
}

// ANCHOR: root
/// From the host's view of files to the container's own.
fn build_root(
    parent: &ToParent,
    wanted: &Wanted<'_>,
    cgroups: &Cgroups,
    mut sources: Sources,
) -> Result<Option<Terminal>> {
    let plan = wanted.plan;
    let way = if wanted.options.no_pivot { Way::MoveAndChroot } else { Way::Pivot };
    // ANCHOR: root_in_order
    root::cut_mount_ties(plan)?;
    let new_root = root::stand_up(plan)?;
    root::mount_up_to_cgroups(&new_root, plan, &mut sources)?;
    enter_cgroups(parent, plan, cgroups)?;
    root::mount_the_rest(&new_root, plan, &mut sources, &cgroups.mounts_inside())?;
    drop(sources);
    root::make_devices(&new_root, plan)?;
    let terminal = console::open(&new_root, &plan.process, parent, true)?;
    if has_hooks_on_the_host(plan) {
        step_giving("wait for the host's hooks", || {
            parent.arrive(MOUNTED, "let programs of the host change what was mounted")?;
            parent.wait("not go on before they have ended")
        })?;
    }
    let told = told(wanted, Status::Creating);
    hooks::run(Moment::CreateContainer, &plan.hooks.create_container, &told)?;
    root::enter(&new_root, plan, way)?;
    process::make_cwd(&plan.process)?;
    set_sysctls(plan)?;
    root::finish(new_root, plan)?;
    // ANCHOR_END: root_in_order
    Ok(terminal)
}
// ANCHOR_END: root

/// Whether the parent has programs to run between the mounts and the pivot.
pub(crate) fn has_hooks_on_the_host(plan: &Plan) -> bool {
    !plan.hooks.prestart.is_empty() || !plan.hooks.create_runtime.is_empty()
}

fn name_the_machine(plan: &Plan) -> Result<()> {
    if let Some(name) = &plan.hostname {
        step("name the machine", || sethostname(name, "be somebody of its own"))?;
    }
    if let Some(name) = &plan.domainname {
        step("name its domain", || setdomainname(name, "say which NIS domain it is in"))?;
    }
    Ok(())
}

/// Kernel parameters of the namespaces that the container has for itself.
fn set_sysctls(plan: &Plan) -> Result<()> {
    if plan.sysctls.is_empty() {
        return Ok(());
    }
    step("set kernel parameters", || sysctl::set(plan))
}

/// What its programs find out about the kernel and about each other.
pub(crate) fn settle(plan: &Plan) -> Result<()> {
    process::take_on_labels(&plan.process)?;
    if let Some(persona) = plan.personality {
        process::take_on_persona(persona)?;
    }
    if let Some(policy) = &plan.memory_policy {
        process::choose_memory(policy)?;
    }
    process::hide()
}

/// The state that hooks inside are told, with the number that the process has in there.
fn told(wanted: &Wanted<'_>, status: Status) -> String {
    let plan = wanted.plan;
    let pid = primitives::getpid().as_raw();
    state::for_hooks(&wanted.id, status, pid, &plan.bundle, &plan.annotations)
}

/// Whether its cgroups are made while it mounts, which takes as long as to make them. Only those of v1,
/// for in v2 it is born; and only where it keeps what it needs to enter them: the rights of the host, and
/// the host's files.
pub(crate) fn waits_for_cgroups(plan: &Plan, cgroups: &Cgroups) -> bool {
    let keeps_rights = plan.namespaces.inherits(Kind::User);
    let keeps_files = !join::joins(plan, Kind::Mount);
    cgroups.has_some_to_enter() && keeps_rights && keeps_files && !join::needs_one_ahead(plan)
}

/// Nothing to do where it was in its cgroups from the beginning.
fn enter_cgroups(parent: &ToParent, plan: &Plan, cgroups: &Cgroups) -> Result<()> {
    if !waits_for_cgroups(plan, cgroups) {
        return Ok(());
    }
    step_giving("wait for its cgroups", || parent.wait("find them made, with their limits"))?;
    cgroups.enter()?;
    unshare_cgroup(plan)
}

/// Whether a cgroup namespace must be left to the process itself: one made at its birth would begin
/// at the cgroup of its parent.
pub(crate) fn unshare_cgroup(plan: &Plan) -> Result<()> {
    if *plan.namespaces.origin(Kind::Cgroup) != Origin::New {
        return Ok(());
    }
    step("see its own cgroup as the first one", || {
        unshare(Namespaces::CLONE_NEWCGROUP, "hide the host's cgroups")
    })
}
