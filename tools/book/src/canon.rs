//! What of a trace is kept in the repository?
//!
//! The *canonical* form of a trace is still a list of events, so that figures can be drawn from it,
//! but it is the same in every run: in the order of [`trace::order`], without processes that were
//! killed half-way, and with small numbers in place of those that the kernel chose. Processes count
//! from 100 and namespaces from 1, in the order in which [`trace::golden`] meets them, so that both
//! give them the same names. Times are 0 and lines of source files are left out.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use similar::TextDiff;
use trace::{Arg, Change, Event, Outcome, Record, StateChange, StepNote, Words};

use crate::events::{self, letter};

/// The number of the first process. Those below 10 are pids inside a namespace, and are shown
/// as they are.
pub(crate) const FIRST: i32 = 100;

/// Remembers which number stands for which process or object.
#[derive(Debug, Default)]
pub(crate) struct Canon {
    pids: HashMap<i32, i32>,
    objects: HashMap<(String, u64), u64>,
}

impl Canon {
    /// The canonical form of a whole trace. `text` hides what a scene says differs in text and paths.
    ///
    /// # Errors
    /// When it does not say the same as [`trace::golden`] says of the run itself.
    pub(crate) fn of(
        events: &[Event],
        text: &dyn Fn(&str) -> String,
    ) -> Result<(Canon, Vec<Event>)> {
        let told = trace::golden::told(events);
        let mut canon = Canon::default();
        // First who is who, by requests alone as in `trace::golden`; then everything else.
        for event in &told {
            if !matches!(event, Event::Step(_)) {
                canon.event(event, &str::to_string);
            }
        }
        let plain: Vec<Event> =
            told.iter().map(|event| canon.event(event, &str::to_string)).collect();
        let ours = events::text(&plain.iter().collect::<Vec<_>>());
        let theirs = trace::golden::text(events);
        ensure!(ours == theirs, "canon.rs and trace::golden differ:\n{}", unified(&theirs, &ours));
        let mut kept: Vec<Event> = told.iter().map(|event| canon.event(event, text)).collect();
        number(&mut kept);
        Ok((canon, kept))
    }

    fn event(&mut self, event: &Event, text: &dyn Fn(&str) -> String) -> Event {
        match event {
            Event::Request(record) => Event::Request(self.record(record, text)),
            Event::Step(note) => {
                Event::Step(StepNote { host_pid: self.pid(note.host_pid), ..note.clone() })
            }
            Event::State(state) => Event::State(self.state(state, text)),
        }
    }

    /// The letter of a process that was seen in the trace.
    pub(crate) fn letter_of(&self, pid: i32) -> Option<String> {
        self.pids.get(&pid).map(|canonical| letter(*canonical))
    }

    /// The number of an object among those of its kind, new ones included.
    pub(crate) fn object(&mut self, kind: &str, inode: u64) -> u64 {
        let next = 1 + self.objects.keys().filter(|(other, _)| other == kind).count() as u64;
        *self.objects.entry((kind.to_string(), inode)).or_insert(next)
    }

    /// Goes through a record in the order of `trace::golden`, or the letters would not agree.
    fn record(&mut self, record: &Record, text: &dyn Fn(&str) -> String) -> Record {
        let host_pid = self.pid(record.host_pid);
        let pid = match record.pid == record.host_pid {
            true => host_pid,
            false => self.inside(record.pid),
        };
        Record {
            host_pid,
            pid,
            args: record.args.iter().map(|arg| self.arg(arg, text)).collect(),
            outcome: match &record.outcome {
                Outcome::Result(value) => Outcome::Result(self.arg(value, text)),
                other => other.clone(),
            },
            micros: 0,
            source: without_line(&record.source),
            cleans_up: false,
            ..record.clone()
        }
    }

    fn state(&mut self, state: &StateChange, text: &dyn Fn(&str) -> String) -> StateChange {
        let changes = state.changes.iter().map(|change| Change {
            what: self.arg(&change.what, text),
            before: change.before.as_ref().map(|arg| self.arg(arg, text)),
            after: change.after.as_ref().map(|arg| self.arg(arg, text)),
        });
        let changes = changes.collect();
        let host_pid = self.pid(state.host_pid);
        StateChange { changes, host_pid, ..state.clone() }
    }

