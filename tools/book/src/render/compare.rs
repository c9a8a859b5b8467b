//! `{{#compare NAME}}`: where do the professionals do the same as we, and where not?

use anyhow::{Result, ensure};
use similar::{Algorithm, DiffOp, capture_diff_slices};
use trace::{Event, Record};

use super::html::cell;
use crate::directive::Directive;
use crate::events::{letter, show};
use crate::sources::Sources;

/// One table for each program that stands beside ours.
pub(crate) fn render(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.allow_options(&[])?;
    let compare = sources.compare(directive.subject()?)?;
    let golden = sources.golden(&compare.ours)?;
    let ours = our_calls(&golden.events, &compare.calls);
    ensure!(!ours.is_empty(), "`{}` makes none of these calls", compare.ours);
    let mut out = String::new();
    for name in &compare.beside {
        let scene = sources.scene(name)?;
        let program = scene.run.first().map_or("", String::as_str);
        let theirs = their_calls(&sources.golden(name)?.calls, &compare.calls);
        ensure!(!theirs.is_empty(), "`{name}` makes none of these calls: is it a strace scene?");
        out.push_str(&table(program, &ours, &theirs));
    }
    Ok(out)
}

/// A call in a table: what it is aligned by, and what is shown.
#[derive(Clone)]
struct Call {
    name: String,
    /// The letter of the process that makes it.
    process: String,
    shown: String,
    step: String,
    /// How many more of the kind follow it.
    more: usize,
}

impl Call {
    /// The call up to its first comma: what calls of a series share.
    fn kind(&self) -> &str {
        self.shown.split(',').next().unwrap_or("")
    }

    fn cell(&self) -> String {
        let call = format!("{} {}", self.process, cell(&self.shown));
        match self.more {
            0 => call,
            n => format!("{call} and {n} more"),
        }
    }
}

fn our_calls(events: &[Event], calls: &[String]) -> Vec<Call> {
    let records = events.iter().filter_map(|event| match event {
        Event::Request(record) if calls.iter().any(|call| *call == record.call) => Some(record),
        _ => None,
    });
    folded(records.map(our_call).collect())
}

fn our_call(record: &Record) -> Call {
    let args: Vec<String> = record.args.iter().map(show).collect();
    Call {
        name: record.call.to_string(),
        process: letter(record.host_pid),
        shown: format!("{}({})", record.call, args.join(", ")),
        step: record.step.join(" › "),
        more: 0,
    }
}

fn their_calls(text: &str, calls: &[String]) -> Vec<Call> {
    let mut found = Vec::new();
    for line in text.lines() {
        // Behind the letter of its process.
        let Some((process, line)) = line.split_once(' ') else {
            continue;
        };
        let name = line.split('(').next().unwrap_or("");
        if calls.iter().any(|call| call == name) {
            let shown = line.strip_suffix(" = 0").unwrap_or(line).to_string();
            found.push(Call {
                name: name.to_string(),
                process: process.to_string(),
                shown,
                step: String::new(),
                more: 0,
            });
        }
    }
    folded(found)
}

/// From this many on, calls of one kind in a row are one row of the table.
const SERIES: usize = 3;

/// The calls, with series such as "drop this capability, drop that one" folded into their first.
fn folded(calls: Vec<Call>) -> Vec<Call> {
    let mut out: Vec<Call> = Vec::new();
    for series in calls
        .chunk_by(|a, b| a.kind() == b.kind() && (&a.step, &a.process) == (&b.step, &b.process))
    {
        let (shown, rest) =
            if series.len() < SERIES { (series, 0) } else { (&series[..1], series.len() - 1) };
        out.extend(shown.iter().cloned());
        if let (1.., Some(last)) = (rest, out.last_mut()) {
            last.more = rest;
        }
    }
    out
}

fn table(program: &str, ours: &[Call], theirs: &[Call]) -> String {
    let mut out = format!(
        "<div class=\"compare\">\n\n| our step | our request | {program} |\n|---|---|---|\n"
    );
    let names = |calls: &[Call]| -> Vec<String> {
        calls.iter().map(|call| family(&call.name).to_string()).collect()
    };
    for op in capture_diff_slices(Algorithm::Myers, &names(ours), &names(theirs)) {
        let (mine, yours) = (&ours[op.old_range()], &theirs[op.new_range()]);
        let together = matches!(op, DiffOp::Equal { .. });
        out.push_str(&rows(mine, yours, together));
    }
    out.push_str("\n</div>\n\n");
    out
}

/// Calls that stand beside each other although their names differ: they do the same in other words.
fn family(call: &str) -> &str {
    match call {
        "clone3" | "fork" | "vfork" => "clone",
        "umount2" => "umount",
        "waitid" | "waitpid" => "wait4",
        "mkdirat" => "mkdir",
        "execveat" => "execve",
        call => call,
    }
}

/// Rows in which the same call stands side by side, or each call in a row of its own.
fn rows(ours: &[Call], theirs: &[Call], together: bool) -> String {
    let row = |our: Option<&Call>, their: Option<&Call>| {
        let step = our.map_or("", |call| call.step.as_str());
        let shown = |call: Option<&Call>| call.map_or_else(|| "–".into(), Call::cell);
        format!("| {step} | {} | {} |\n", shown(our), shown(their))
    };
    match together {
        true => ours.iter().zip(theirs).map(|(our, their)| row(Some(our), Some(their))).collect(),
        false => {
            let mine = ours.iter().map(|our| row(Some(our), None));
            mine.chain(theirs.iter().map(|their| row(None, Some(their)))).collect()
        }
    }
}
