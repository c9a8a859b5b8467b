//! What does the first process of a container do before it is the program?
//!
//! Each line is a chapter. Up to the door it is a part of the runtime, behind the door it becomes less
//! and less, and at last another program.

use bundle::{Kind, Plan};
use container::cgroup::Inside;
use container::process::{self, Inherited, Ready};
use container::root::{self, Sources, Way};
use primitives::{
    Door, Result, Signal, ToParent, prctl_clear_pdeathsig, sethostname, setresgid, setresuid,
    setsid, step, step_giving,
};

use crate::create::Wanted;
use crate::cwd;
use crate::hooks::{self, Moment};
use crate::state::{Status, told};

/// The meeting points with the command.
pub(crate) const MOUNTED: &str = "mounted";
pub(crate) const READY: &str = "ready";
pub(crate) const WAITING: &str = "waiting";

/// What it takes along from before its birth.
pub(crate) struct Luggage<'a> {
    pub(crate) wanted: &'a Wanted<'a>,
    pub(crate) sources: Sources,
    pub(crate) ready: Ready,
    pub(crate) door: Door,
}

/// The list of the first process; it returns only when something was refused.
pub(crate) fn live(command: &ToParent, luggage: Luggage<'_>) -> Result<u8> {
    let Luggage { wanted, sources, ready, door } = luggage;
    let plan = &wanted.opened.plan;
    // ANCHOR: up_to_the_door
    step_giving("die with the command", || {
        command.tie(Signal::SIGKILL, "never be left half-made")
    })?;
    step_giving("wait for the ids", || command.wait("be somebody"))?;
    become_root(plan)?;
    step_giving("lead a session", || setsid("have no part in the session of the command"))?;
    build_root(command, wanted, sources)?;
    if let Some(name) = &plan.hostname {
        step("name the machine", || sethostname(name, "be somebody of its own"))?;
    }
    wanted.guard.process()?;
    cwd::go(&plan.process, wanted.guard)?;
    process::look_for_program(&ready)?;
    step_giving("say that all is ready", || {
        command.arrive(READY, "be written down as ready")?;
        command.wait("not be let go before that")
    })?;
    step("live on without the command", || {
        prctl_clear_pdeathsig("outlive the command that made the container")
    })?;
    step_giving("say that it waits", || command.arrive(WAITING, "have nobody wait for this one"))?;
    // ANCHOR_END: up_to_the_door
    // ANCHOR: behind_the_door
    let starter = door.wait()?;
    // Behind the door it goes on for somebody else, who tells and counts what it does from here on.
    primitives::play("program");
    let result = become_program(wanted, ready);
    if let Err(error) = &result {
        starter.give_up(error);
    }
    result
    // ANCHOR_END: behind_the_door
}

// ANCHOR: become
fn become_program(wanted: &Wanted<'_>, ready: Ready) -> Result<u8> {
    let plan = &wanted.opened.plan;
    process::become_user(&plan.process, &ready)?;
    let told = told_inside(wanted, Status::Created);
    hooks::run(Moment::StartContainer, &plan.hooks.start_container, &told)?;
    match process::execute(&plan.process, ready, &Inherited::default())? {}
}
// ANCHOR_END: become

/// In a user namespace of its own it was born as nobody, and becomes who owns the namespaces.
fn become_root(plan: &Plan) -> Result<()> {
    if !plan.namespaces.makes(Kind::User) {
        return Ok(());
    }
    step_giving("be root in there", || {
        setresgid(0, "make files as a group that is known in there")?;
        setresuid(0, "make files as a user who is known in there")
    })
}

// ANCHOR: root
/// Chapters 4 to 6, by the runtime's own hands; the two moments for hooks lie in between.
fn build_root(command: &ToParent, wanted: &Wanted<'_>, mut sources: Sources) -> Result<()> {
    let plan = &wanted.opened.plan;
    // Mounts of a user namespace of their own have no ties to the host's (mount_namespaces(7)).
    if plan.namespaces.inherits(Kind::User) {
        root::cut_mount_ties(plan)?;
    }
    let new_root = root::stand_up(plan)?;
    root::mount_up_to_cgroups(&new_root, plan, &mut sources)?;
    root::mount_the_rest(&new_root, plan, &mut sources, &Inside::Nothing)?;
    root::make_devices(&new_root, plan)?;
    if has_hooks_on_the_host(plan) {
        step_giving("wait for the host's hooks", || {
            command.arrive(MOUNTED, "let programs of the host change what was mounted")?;
            command.wait("not go on before they have ended")
        })?;
    }
    let told = told_inside(wanted, Status::Creating);
    hooks::run(Moment::CreateContainer, &plan.hooks.create_container, &told)?;
    root::enter(&new_root, plan, Way::Pivot)?;
    root::finish(new_root, plan)
}
// ANCHOR_END: root

/// Whether the command has programs to run between the mounts and the change of the root.
pub(crate) fn has_hooks_on_the_host(plan: &Plan) -> bool {
    !plan.hooks.prestart.is_empty() || !plan.hooks.create_runtime.is_empty()
}

/// The state that hooks are told in here, with the number that this process has in here.
fn told_inside(wanted: &Wanted<'_>, status: Status) -> serde_json::Value {
    told(wanted.id, status, primitives::getpid().as_raw(), &wanted.opened.plan.bundle)
}
