//! Which namespaces that are there already does a container live in, and how does it get there?
//!
//! Most can be joined by the first process itself. A pid namespace is for processes made later, clocks
//! must be set before anybody is in a new time namespace, and what belongs to the host must be joined
//! before a new user namespace takes the right to do so. Then a process goes ahead that joins, makes
//! the first process as its sibling, and is gone.

use bundle::{Clock, KINDS, Kind, Origin, Plan};
use primitives::{
    Namespaces, Result, ToParent, open_namespace, setns, step_giving, unshare, write,
};

use crate::cgroup::Cgroups;
use crate::init::{self, Luggage};

/// The kernel's name for a kind.
pub(crate) fn kernel_name(kind: Kind) -> Namespaces {
    match kind {
        Kind::User => Namespaces::CLONE_NEWUSER,
        Kind::Pid => Namespaces::CLONE_NEWPID,
        Kind::Network => Namespaces::CLONE_NEWNET,
        Kind::Mount => Namespaces::CLONE_NEWNS,
        Kind::Ipc => Namespaces::CLONE_NEWIPC,
        Kind::Uts => Namespaces::CLONE_NEWUTS,
        Kind::Cgroup => Namespaces::CLONE_NEWCGROUP,
        Kind::Time => Namespaces::CLONE_NEWTIME,
    }
}

/// The namespaces that are made together with the first process.
pub(crate) fn new_ones(plan: &Plan) -> Namespaces {
    let at_birth = |kind: &Kind| !matches!(kind, Kind::Cgroup | Kind::Time);
    let made = KINDS.into_iter().filter(at_birth).filter(|kind| plan.namespaces.makes(*kind));
    made.map(kernel_name).fold(Namespaces::empty(), |all, one| all | one)
}

pub(crate) fn joins(plan: &Plan, kind: Kind) -> bool {
    matches!(plan.namespaces.origin(kind), Origin::Joined(_))
}

/// Whether somebody has to go ahead.
pub(crate) fn needs_one_ahead(plan: &Plan) -> bool {
    let later = [Kind::User, Kind::Pid, Kind::Time].into_iter().any(|kind| joins(plan, kind));
    let hosts =
        plan.namespaces.makes(Kind::User) && KINDS.into_iter().any(|kind| joins(plan, kind));
    later || hosts || plan.namespaces.makes(Kind::Time)
}

// ANCHOR: ahead
/// The list of the process that goes ahead.
pub(crate) fn go_ahead(parent: &ToParent, luggage: Luggage<'_>) -> Result<u8> {
    let plan = luggage.wanted.plan;
    luggage.cgroups.enter()?;
    join(plan, &KINDS)?;
    become_somebody(parent, plan)?;
    set_clocks(plan)?;
    step_giving("make the first process", || {
        let why = "have a process in all the namespaces, and go";
        let mut new = new_ones(plan);
        if is_mapped_ahead(plan) {
            new -= Namespaces::CLONE_NEWUSER;
        }
        parent.succeed("init", new, why, |parent| init::live(parent, luggage))
    })?;
    Ok(0)
}
// ANCHOR_END: ahead

/// The meeting point of who is in a new user namespace that has no maps yet.
pub(crate) const NOBODY: &str = "nobody";

/// Whether the one that goes ahead is in the new user namespace itself: who has no rights on the host can
/// make clocks only in there.
pub(crate) fn is_mapped_ahead(plan: &Plan) -> bool {
    plan.namespaces.makes(Kind::User) && plan.namespaces.makes(Kind::Time)
}

fn become_somebody(parent: &ToParent, plan: &Plan) -> Result<()> {
    if !is_mapped_ahead(plan) {
        return Ok(());
    }
    step_giving("make the user namespace first", || {
        unshare(Namespaces::CLONE_NEWUSER, "have the right to make clocks in it")?;
        parent.arrive(NOBODY, "have the ids mapped")?;
        parent.wait("not go on as nobody")
    })
}

/// Joins all namespaces of these kinds that are named by a path; the user namespace is the first, for
/// it gives the right to the others.
fn join(plan: &Plan, kinds: &[Kind]) -> Result<()> {
    for kind in kinds {
        let Origin::Joined(path) = plan.namespaces.origin(*kind) else {
            continue;
        };
        step_giving("join a namespace", || {
            let unusable = |error: std::io::Error| {
                let text = format!("namespace of type {kind:?}: {}: {error}", path.display());
                primitives::Error::Unusable(text)
            };
            let namespace = open_namespace(path).map_err(unusable)?;
            let fd = std::os::fd::AsFd::as_fd(&namespace);
            setns(fd, kernel_name(*kind), "share it with who is in it")
        })?;
    }
    Ok(())
}

fn set_clocks(plan: &Plan) -> Result<()> {
    if !plan.namespaces.makes(Kind::Time) {
        return Ok(());
    }
    step_giving("make new clocks", || {
        unshare(Namespaces::CLONE_NEWTIME, "give the processes to come clocks of their own")?;
        let lines: Vec<String> = plan
            .time_offsets
            .iter()
            .map(|offset| {
                let clock = match offset.clock {
                    Clock::Monotonic => "monotonic",
                    Clock::Boottime => "boottime",
                };
                format!("{clock} {} {}", offset.seconds, offset.nanoseconds)
            })
            .collect();
        match lines.is_empty() {
            true => Ok(()),
            false => write(
                "/proc/self/timens_offsets",
                &lines.join("\n"),
                "set them, while nobody lives by them",
            ),
        }
    })
}

/// The first process finds its own cgroup and namespaces, as far as it was not born in them.
pub(crate) fn own_place(plan: &Plan, cgroups: &Cgroups) -> Result<()> {
    let later = init::waits_for_cgroups(plan, cgroups);
    if !needs_one_ahead(plan) {
        if !later {
            cgroups.enter()?;
        }
        join(plan, &[Kind::Network, Kind::Ipc, Kind::Uts, Kind::Mount, Kind::Cgroup])?;
    }
    if later { Ok(()) } else { init::unshare_cgroup(plan) }
}
