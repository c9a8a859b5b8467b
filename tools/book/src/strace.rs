//! What did somebody else's program ask of the kernel, in lines that stay the same from run to run?
//!
//! `strace -f -o FILE` writes `PID CALL(ARGS) = RESULT`, and splits a call in two lines when another
//! process speaks in between. Here the two become one again; each process has its calls together,
//! because who of two processes is faster differs from run to run; threads that a language runtime
//! starts for itself belong to their process; and numbers that the kernel chose become `_`.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::events::letter_at;

/// Calls that make processes. They are always watched, or nobody would know who is whose child.
pub(crate) const BIRTHS: [&str; 4] = ["clone", "clone3", "fork", "vfork"];

/// The calls of an strace log whose names are in `calls`, one a line, each behind the letter of its
/// process; repeated ones are folded.
pub(crate) fn normalise(log: &str, calls: &[String], text: &dyn Fn(&str) -> String) -> String {
    let lines = whole_lines(log);
    let family = Family::of(&lines);
    let mut out: Vec<(String, usize)> = Vec::new();
    for (index, process) in family.order.iter().enumerate() {
        let theirs = lines.iter().filter(|line| family.process(line.pid) == *process);
        for line in theirs.filter(|line| line.is_one_of(calls)) {
            let line = format!("{} {}", letter_at(index), text(&family.hide(&line.text)));
            match out.last_mut() {
                Some((last, times)) if *last == line => *times += 1,
                _ => out.push((line, 1)),
            }
        }
    }
    out.iter().map(|(line, times)| folded(line, *times)).collect()
}

fn folded(line: &str, times: usize) -> String {
    match times {
        1 => format!("{line}\n"),
        n => format!("{line} ×{n}\n"),
    }
}

/// A call of a process or thread.
struct Line {
    pid: u32,
    text: String,
}

impl Line {
    fn name(&self) -> &str {
        self.text.split('(').next().unwrap_or("")
    }

    fn is_one_of(&self, calls: &[String]) -> bool {
        // A shell's search along PATH says something about the machine, nothing about the program.
        let search = self.name() == "execve" && self.text.contains(" ENOENT ");
        let thread = self.text.contains("CLONE_THREAD");
        !search && !thread && calls.iter().any(|call| call == self.name())
    }

    /// The process or thread that this call made.
    fn born(&self) -> Option<u32> {
        let birth = BIRTHS.contains(&self.name());
        birth.then(|| self.text.rsplit_once("= ")?.1.trim().parse().ok()).flatten()
    }
}

/// The log's calls, each in one piece, in the order in which they ended.
fn whole_lines(log: &str) -> Vec<Line> {
    let mut begun: HashMap<u32, String> = HashMap::new();
    let mut lines = Vec::new();
    for line in log.lines() {
        let Some((pid, rest)) = line.split_once(' ') else {
            continue;
        };
        let (Ok(pid), rest) = (pid.parse(), rest.trim_start()) else {
            continue;
        };
        let resumed = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>"));
        if let Some(start) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(pid, start.trim_end().to_string());
        } else if let Some((_, end)) = resumed {
            let start = begun.remove(&pid).unwrap_or_default();
            lines.push(Line { pid, text: format!("{start}{end}") });
        } else if !rest.starts_with(['+', '-']) {
            lines.push(Line { pid, text: rest.to_string() });
        }
    }
    lines
}

/// Who made whom.
struct Family {
    /// The process of each thread.
    threads: HashMap<u32, u32>,
    /// Each process after the one that made it, and before those that are made later.
    order: Vec<u32>,
}

impl Family {
    fn of(lines: &[Line]) -> Family {
        let mut family = Family { threads: HashMap::new(), order: Vec::new() };
        let births: Vec<(&Line, u32)> =
            lines.iter().filter_map(|line| Some((line, line.born()?))).collect();
        for (line, born) in births.iter().filter(|(line, _)| line.text.contains("CLONE_THREAD")) {
            family.threads.insert(*born, line.pid);
        }
        for line in lines {
            family.enter(family.process(line.pid), &births);
        }
        family
    }

    fn enter(&mut self, process: u32, births: &[(&Line, u32)]) {
        // A child may speak before the call that made it ends, so its parent is looked for first.
        let maker = births.iter().find(|(_, born)| *born == process);
        let maker = maker.map(|(line, _)| self.process(line.pid));
        if self.order.contains(&process) {
            return;
        }
        if let Some(maker) = maker.filter(|maker| !self.order.contains(maker)) {
            self.enter(maker, births);
        }
        if self.order.contains(&process) {
            return;
        }
        self.order.push(process);
        for (line, born) in births {
            let child = !self.threads.contains_key(born) && self.process(line.pid) == process;
            if child {
                self.enter(*born, births);
            }
        }
    }

    /// The process that a thread belongs to; threads are made by threads.
    fn process(&self, mut pid: u32) -> u32 {
        while let Some(maker) = self.threads.get(&pid) {
            pid = *maker;
        }
        pid
    }

    /// Descriptors, pids and addresses become `_`, processes of the log their letters; 0, 1, 2,
    /// modes and flags stay.
    fn hide(&self, line: &str) -> String {
        let line = ADDRESS.replace_all(line, "_");
        let line = NUMBER.replace_all(&line, |found: &Captures<'_>| {
            let process = found[0].parse().ok();
            let known = self.order.iter().position(|pid| Some(*pid) == process);
            known.map_or_else(|| "_".to_string(), |index| format!("pid {}", letter_at(index)))
        });
        // strace pads to a column that depends on the length of what was hidden.
        BLANKS.replace_all(&line, " = ").into_owned()
    }
}

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| regex(r"\b0x[0-9a-f]{5,}\b"));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| regex(r"\b([3-9]|[1-9][0-9]+)\b"));
static BLANKS: LazyLock<Regex> = LazyLock::new(|| regex(r"\s+= "));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns stand above and are tested")
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn a_log_becomes_the_calls_of_each_process() {
        let log = "\
900 clone(child_stack=0x7f5c1e3ff990, flags=CLONE_VM|CLONE_THREAD) = 901
900 unshare(CLONE_NEWNS <unfinished ...>
901 openat(AT_FDCWD, \"/etc\", O_RDONLY) = 3
900 <... unshare resumed>)            = 0
901 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>
950 mount(\"proc\", \"/proc/self/fd/7\", \"proc\", MS_NOSUID, NULL) = 0
901 <... clone resumed>) = 950
900 mkdir(\"x\", 0755) = -1 EEXIST (File exists)
950 mount(\"proc\", \"/proc/self/fd/8\", \"proc\", MS_NOSUID, NULL) = 0
950 execve(\"/usr/sbin/ls\", [\"ls\"], 0x7ffd00000000 /* 9 vars */) = -1 ENOENT (No such file)
950 +++ exited with 0 +++
";
        let calls = ["clone", "unshare", "mount", "mkdir", "execve"].map(String::from);
        let text = normalise(log, &calls, &|text| text.to_string());
        insta::assert_snapshot!(text, @r#"
        A unshare(CLONE_NEWNS) = 0
        A clone(child_stack=NULL, flags=SIGCHLD) = pid B
        A mkdir("x", 0755) = -1 EEXIST (File exists)
        B mount("proc", "/proc/self/fd/_", "proc", MS_NOSUID, NULL) = 0 ×2
        "#);
    }
}
