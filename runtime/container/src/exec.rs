//! How does another program get into a container that runs?
//!
//! A process joins the cgroup and all the namespaces at once, makes a sibling in there, and is gone.
//! From then on the list is the end of the first process's own.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use bundle::{KINDS, Plan, Process};
use primitives::{
    Birth, Child, Error, Namespaces, Result, Signal, Status as Ended, ToParent, hold_signals,
    pidfd_open, prctl_clear_pdeathsig, setns_of_process, setsid, spawn, step, step_giving,
};

use crate::cgroup::Cgroups;
use crate::process::{self, Inherited, Ready};
use crate::root::Root;
use crate::state::{self, Status};
use crate::store::{Container, Id, Known, Store};
use crate::terminal::Terminal;
use crate::{console, create, init, join};

/// A program that shall run in a container.
#[derive(Clone, Debug)]
pub struct Exec<'a> {
    /// The program, and as whom it runs.
    pub process: &'a Process,
    /// Whether the command ends when the program runs.
    pub detach: bool,
    /// Whether the program may be put into a container that is frozen.
    pub ignore_paused: bool,
    /// Cgroups below the container's, one for all controllers or `controller:path` each.
    pub cgroups: Vec<String>,
    /// Whether it shares the session keyring of the runtime.
    pub no_new_keyring: bool,
    /// How many descriptors from 3 on it inherits.
    pub preserve_fds: u32,
    /// Who gets the master side of its terminal.
    pub console_socket: Option<PathBuf>,
    /// Where its number is written.
    pub pid_file: Option<PathBuf>,
    /// Who gets a descriptor of the process.
    pub pidfd_socket: Option<PathBuf>,
}

/// What the new process takes along.
struct Luggage<'a> {
    wanted: &'a Exec<'a>,
    plan: &'a Plan,
    id: &'a Id,
    init: BorrowedFd<'a>,
    cgroups: &'a Cgroups,
    ready: Ready,
    inherited: Inherited,
}

// ANCHOR: exec
/// Runs a program in a container, and waits for its end unless it is detached.
///
/// # Errors
/// The container does not run, or something was refused; then the program has not run.
pub fn exec(store: &Store, id: &Id, wanted: &Exec<'_>) -> Result<Ended> {
    let container = store.find(id)?;
    let known = running(&container, wanted)?;
    let plan = container.plan()?;
    let inherited = process::inherited(wanted.preserve_fds)?;
    let ready = process::prepare(wanted.process, plan.seccomp.as_ref())?;
    let cgroups = place(&container, known, wanted)?;
    let pidfd = step_giving("find its first process", || hold(known))?;
    let luggage = Luggage {
        wanted,
        plan: &plan,
        id,
        init: pidfd.as_fd(),
        cgroups: &cgroups,
        ready,
        inherited,
    };
    let mut child = step_giving("make a process in there", || make(luggage))?;
    let mut master = receive_terminal(&mut child, wanted)?;
    step_giving("wait until it is ready", || {
        child.meet(init::READY, "set its limits before it is another program")
    })?;
    process::set_from_outside(child.pid(), wanted.process)?;
    container.remembered.resctrl.iter().try_for_each(|group| group.take(child.pid()))?;
    tell_engines(&child, wanted)?;
    let _held = (!wanted.detach).then(hold_signals);
    step_giving("let it begin", || child.release("have it run its program"))?;
    let seccomp = plan.seccomp.as_ref().filter(|seccomp| seccomp.listener.is_some());
    if let Some(seccomp) = seccomp {
        let told = state::for_hooks(
            id,
            Status::Running,
            known.pid,
            &container.remembered.bundle,
            &container.remembered.annotations,
        );
        process::tell_listener(&mut child, seccomp, state::OCI_VERSION, &told)?;
    }
    child.watch_it_become_another()?;
    if wanted.detach {
        child.let_go();
        return Ok(Ended::Exited(0));
    }
    console::attend(&mut child, master.take())
}
// ANCHOR_END: exec

/// As runc has it.
fn running(container: &Container, wanted: &Exec<'_>) -> Result<Known> {
    let unusable = |text: &str| Err(Error::Unusable(text.to_string()));
    match (container.status(), container.remembered.init) {
        (Status::Stopped | Status::Creating, _) | (_, None) => {
            unusable("cannot exec in a stopped container")
        }
        (Status::Paused, _) if !wanted.ignore_paused => {
            unusable("cannot exec in a paused container (use --ignore-paused to override)")
        }
        (_, Some(init)) => Ok(init),
    }
}

