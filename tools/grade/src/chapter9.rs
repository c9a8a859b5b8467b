//! Chapter 9: what is the program still capable of?

use std::fs;

use anyhow::Result;
use primitives::{Capabilities, CapabilityState, Pid, capabilities_of};
use trace::Arg;

use crate::bench::{Bench, Check};
use crate::chapter1::{NEVER_SEEN, judged};
use crate::judge::{Trace, ended_with, in_a_child, nothing_left, status_taken};
use crate::run::{Folder, Launch, Run};
use crate::seen::Seen;
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[root_of_little, nobody_with_one, whose_limit, nothing_at_all];

/// Capabilities that no program needs in order to start, wait and end.
const HARMLESS: [&str; 6] = [
    "CAP_NET_RAW",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_TIME",
    "CAP_MKNOD",
    "CAP_AUDIT_WRITE",
    "CAP_SYS_CHROOT",
];

/// What was seen of a run, besides what every run shows.
struct Watched {
    run: Run,
    code: u8,
    state: Option<CapabilityState>,
}

/// Runs the program, and reads the five sets of what it runs.
fn watched(bench: &mut Bench, options: &[&str]) -> Result<Watched> {
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let options = options.iter().map(|option| option.to_string()).collect();
    let launch = Launch::new(&bench.program, options, bench.here(&folder, code));
    let mut state = None;
    let run = launch.run_and(&folder, |seen| {
        state = capabilities_of(Some(Pid::from_raw(seen.pid))).ok();
    })?;
    Ok(Watched { run, code, state })
}

impl Watched {
    fn judged(self, criteria: Vec<Criterion>) -> Verdict {
        let mut all = vec![in_a_child(&self.run)];
        all.extend(criteria);
        all.extend([
            status_taken(&self.run, self.code),
            ended_with(&self.run, "your program ends with the exit code of CMD", self.code),
            nothing_left(&self.run),
        ]);
        judged(all, &self.run)
    }

    /// One of the sets is what it shall be.
    fn has(
        &self,
        name: &str,
        set: impl Fn(&CapabilityState) -> Capabilities,
        wanted: Capabilities,
    ) -> Criterion {
        let found = self.state.as_ref().map(set);
        let what = format!("{name} in CMD: {wanted}");
        criterion(what, found == Some(wanted), || match found {
            Some(found) => format!("it is: {found}"),
            None => NEVER_SEEN.to_string(),
        })
    }

    fn is_user(&self, inside: u32) -> Criterion {
        let found = self.run.seen.as_ref().map(|seen| seen.said.uid);
        criterion(format!("CMD finds that it is user {inside}"), found == Some(inside), || {
            found.map_or(NEVER_SEEN.to_string(), |found| format!("it finds that it is {found}"))
        })
    }
}

fn set(names: &[&str]) -> Capabilities {
    let sets = names.iter().filter_map(|name| Capabilities::named(name));
    sets.fold(Capabilities::NONE, Capabilities::and)
}

/// 9.1: user 0 has some capabilities, and can have no others.
pub(crate) fn root_of_little(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let first = *bench.chance.one_of(&HARMLESS);
    let others = bench.chance.some_of(&HARMLESS).into_iter().filter(|name| *name != first);
    let names: Vec<&str> = [first].into_iter().chain(others).collect();
    let wanted = set(&names);
    let seen = watched(bench, &["--keep", &names.join(",")])?;
    let criteria = vec![
        seen.is_user(0),
        seen.has("permitted", |state| state.sets.permitted, wanted),
        seen.has("effective", |state| state.sets.effective, wanted),
        seen.has("the bounding set", |state| state.bounding, wanted),
        seen.has("inheritable", |state| state.sets.inheritable, Capabilities::NONE),
    ];
    Ok(seen.judged(criteria))
}

/// 9.2: an ordinary user has one.
pub(crate) fn nobody_with_one(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let name = *bench.chance.one_of(&HARMLESS);
    let user = bench.chance.number(1..=60_000);
    let wanted = set(&[name]);
    let seen = watched(bench, &["--user", &user.to_string(), "--keep", name])?;
    let criteria = vec![
        seen.is_user(user),
        seen.has("permitted", |state| state.sets.permitted, wanted),
        seen.has("effective", |state| state.sets.effective, wanted),
        seen.has("ambient", |state| state.ambient, wanted),
    ];
    Ok(seen.judged(criteria))
}

/// 9.3: the program is limited, and who watches it is not.
pub(crate) fn whose_limit(bench: &mut Bench) -> Result<Verdict> {
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let files = bench.chance.number(40..=200).to_string();
    let options = vec!["--files".to_string(), files.clone()];
    let launch = Launch::new(&bench.program, options, bench.here(&folder, code));
    let mut found = None;
    let run = launch.run_and(&folder, |seen| found = Some(limits_of_both(seen)))?;
    let (program, parent) = found.unwrap_or_default();
    let wanted = format!("{files} {files}");
    let ours = open_files("self");
    let criteria = vec![
        criterion(format!("CMD may have {files} files open"), program == wanted, || {
            unlimited(&program, "soft and hard, they are")
        }),
        criterion("your program itself keeps its limits", parent == ours, || {
            unlimited(&parent, &format!("they were {ours}, soft and hard, and are"))
        }),
    ];
    let seen = Watched { run, code, state: None };
    Ok(seen.judged(criteria))
}

fn unlimited(found: &str, words: &str) -> String {
    if found.is_empty() { NEVER_SEEN.to_string() } else { format!("{words} {found}") }
}

fn limits_of_both(seen: &Seen) -> (String, String) {
    let status = fs::read_to_string(format!("/proc/{}/status", seen.pid)).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap_or_default();
    (open_files(&seen.pid.to_string()), open_files(parent.trim()))
}

/// The soft and the hard limit of open files of a process.
fn open_files(process: &str) -> String {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().take(2).collect();
    words.join(" ")
}

/// 9.4: gives up everything, in an order that the kernel takes.
pub(crate) fn nothing_at_all(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let seen = watched(bench, &[])?;
    let none = Capabilities::NONE;
    let closed = seen.state.as_ref().is_some_and(|state| state.no_new_privs);
    let criteria = vec![
        seen.is_user(0),
        seen.has("permitted", |state| state.sets.permitted, none),
        seen.has("inheritable", |state| state.sets.inheritable, none),
        seen.has("the bounding set", |state| state.bounding, none),
        criterion("execve gives CMD no new privileges", closed, || match seen.state {
            Some(_) => "NoNewPrivs in its status is 0".to_string(),
            None => NEVER_SEEN.to_string(),
        }),
        no_better_than_others(&seen.run.trace),
    ];
    Ok(seen.judged(criteria))
}

fn no_better_than_others(trace: &Trace) -> Criterion {
    let both = |arg: &Arg| {
        let words = arg.to_string();
        ["SECBIT_NOROOT", "SECBIT_NOROOT_LOCKED"]
            .iter()
            .all(|bit| words.split('|').any(|word| word == *bit))
    };
    let met = trace.done("prctl").any(|at| {
        let record = trace.at(at);
        record.primitive == "prctl_set_securebits" && record.args.get(1).is_some_and(both)
    });
    criterion("being user 0 is no use any more, and that is locked", met, || {
        "no request in the trace that the kernel took says so".to_string()
    })
}
