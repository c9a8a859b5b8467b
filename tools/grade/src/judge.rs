//! What does a trace prove?
//!
//! That a request was made, when its record has a result: one that was refused has an errno, and
//! counts for nothing. And that it was made before another one, but only when something made the
//! other wait: that two processes happened to be in the right order this time is luck.

use std::collections::HashMap;

use trace::{Arg, Event, Kin, Outcome, Record, json, order};

use crate::run::Run;
use crate::verdict::{Criterion, criterion};

/// The requests of a run, in the order of [`order::canonical`].
#[derive(Debug, Default)]
pub(crate) struct Trace {
    records: Vec<Record>,
    kin: Kin,
    /// For each record those that it had to wait for.
    causes: Vec<Vec<usize>>,
}

impl Trace {
    /// Reads a trace file.
    pub(crate) fn parse(text: &str) -> Result<Trace, String> {
        Ok(Trace::new(&json::parse_all(text)?))
    }

    pub(crate) fn new(events: &[Event]) -> Trace {
        let records: Vec<Record> = order::canonical(events)
            .into_iter()
            .filter_map(|event| match event {
                Event::Request(record) => Some(record),
                Event::Step(_) | Event::State(_) => None,
            })
            .collect();
        let kin = Kin::of(events);
        let causes = causes(&records, &kin);
        Trace { records, kin, causes }
    }

    /// Whether nothing was asked of the kernel.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The requests of this name that succeeded, by their places in the trace.
    pub(crate) fn done<'a>(&'a self, call: &'a str) -> impl Iterator<Item = usize> + 'a {
        let succeeded = move |at: &usize| {
            let record = &self.records[*at];
            record.call == call && record.outcome.is_success()
        };
        (0..self.records.len()).filter(succeeded)
    }

    pub(crate) fn at(&self, place: usize) -> &Record {
        &self.records[place]
    }

    /// Whether the process is the one that was started, and not one that it made.
    pub(crate) fn is_first(&self, process: i32) -> bool {
        self.records.first().is_some_and(|first| first.host_pid == process)
    }

    /// Whether something made the later request wait until the earlier one was done.
    pub(crate) fn before(&self, earlier: usize, later: usize) -> bool {
        let mut open = vec![later];
        let mut known = vec![false; self.records.len()];
        while let Some(place) = open.pop() {
            if std::mem::replace(&mut known[place], true) {
                continue;
            }
            open.extend(&self.causes[place]);
        }
        earlier != later && known[earlier]
    }

    /// Where a process became the program with these arguments.
    pub(crate) fn became(&self, words: &[String]) -> Option<usize> {
        let wanted = words.iter().cloned().map(Arg::Text).collect();
        let wanted = Some(&Arg::List(wanted));
        self.done("execve").find(|at| self.records[*at].args.get(1) == wanted)
    }

    /// Where processes were made: those by which `clone3` or `fork` gave a child, with its number out
    /// here, whatever pid namespace it was born in.
    pub(crate) fn births(&self) -> impl Iterator<Item = (usize, i32)> + '_ {
        let child = |at: usize| child_of(&self.records[at], &self.kin);
        (0..self.records.len()).filter_map(move |at| Some((at, child(at)?)))
    }

    /// Where something was written into a file of `/proc/PID` of this name.
    pub(crate) fn writes<'a>(&'a self, file: &'a str) -> impl Iterator<Item = usize> + 'a {
        let into = |record: &Record| match record.args.first() {
            Some(Arg::ProcPath { file, .. } | Arg::Path(file)) => {
                file.rsplit('/').next().unwrap_or_default().to_string()
            }
            _ => String::new(),
        };
        self.done("write").filter(move |at| into(&self.records[*at]) == file)
    }

    /// The exit statuses that were taken, as shells give them, with whose they were: by the number out
    /// here, or by the one that the taker has for a process of which nothing else is known.
    pub(crate) fn taken(&self) -> Vec<(i32, u8)> {
        let ended = |at: usize| {
            let record = &self.records[at];
            let (number, code) = ended(record)?;
            Some((self.kin.outside(record.host_pid, number).unwrap_or(number), code))
        };
        self.done("waitid").filter_map(ended).collect()
    }
}

/// The child that a request has made, by its number out here.
fn child_of(record: &Record, kin: &Kin) -> Option<i32> {
    match (record.call.as_ref(), &record.outcome) {
        ("clone3" | "fork", Outcome::Result(Arg::Pid(child))) => {
            kin.outside(record.host_pid, *child)
        }
        _ => None,
    }
}

