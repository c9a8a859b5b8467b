//! How does the process get CPU time, the disk and memory of a machine with several nodes?

use oci_spec::runtime::MemoryPolicyFlagType;
use oci_spec::runtime::{IOPriorityClass, LinuxSchedulerPolicy, MemoryPolicyModeType};
use serde::Serialize;

use crate::at::At;
use crate::lists::{NumberList, number_list};

/// What sched_setattr(2) is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scheduling {
    /// `SCHED_BATCH`
    pub policy: String,
    /// The nice value, -20 to 19.
    pub nice: i32,
    /// The priority, 1 to 99 for the real-time policies, else 0.
    pub priority: u32,
    /// `SCHED_FLAG_RESET_ON_FORK`
    pub flags: Vec<String>,
    /// Of the deadline policy, in nanoseconds: how long it may run.
    pub runtime: u64,
    /// By when.
    pub deadline: u64,
    /// How often.
    pub period: u64,
}

/// What ioprio_set(2) is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IoPriority {
    /// `IOPRIO_CLASS_BE`
    pub class: String,
    /// 0, the highest, to 7.
    pub level: u8,
}

/// On which CPUs `exec` runs a program; an empty list leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Affinity {
    /// Before it enters the container's cgroup.
    pub initial: NumberList,
    /// Afterwards.
    pub r#final: NumberList,
}

/// What set_mempolicy(2) is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryPolicy {
    /// `MPOL_BIND`
    pub mode: String,
    /// On which nodes.
    pub nodes: NumberList,
    /// `MPOL_F_STATIC_NODES`
    pub flags: Vec<String>,
}

/// By the specification's names. `oci-spec` spells the third one `SCHED_FLAG_D_L_OVERRUN`.
const FLAGS: [&str; 7] = [
    "SCHED_FLAG_RESET_ON_FORK",
    "SCHED_FLAG_RECLAIM",
    "SCHED_FLAG_DL_OVERRUN",
    "SCHED_FLAG_KEEP_POLICY",
    "SCHED_FLAG_KEEP_PARAMS",
    "SCHED_FLAG_UTIL_CLAMP_MIN",
    "SCHED_FLAG_UTIL_CLAMP_MAX",
];

/// `process.scheduler` (config.md, "Linux Process"); the rules are those of sched_setattr(2).
pub(crate) fn scheduling(process: &At<'_>) -> Option<Scheduling> {
    let at = process.object("scheduler")?;
    let policy: LinuxSchedulerPolicy = at.need("policy")?;
    let nice = at.within("nice", -20, 19).unwrap_or(0);
    let number = |name: &str| at.get::<u64>(name).unwrap_or(0);
    let scheduling = Scheduling {
        policy: policy.to_string(),
        nice: i32::try_from(nice).unwrap_or(0),
        priority: priority(&at, policy),
        flags: flags(&at),
        runtime: number("runtime"),
        deadline: number("deadline"),
        period: number("period"),
    };
    deadline(&at, policy, &scheduling);
    Some(scheduling)
}

/// Only the real-time policies have priorities, and they have to have one.
fn priority(at: &At<'_>, policy: LinuxSchedulerPolicy) -> u32 {
    let real_time =
        matches!(policy, LinuxSchedulerPolicy::SchedFifo | LinuxSchedulerPolicy::SchedRr);
    if real_time && at.required("priority").is_some() {
        return at.within("priority", 1, 99).and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
    }
    if !real_time && at.get::<i64>("priority").is_some_and(|priority| priority != 0) {
        let wrong = format!("{policy} has no priorities");
        at.wrong_field("priority", wrong, "SCHED_FIFO or SCHED_RR, or no priority");
    }
    0
}

fn flags(at: &At<'_>) -> Vec<String> {
    let mut known = Vec::new();
    for item in at.items("flags") {
        let Some(flag) = item.read::<String>() else {
            continue;
        };
        // The name that runtime-spec had before 1.2 has the same meaning.
        let flag = if flag == "SCHED_RESET_ON_FORK" { FLAGS[0].to_string() } else { flag };
        if !FLAGS.contains(&flag.as_str()) {
            item.wrong(format!("{flag:?} is no flag"), FLAGS.join(", "));
        }
        known.push(flag);
    }
    known
}

fn deadline(at: &At<'_>, policy: LinuxSchedulerPolicy, wanted: &Scheduling) {
    let Scheduling { runtime, deadline, period, .. } = *wanted;
    if policy != LinuxSchedulerPolicy::SchedDeadline {
        for (name, value) in [("runtime", runtime), ("deadline", deadline), ("period", period)] {
            if value != 0 {
                at.wrong_field(name, "belongs to SCHED_DEADLINE", "that policy, or no value here");
            }
        }
        return;
    }
    // A period of 0 is the deadline. The kernel measures in units of 1024 ns.
    let last = if period == 0 { deadline } else { period };
    if runtime < 1024 || runtime > deadline || deadline > last {
        let right = "1024 <= runtime <= deadline <= period, in nanoseconds";
        at.wrong(format!("{runtime}, {deadline} and {period} do not fit together"), right);
    }
}

/// `process.ioPriority` (config.md, "Linux Process").
pub(crate) fn io_priority(process: &At<'_>) -> Option<IoPriority> {
    let at = process.object("ioPriority")?;
    let class = at.need::<IOPriorityClass>("class");
    at.required("priority");
    let level = at.within("priority", 0, 7).and_then(|level| u8::try_from(level).ok())?;
    Some(IoPriority { class: class?.to_string(), level })
}

/// `process.execCPUAffinity` (config.md, "Linux Process").
pub(crate) fn affinity(process: &At<'_>) -> Affinity {
    let Some(at) = process.object("execCPUAffinity") else {
        return Affinity::default();
    };
    let list = |name| number_list(&at, name).unwrap_or_default();
    Affinity { initial: list("initial"), r#final: list("final") }
}

/// `linux.memoryPolicy` (config-linux.md, "Memory policy"); the rules are those of set_mempolicy(2).
pub(crate) fn memory_policy(linux: &At<'_>) -> Option<MemoryPolicy> {
    let at = linux.object("memoryPolicy")?;
    let mode: MemoryPolicyModeType = at.need("mode")?;
    let nodes = number_list(&at, "nodes");
    let flags: Vec<MemoryPolicyFlagType> = at.items("flags").iter().filter_map(At::read).collect();
    let anywhere =
        matches!(mode, MemoryPolicyModeType::MpolDefault | MemoryPolicyModeType::MpolLocal);
    // A preferred node that is not named is the local one.
    let free = anywhere || mode == MemoryPolicyModeType::MpolPreferred;
    match (&nodes, at.field("nodes")) {
        (Some(_), _) if anywhere => {
            at.wrong_field("nodes", format!("{mode} is not about nodes"), "no nodes");
        }
        (None, None) if !free => at.missing("nodes"),
        _ => {}
    }
    let has = |flag| flags.contains(&flag);
    if has(MemoryPolicyFlagType::MpolFStaticNodes) && has(MemoryPolicyFlagType::MpolFRelativeNodes)
    {
        at.wrong_field("flags", "nodes cannot be both static and relative", "one of the two");
    }
    let flags = flags.iter().map(ToString::to_string).collect();
    Some(MemoryPolicy { mode: mode.to_string(), nodes: nodes.unwrap_or_default(), flags })
}
