//! The process: who it is, what it may do, what it becomes.

use bundle::{Plan, Process, Terminal};

use super::{Lines, line};

/// "No limit" of setrlimit(2).
const INFINITE: u64 = u64::MAX;

pub(super) fn process(plan: &Plan) -> Lines {
    let process = &plan.process;
    let mut lines = terminal(process);
    lines.extend(rights(process));
    lines.extend(treatment(process));
    lines.push(line("in", process.cwd.display()));
    lines.extend(process.env.iter().map(|variable| line("with", format!("{variable:?}"))));
    lines.push(line("becomes", format!("{:?}", process.args)));
    lines
}

fn terminal(process: &Process) -> Lines {
    match process.terminal {
        Terminal::None => Vec::new(),
        Terminal::New { rows: 0, columns: 0 } => vec![line("terminal", "a new one")],
        Terminal::New { rows, columns } => {
            vec![line("terminal", format!("a new one, {columns} columns, {rows} rows"))]
        }
    }
}

fn rights(process: &Process) -> Lines {
    let user = &process.user;
    let groups: Vec<String> = user.groups.iter().map(ToString::to_string).collect();
    let groups = if groups.is_empty() { "none".to_string() } else { groups.join(" ") };
    let mut lines = vec![
        line("user", format!("{}:{}, other groups {groups}", user.uid, user.gid)),
        line("umask", format!("{:03o}", user.umask)),
    ];
    let sets = &process.capabilities;
    for (about, set) in [
        ("bounding", &sets.bounding),
        ("permitted", &sets.permitted),
        ("effective", &sets.effective),
        ("inheritable", &sets.inheritable),
        ("ambient", &sets.ambient),
    ] {
        let names: Vec<&str> = set.iter().map(|capability| capability.name()).collect();
        let names = if names.is_empty() { "no capabilities".to_string() } else { names.join(" ") };
        lines.push(line(about, names));
    }
    if process.no_new_privileges {
        lines.push(line("rights", "never more than these, whatever it executes"));
    }
    for (about, label) in
        [("apparmor", &process.apparmor_profile), ("selinux", &process.selinux_label)]
    {
        lines.extend(label.as_ref().map(|label| line(about, label)));
    }
    lines
}

fn treatment(process: &Process) -> Lines {
    let mut lines = Vec::new();
    let amount = |limit: u64| match limit {
        INFINITE => "unlimited".to_string(),
        limit => limit.to_string(),
    };
    for limit in &process.rlimits {
        let told = format!("{} soft, {} hard", amount(limit.soft), amount(limit.hard));
        lines.push(format!("{} {told}", limit.resource));
    }
    lines.extend(process.oom_score_adj.map(|score| line("oom score", score)));
    if let Some(scheduling) = &process.scheduling {
        let told = format!("nice {} priority {}", scheduling.nice, scheduling.priority);
        let times = [scheduling.runtime, scheduling.deadline, scheduling.period];
        let times = if times == [0; 3] { String::new() } else { format!(" {times:?} ns") };
        let flags: String = scheduling.flags.iter().map(|flag| format!(" {flag}")).collect();
        lines.push(line("scheduler", format!("{} {told}{times}{flags}", scheduling.policy)));
    }
    if let Some(io) = &process.io_priority {
        lines.push(line("disk", format!("{} {}", io.class, io.level)));
    }
    for (when, cpus) in
        [("joining", &process.exec_affinity.initial), ("joined", &process.exec_affinity.r#final)]
    {
        if !cpus.ranges().is_empty() {
            lines.push(line("exec", format!("{when}, a program runs on cpus {cpus}")));
        }
    }
    lines
}
