//! Which numbers does a process have?
//!
//! One in the pid namespace that it was born in, and one in each above it. The kernel prints them all,
//! from the namespace of whoever mounted the /proc that is read down to the process's own: NSpid in
//! `/proc/PID/status` (proc_pid_status(5)).

use std::collections::BTreeMap;
use std::fs;

use primitives::{Error, Pid, Result, Status};
use trace::escape;

/// A process as it is typed.
pub(crate) fn pid(text: &str) -> std::result::Result<Pid, String> {
    match text.parse() {
        Ok(pid) if pid > 0 => Ok(Pid::from_raw(pid)),
        _ => Err("a process is named by its number, from 1 on".to_string()),
    }
}

/// What `/proc/PID/status` says of a process.
struct Process {
    name: String,
    parent: i32,
    /// Its numbers, the one out here first.
    numbers: Vec<i32>,
}

// ANCHOR: show
/// Prints a process and its descendants, or all processes in pid namespaces below this one.
pub(crate) fn show(pid: Option<Pid>) -> Result<Status> {
    let all = processes();
    let roots: Vec<i32> = match pid {
        Some(pid) if all.contains_key(&pid.as_raw()) => vec![pid.as_raw()],
        Some(pid) => return Err(Error::Unusable(format!("there is no process {pid} here"))),
        None => all.keys().copied().filter(|pid| begins_a_namespace(&all, *pid)).collect(),
    };
    let mut lines = Vec::new();
    roots.iter().for_each(|root| branch(&all, *root, 0, &mut lines));
    match lines.is_empty() {
        true => println!("no process here is in a pid namespace below this one"),
        false => print(&lines),
    }
    Ok(Status::Exited(0))
}

/// Whether a process has more numbers than its parent.
fn begins_a_namespace(all: &BTreeMap<i32, Process>, pid: i32) -> bool {
    let depth = |pid: &i32| all.get(pid).map_or(1, |process| process.numbers.len());
    // What lies below another namespace is shown there.
    depth(&pid) > 1 && depth(&all[&pid].parent) == 1
}
// ANCHOR_END: show

fn branch(
    all: &BTreeMap<i32, Process>,
    pid: i32,
    depth: usize,
    lines: &mut Vec<(Vec<i32>, String)>,
) {
    let process = &all[&pid];
    lines.push((process.numbers.clone(), format!("{}{}", "  ".repeat(depth), process.name)));
    for (child, _) in all.iter().filter(|(_, process)| process.parent == pid) {
        branch(all, *child, depth + 1, lines);
    }
}

fn print(lines: &[(Vec<i32>, String)]) {
    let levels = lines.iter().map(|(numbers, _)| numbers.len()).max().unwrap_or(1);
    let mut head = format!("{:<9}", "HERE");
    (1..levels).for_each(|level| head += &format!("{:<9}", format!("LEVEL {level}")));
    println!("{head}PROGRAM");
    for (numbers, name) in lines {
        let mut line = String::new();
        for level in 0..levels {
            let number = numbers.get(level).map_or("-".to_string(), i32::to_string);
            line += &format!("{number:<9}");
        }
        println!("{line}{name}");
    }
}

// ANCHOR: read
fn processes() -> BTreeMap<i32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let pids = names.filter_map(|name| name.parse().ok());
    pids.filter_map(|pid: i32| Some((pid, process(pid)?))).collect()
}

fn process(pid: i32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let numbers = field("NSpid:")?.split_whitespace().filter_map(|number| number.parse().ok());
    Some(Process {
        name: escape(field("Name:")?.trim()),
        parent: field("PPid:")?.trim().parse().ok()?,
        numbers: numbers.collect(),
    })
}
// ANCHOR_END: read
