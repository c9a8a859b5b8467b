//! `{{#timeline SCENE}}`: which process asked for what, in which order, and who started whom?

use anyhow::{Result, ensure};
use trace::{Arg, Event, Fate, Outcome, Record, StepNote};

use super::html::id;
use super::svg;
use crate::directive::Directive;
use crate::events::{Selection, letter};
use crate::sources::Sources;

/// Everything that the drawing shows.
pub(super) struct Figure {
    /// Unique on a page, as long as a scene is drawn there once.
    pub(super) id: String,
    pub(super) title: String,
    pub(super) lanes: Vec<Lane>,
    pub(super) rows: Vec<Row>,
}

/// A process.
pub(super) struct Lane {
    /// Its number in the canonical trace.
    pid: i32,
    /// `A parent`, `B child (1 inside)`.
    pub(super) name: String,
}

/// One request, or several of the same kind.
pub(super) struct Row {
    pub(super) lane: usize,
    /// The step, where it is another than that of the row before.
    pub(super) step: Option<String>,
    pub(super) mark: Mark,
    pub(super) call: String,
    pub(super) times: usize,
    pub(super) arrow: Option<Arrow>,
}

/// How a request looks: each has a form of its own, because colour alone tells some readers nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Done,
    /// Another program from here on.
    Exec,
    /// The errno.
    Refused(String),
    /// A step that was left out, or that did nothing.
    Missing,
}

/// What ties two lanes together at a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrow {
    /// This row's request started the process of that lane.
    Starts(usize),
    /// This row's request learned of the end of the process of that lane.
    Ends(usize),
}

/// The figure of a scene, as SVG inside HTML.
pub(crate) fn render(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.allow_options(&Selection::OPTIONS)?;
    let name = directive.subject()?;
    let golden = sources.golden(name)?;
    let picked = Selection::of(directive)?.pick(&golden.events)?;
    let figure = figure(name, &picked);
    ensure!(!figure.rows.is_empty(), "`{name}` has nothing to draw");
    Ok(svg::draw(&figure))
}

fn figure(name: &str, events: &[&Event]) -> Figure {
    let mut figure = Figure {
        id: id("timeline", name),
        title: format!("What each process of {name} asks the kernel for, in order"),
        lanes: Vec::new(),
        rows: Vec::new(),
    };
    let mut last: Option<(usize, String)> = None;
    for event in events {
        let row = match event {
            Event::Request(record) => figure.request(record, &mut last),
            Event::Step(note) => figure.note(note, &mut last),
            Event::State(_) => None,
        };
        figure.rows.extend(row);
    }
    figure
}

impl Figure {
    /// A row for `record`; `None` when it is folded into the row before.
    fn request(&mut self, record: &Record, last: &mut Option<(usize, String)>) -> Option<Row> {
        let lane = self.lane(record.host_pid);
        self.name_lane(lane, record);
        let step = self.step(lane, record.step.join(" › "), last);
        let (mark, arrow) = (mark(record), self.arrow(record, lane));
        let again = self.rows.last_mut().filter(|row| {
            let same = row.lane == lane && row.call == record.call && row.mark == mark;
            same && step.is_none() && arrow.is_none() && row.arrow.is_none()
        });
        if let Some(row) = again {
            row.times += 1;
            return None;
        }
        Some(Row { lane, step, mark, call: record.call.to_string(), times: 1, arrow })
    }

    /// A row for a step that made no request, in the lane of the process that plays the part.
    fn note(&mut self, note: &StepNote, last: &mut Option<(usize, String)>) -> Option<Row> {
        let lane = self.lanes.iter().position(|lane| lane.pid == note.host_pid).unwrap_or_default();
        if self.lanes.is_empty() {
            return None;
        }
        let step = self.step(lane, note.step.join(" › "), last);
        let call = match note.fate {
            Fate::LeftOut => "left out",
            Fate::Empty => "no request",
        };
        let call = call.to_string();
        Some(Row { lane, step, mark: Mark::Missing, call, times: 1, arrow: None })
    }

    /// The step's name where it is new.
    fn step(
        &self,
        lane: usize,
        step: String,
        last: &mut Option<(usize, String)>,
    ) -> Option<String> {
        let now = Some((lane, step.clone()));
        if *last == now {
            return None;
        }
        *last = now;
        Some(step).filter(|step| !step.is_empty())
    }

    fn lane(&mut self, pid: i32) -> usize {
        if let Some(index) = self.lanes.iter().position(|lane| lane.pid == pid) {
            return index;
        }
        self.lanes.push(Lane { pid, name: letter(pid) });
        self.lanes.len() - 1
    }

    /// A lane has its letter from the start, and its role from its first request.
    fn name_lane(&mut self, lane: usize, record: &Record) {
        let letter = letter(record.host_pid);
        self.lanes[lane].name = match record.pid == record.host_pid {
            true => format!("{letter} {}", record.role),
            false => format!("{letter} {} ({} inside)", record.role, record.pid),
        };
    }

    fn arrow(&mut self, record: &Record, lane: usize) -> Option<Arrow> {
        let Outcome::Result(result) = &record.outcome else {
            return None;
        };
        match record.call.as_ref() {
            "clone" | "clone3" | "fork" | "vfork" => {
                let child = self.lane(pid_in(result)?);
                (child != lane).then_some(Arrow::Starts(child))
            }
            "waitid" | "wait4" | "waitpid" => {
                let pid = pid_in(result).or_else(|| record.args.iter().find_map(pid_in))?;
                let child = self.lanes.iter().position(|lane| lane.pid == pid)?;
                (child != lane).then_some(Arrow::Ends(child))
            }
            _ => None,
        }
    }
}

/// The first process that a value names.
fn pid_in(arg: &Arg) -> Option<i32> {
    match arg {
        Arg::Pid(pid) => Some(*pid),
        Arg::List(items) => items.iter().find_map(pid_in),
        Arg::Fields(fields) => fields.iter().find_map(|(_, value)| pid_in(value)),
        _ => None,
    }
}

fn mark(record: &Record) -> Mark {
    match record.outcome.errno() {
        Some(errno) => Mark::Refused(errno.to_string()),
        None if record.call.starts_with("execve") => Mark::Exec,
        None => Mark::Done,
    }
}