    fn arg(&mut self, arg: &Arg, text: &dyn Fn(&str) -> String) -> Arg {
        match arg {
            Arg::Text(value) => Arg::Text(text(value)),
            Arg::Path(value) => Arg::Path(text(value)),
            Arg::Word(value) => Arg::Word(text(value)),
            Arg::Pid(pid) => Arg::Pid(self.inside(*pid)),
            Arg::ProcPath { pid, file } => {
                Arg::ProcPath { pid: self.inside(*pid), file: file.clone() }
            }
            // Where on this machine the program was is nobody's business.
            Arg::CgroupPath { mount, file, .. } => {
                Arg::CgroupPath { mount: mount.clone(), own: "…".into(), file: file.clone() }
            }
            Arg::Fd(fd) if *fd > 2 => Arg::Hidden("fd _".into()),
            Arg::FdPath { fd, file } if *fd > 2 => {
                let file = if file.is_empty() { String::new() } else { format!("/{file}") };
                Arg::Hidden(format!("\"/proc/self/fd/_{file}\""))
            }
            Arg::Data(_) => Arg::Hidden("<… bytes>".into()),
            Arg::Object { kind, inode } => {
                Arg::Object { kind: kind.clone(), inode: self.object(kind, *inode) }
            }
            Arg::IdMap(lines) => {
                Arg::IdMap(lines.iter().map(|[inside, _, count]| [*inside, 0, *count]).collect())
            }
            Arg::List(items) => Arg::List(items.iter().map(|arg| self.arg(arg, text)).collect()),
            Arg::Fields(fields) => {
                let fields = fields.iter().map(|(name, arg)| (name.clone(), self.arg(arg, text)));
                Arg::Fields(fields.collect())
            }
            other => other.clone(),
        }
    }

    /// Small pids come from a new pid namespace, where they are the same in each run.
    fn inside(&mut self, pid: i32) -> i32 {
        match pid {
            ..=9 => pid,
            _ => self.pid(pid),
        }
    }

    fn pid(&mut self, pid: i32) -> i32 {
        let next = FIRST + i32::try_from(self.pids.len()).unwrap_or(i32::MAX - FIRST);
        *self.pids.entry(pid).or_insert(next)
    }
}

/// `main.rs:12` without the line: it changes with every line above it.
fn without_line(source: &Words) -> Words {
    match source.rsplit_once(':') {
        Some((file, line)) if line.parse::<u32>().is_ok() => file.to_string().into(),
        _ => source.clone(),
    }
}

fn unified(before: &str, now: &str) -> String {
    TextDiff::from_lines(before, now).unified_diff().context_radius(2).to_string()
}

/// Numbers the requests anew: the order is not that of the run any more.
fn number(events: &mut [Event]) {
    let mut seq = 0;
    for event in events {
        if let Event::Request(record) = event {
            seq += 1;
            record.seq = seq;
        }
    }
}

#[cfg(test)]
mod tests {
    use trace::{Arg, Event, Outcome, Record};

    use super::Canon;

    fn request(
        seq: u64,
        host_pid: i32,
        pid: i32,
        call: &'static str,
        arg: Arg,
        result: Arg,
    ) -> Event {
        Event::Request(Record {
            seq,
            role: "child".into(),
            pid,
            host_pid,
            step: vec!["try it".into()],
            call: call.into(),
            primitive: call.into(),
            args: vec![Arg::Fields(vec![("value".into(), arg)])],
            outcome: Outcome::Result(result),
            micros: seq,
            why: "see".into(),
            source: "x.rs:1".into(),
            cleans_up: false,
        })
    }

    /// A run in which a parent and its child speak in this order, with these pids.
    fn run(parent: i32, child: i32, child_first: bool) -> Vec<Event> {
        let uts = Arg::Object { kind: "uts".into(), inode: 4_000_000_000 + child as u64 };
        let birth = request(1, parent, parent, "clone3", Arg::Fd(child), Arg::Pid(child));
        let map = Arg::ProcPath { pid: child, file: "uid_map".into() };
        let ours = request(2, parent, parent, "write", map, Arg::Number(0));
        let theirs = request(3, child, 1, "setns", uts, Arg::Number(0));
        match child_first {
            true => vec![birth, theirs, ours],
            false => vec![birth, ours, theirs],
        }
    }

    fn canonical(events: &[Event]) -> Vec<Event> {
        Canon::of(events, &str::to_string).unwrap().1
    }

    #[test]
    fn another_run_has_the_same_form() {
        let one = canonical(&run(500, 501, false));
        assert_eq!(one, canonical(&run(31000, 12, true)));
        insta::assert_snapshot!(crate::events::to_lines(&one));
    }

    #[test]
    fn the_form_of_a_form_is_itself() {
        let one = canonical(&run(500, 501, true));
        assert_eq!(one, canonical(&one));
    }
}
