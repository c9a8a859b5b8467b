//! How is a canonical trace, or a part of it, shown?

use std::fmt::{self, Display, Formatter};

use anyhow::{Result, ensure};
use trace::{Arg, Change, Event, Outcome, Pretty, Record, StateChange, Style, Words};

use crate::canon::FIRST;
use crate::directive::Directive;

/// The name of a process by its canonical number: `A` is the first one.
pub(crate) fn letter(canonical: i32) -> String {
    letter_at(usize::try_from(canonical - FIRST).unwrap_or_default())
}

/// The name of the process that appeared after `index` others.
pub(crate) fn letter_at(index: usize) -> String {
    let name = char::from(b'A' + u8::try_from(index % 26).unwrap_or_default());
    match index / 26 {
        0 => name.to_string(),
        round => format!("{name}{round}"),
    }
}

/// A canonical value as the golden form writes it.
pub(crate) fn show(arg: &Arg) -> String {
    hide(arg).to_string()
}

/// A canonical value that prints as the golden form writes it, also where it is part of another.
fn hide(arg: &Arg) -> Arg {
    match arg {
        Arg::Pid(pid) if *pid >= FIRST => Arg::Hidden(format!("pid {}", letter(*pid))),
        Arg::ProcPath { pid, file } if *pid >= FIRST => {
            Arg::Hidden(format!("\"/proc/{}/{file}\"", letter(*pid)))
        }
        Arg::Object { kind, inode } => Arg::Hidden(format!("{kind}:[#{inode}]")),
        Arg::IdMap(lines) => {
            let lines: Vec<_> = lines.iter().map(|[a, _, n]| format!("{a} _ {n}")).collect();
            Arg::Hidden(format!("\"{}\"", lines.join("\\n")))
        }
        Arg::List(items) => Arg::List(items.iter().map(hide).collect()),
        Arg::Fields(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), hide(value)));
            Arg::Fields(fields.collect())
        }
        other => other.clone(),
    }
}

/// The events as lines of JSON.
pub(crate) fn to_lines(events: &[Event]) -> String {
    events.iter().map(|event| trace::json::line(event) + "\n").collect()
}

/// The golden form of canonical events: the text that [`trace::golden`] gives of the run itself.
///
/// Not by `trace::golden`, because that names things in the order in which it meets them, and in a
/// part of a trace that is another order than in the whole.
pub(crate) fn text(events: &[&Event]) -> String {
    let mut pretty = Pretty::new(Style::plain());
    let mut out = String::new();
    for event in events {
        let text = pretty.render(&shown(event));
        out.push_str(&name_process(&text, event.host_pid()));
    }
    out
}

/// The event with each value as the golden form writes it.
fn shown(event: &Event) -> Event {
    match event {
        Event::Request(record) => Event::Request(Record {
            args: record.args.iter().map(hide).collect(),
            outcome: match &record.outcome {
                Outcome::Result(value) => Outcome::Result(hide(value)),
                other => other.clone(),
            },
            ..record.clone()
        }),
        Event::State(state) => {
            let changes = state.changes.iter().map(|change| Change {
                what: hide(&change.what),
                before: change.before.as_ref().map(hide),
                after: change.after.as_ref().map(hide),
            });
            Event::State(StateChange { changes: changes.collect(), ..state.clone() })
        }
        Event::Step(note) => Event::Step(note.clone()),
    }
}

/// Puts the letter in place of the number in a head line, the first line if there is one.
fn name_process(text: &str, host_pid: i32) -> String {
    let (head, rest) = text.split_at(head_end(text));
    head.replacen(&format!(" {host_pid}"), &format!(" {}", letter(host_pid)), 1) + rest
}

/// Where the name of the process ends: 0 in lines that are no head.
fn head_end(text: &str) -> usize {
    match text.starts_with(' ') {
        true => 0,
        false => text.find(['›', '\n']).unwrap_or(text.len()),
    }
}

/// Which part of a trace a directive asks for.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    step: Option<String>,
    call: Option<String>,
    first: Option<usize>,
}

impl Selection {
    /// The options that [`Selection::of`] reads.
    pub(crate) const OPTIONS: [&'static str; 3] = ["step", "call", "first"];

    /// What `directive` asks for with `step`, `call` and `first`.
    pub(crate) fn of(directive: &Directive) -> Result<Selection> {
        let first = directive.option("first").map(str::parse).transpose();
        Ok(Selection {
            step: directive.option("step").map(str::to_string),
            call: directive.option("call").map(str::to_string),
            first: first.map_err(|_| anyhow::anyhow!("`first` is a number"))?,
        })
    }

    /// The events asked for, states with the request that they follow.
    ///
    /// # Errors
    /// When there are none: a directive that shows nothing is a mistake.
    pub(crate) fn pick<'a>(&self, events: &'a [Event]) -> Result<Vec<&'a Event>> {
        let mut wanted = false;
        let mut picked: Vec<&Event> = Vec::new();
        for event in events {
            match event {
                Event::Request(record) => wanted = self.wants(&record.step, Some(&record.call)),
                Event::Step(note) => wanted = self.wants(&note.step, None),
                Event::State(_) => {}
            }
            let full = self.first.is_some_and(|first| requests(&picked) >= first);
            wanted &= !full || matches!(event, Event::State(_));
            if wanted {
                picked.push(event);
            }
        }
        ensure!(!picked.is_empty(), "the trace has nothing of the kind ({self:?})");
        Ok(picked)
    }

    fn wants(&self, step: &[Words], call: Option<&str>) -> bool {
        let in_step = |name: &String| step.iter().any(|words| words == name.as_str());
        self.step.as_ref().is_none_or(in_step)
            && self.call.as_ref().is_none_or(|name| call == Some(name.as_str()))
    }
}

impl Display for Selection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let first = self.first.map(|first| first.to_string());
        let options = [("step", &self.step), ("call", &self.call), ("first", &first)];
        let given = options.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let given: Vec<String> = given.map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        f.write_str(&given.join(" "))
    }
}

/// How many of `events` are requests or notes about steps.
pub(crate) fn requests(events: &[&Event]) -> usize {
    events.iter().filter(|event| !matches!(event, Event::State(_))).count()
}