/// Whose status a `waitid` has taken, and which one it was.
fn ended(record: &Record) -> Option<(i32, u8)> {
    let Outcome::Result(Arg::Fields(fields)) = &record.outcome else {
        return None;
    };
    let field = |wanted: &str| {
        let mut named = fields.iter().filter(|(name, _)| name == wanted);
        named.next().map(|(_, value)| value)
    };
    let Some(Arg::Pid(pid)) = field("si_pid") else {
        return None;
    };
    match (field("exited"), field("killed")) {
        (Some(Arg::Number(code)), _) => Some((*pid, u8::try_from(*code).ok()?)),
        (_, Some(Arg::Word(name))) => {
            let signal: primitives::Signal = name.parse().ok()?;
            Some((*pid, 128 + u8::try_from(signal as i32).ok()?))
        }
        _ => None,
    }
}

/// What each record had to wait for: the one before it in its process, the birth of the process,
/// the last one of a process whose status it takes, and the message that it waits for.
fn causes(records: &[Record], kin: &Kin) -> Vec<Vec<usize>> {
    let mut causes = vec![Vec::new(); records.len()];
    let mut lists: HashMap<i32, Vec<usize>> = HashMap::new();
    for (at, record) in records.iter().enumerate() {
        let list = lists.entry(record.host_pid).or_default();
        causes[at].extend(list.last());
        list.push(at);
    }
    for (at, record) in records.iter().enumerate() {
        if let Some((number, _)) = ended(record) {
            let pid = kin.outside(record.host_pid, number);
            causes[at].extend(pid.and_then(|pid| lists.get(&pid)?.last()));
        }
        let Some(child) = child_of(record, kin) else {
            continue;
        };
        // Of a child that was never heard of there is nothing to put in order.
        let Some(of_child) = lists.get(&child) else {
            continue;
        };
        causes[of_child[0]].push(at);
        let of_parent: Vec<usize> =
            lists[&record.host_pid].iter().copied().filter(|later| *later > at).collect();
        pass_on(records, &of_parent, "release", of_child, "wait", &mut causes);
        pass_on(records, of_child, "arrive", &of_parent, "meet", &mut causes);
    }
    causes
}

/// The nth message that one process sent is what the other one waited for when it waited the nth
/// time. With several children that all wait this cannot tell their messages apart.
fn pass_on(
    records: &[Record],
    from: &[usize],
    sends: &str,
    to: &[usize],
    waits: &str,
    causes: &mut [Vec<usize>],
) {
    let those = |list: &[usize], primitive: &str| -> Vec<usize> {
        let matches =
            |at: &usize| records[*at].primitive == primitive && records[*at].outcome.is_success();
        list.iter().copied().filter(matches).collect()
    };
    for (sent, waited) in those(from, sends).into_iter().zip(those(to, waits)) {
        causes[waited].push(sent);
    }
}

/// The program that was to be run was run, in a process that was made for it.
pub(crate) fn in_a_child(run: &Run) -> Criterion {
    let what = "CMD runs in a process of its own";
    let Some(at) = run.trace.became(&run.command) else {
        return criterion(what, false, || {
            "no execve of CMD succeeded in the trace, so CMD never ran".to_string()
        });
    };
    let process = run.trace.at(at).host_pid;
    criterion(what, !run.trace.is_first(process), || {
        "your program itself became CMD, so nobody was left to watch over it".to_string()
    })
}

/// The status of the program was taken.
pub(crate) fn status_taken(run: &Run, code: u8) -> Criterion {
    let what = "the exit status of CMD is taken";
    let process = run.trace.became(&run.command).map(|at| run.trace.at(at).host_pid);
    let taken = run.trace.taken();
    let met = process.is_some_and(|pid| taken.contains(&(pid, code)));
    criterion(what, met, || match process {
        None => "CMD never ran".to_string(),
        Some(_) => "no waitid in the trace has taken it".to_string(),
    })
}

/// The learner's program ended as it should.
pub(crate) fn ended_with(run: &Run, what: impl Into<String>, code: u8) -> Criterion {
    criterion(what, run.code == Some(code), || match run.code {
        Some(other) => format!("expected {code}, your program ended with {other}"),
        None => format!("expected {code}, your program did not end within ten seconds"),
    })
}

/// Nobody was left behind.
pub(crate) fn nothing_left(run: &Run) -> Criterion {
    criterion("no process is left behind", run.left == 0, || {
        format!("{} still there when your program had ended", count(run.left))
    })
}

fn count(processes: usize) -> String {
    match processes {
        1 => "1 process was".to_string(),
        many => format!("{many} processes were"),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
pub(crate) mod tests;