/// The cgroups that were named, or those that the first process is in.
fn place(container: &Container, known: Known, wanted: &Exec<'_>) -> Result<Cgroups> {
    let cgroups = &container.remembered.cgroups;
    match wanted.cgroups.is_empty() {
        true => Ok(cgroups.beside(known.pid())),
        false => cgroups.below(&wanted.cgroups),
    }
}

/// A descriptor of the process, and of no other that gets its number.
fn hold(known: Known) -> Result<OwnedFd> {
    let pidfd = pidfd_open(known.pid(), "join the namespaces of this very process")?;
    match known.lives() {
        true => Ok(pidfd),
        false => Err(Error::Unusable("cannot exec in a stopped container".to_string())),
    }
}

fn make(luggage: Luggage<'_>) -> Result<Child> {
    let directory = luggage.cgroups.birth_place()?;
    let birth = Birth { cgroup: directory.as_ref().map(AsFd::as_fd), ..Birth::default() };
    let why = "go where the container is";
    let mut ahead = spawn("join", birth, why, |parent| go_ahead(parent, luggage))?;
    ahead.succeeded("exec", "have the one in there for a child")?;
    Ok(ahead)
}

// ANCHOR: live
fn go_ahead(parent: &ToParent, luggage: Luggage<'_>) -> Result<u8> {
    let cpus = &luggage.wanted.process.exec_affinity;
    process::choose_cpus(&cpus.initial)?;
    process::set_oom_score(primitives::getpid(), luggage.wanted.process)?;
    luggage.cgroups.enter()?;
    process::choose_cpus(&cpus.r#final)?;
    process::hide()?;
    step_giving("join the container", || {
        let why = "see what its processes see";
        setns_of_process(luggage.init, differing(luggage.plan), why)
    })?;
    step_giving("make the process", || {
        let why = "have one with a number in there, and go";
        parent.succeed("exec", Namespaces::empty(), why, |parent| live(parent, luggage))
    })?;
    Ok(0)
}

fn live(parent: &ToParent, luggage: Luggage<'_>) -> Result<u8> {
    let Luggage { wanted, plan, id, mut ready, inherited, .. } = luggage;
    init::take_on_first_ids(plan)?;
    step("die with whoever makes it", || parent.tie(Signal::SIGKILL, "never be left half-made"))?;
    step_giving("lead a session", || setsid("have no part in the session of the runtime"))?;
    if !wanted.no_new_keyring {
        process::join_session_keyring(id.as_str(), &plan.namespaces)?;
    }
    let root = Root::of_this_process()?;
    let terminal = console::open(&root, wanted.process, parent, false)?;
    init::settle(plan)?;
    // Before it is let go, or the end of whoever did that would end it. From here on it is the end of
    // the line that would.
    step_giving("live on without who made it", || {
        prctl_clear_pdeathsig("outlive the command that made it")
    })?;
    step_giving("say that all is ready", || {
        parent.arrive(init::READY, "have our limits set")?;
        parent.wait("not run before they are")
    })?;
    terminal.iter().try_for_each(Terminal::sit_down)?;
    process::go_to_cwd(wanted.process)?;
    process::become_user(wanted.process, &ready)?;
    process::look_around(wanted.process)?;
    process::hand_over_listener(parent, &mut ready)?;
    match process::execute(wanted.process, ready, &inherited)? {}
}
// ANCHOR_END: live

/// The namespaces in which the container is not in the runtime's.
fn differing(plan: &Plan) -> Namespaces {
    let other = KINDS.into_iter().filter(|kind| !plan.namespaces.inherits(*kind));
    other.map(join::kernel_name).fold(Namespaces::empty(), |all, one| all | one)
}

fn receive_terminal(child: &mut Child, wanted: &Exec<'_>) -> Result<Option<OwnedFd>> {
    console::take(child, wanted.process, wanted.console_socket.as_deref())
}

fn tell_engines(child: &Child, wanted: &Exec<'_>) -> Result<()> {
    create::tell_engines(child, wanted.pid_file.as_deref(), wanted.pidfd_socket.as_deref())
}
