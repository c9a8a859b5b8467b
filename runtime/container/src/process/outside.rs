//! What the parent does to a process that is there and does not run its program yet.
//!
//! The parent is who has the rights for it, whatever user namespace the process is in.

use bundle::{IoPriority, Process, Rlimit, Scheduling};
use primitives::{
    Error, IoUrgency, Limit, Pid, Policy, Resource, Result, SchedAttr, SchedFlags, ioprio_set,
    prlimit, sched_setattr, step, write_oom_score_adj,
};

/// Sets limits, and how the kernel shares out what there is: to be called before the process gives up
/// its ids, and before it is let go.
///
/// # Errors
/// Those of the requests; and when a name means nothing to this runtime.
pub fn set_from_outside(child: Pid, process: &Process) -> Result<()> {
    if !process.rlimits.is_empty() {
        step("limit resources", || process.rlimits.iter().try_for_each(|one| limit(child, one)))?;
    }
    if let Some(scheduling) = &process.scheduling {
        step("set the scheduler", || schedule(child, scheduling))?;
    }
    if let Some(priority) = &process.io_priority {
        step("set the disk priority", || urgency(child, priority))?;
    }
    Ok(())
}

/// Says how readily a process is killed. Its file belongs to root as soon as the process cannot be looked
/// into, so an ordinary user has to write it before: while the process is young.
///
/// # Errors
/// Those of the request.
pub fn set_oom_score(young: Pid, process: &Process) -> Result<()> {
    let Some(value) = process.oom_score_adj else { return Ok(()) };
    step("set the oom score", || {
        write_oom_score_adj(young, value, "say whom to kill first when memory is short")
    })
}

fn limit(child: Pid, wanted: &Rlimit) -> Result<()> {
    let resource = Resource::named(&wanted.resource).ok_or_else(|| unknown(&wanted.resource))?;
    // The kernel's RLIM_INFINITY.
    let value = |number: u64| Some(number).filter(|number| *number != u64::MAX);
    let limit = Limit { soft: value(wanted.soft), hard: value(wanted.hard) };
    prlimit(Some(child), resource, limit, "let it have so much and no more")
}

fn schedule(child: Pid, wanted: &Scheduling) -> Result<()> {
    let named = wanted.flags.iter().filter_map(|name| SchedFlags::from_name(name));
    let attr = SchedAttr {
        policy: Policy::named(&wanted.policy).ok_or_else(|| unknown(&wanted.policy))?,
        flags: named.collect(),
        nice: wanted.nice,
        priority: wanted.priority,
        runtime: wanted.runtime,
        deadline: wanted.deadline,
        period: wanted.period,
    };
    sched_setattr(child, attr, "share the CPUs with others in this way")
}

fn urgency(child: Pid, wanted: &IoPriority) -> Result<()> {
    let urgency =
        IoUrgency::new(&wanted.class, wanted.level).ok_or_else(|| unknown(&wanted.class))?;
    ioprio_set(child, urgency, "share the disk with others in this way")
}

fn unknown(name: &str) -> Error {
    Error::Unusable(format!("this runtime does not know {name}"))
}
