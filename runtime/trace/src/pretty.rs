//! How does a trace look to a person?
//!
//! ```text
//! parent 23931 › make a child
//!   clone3({flags=CLONE_NEWUTS|CLONE_PIDFD, exit_signal=SIGCHLD}) = pid 23932
//!     to have a process with a name of its own                            312 µs
//! ```
//!
//! A head line when the process or the step changes, then two lines a request: what was asked and
//! answered, then why. Everything fits 80 columns or is broken where a reader would break it.

use std::fmt::Write;

use crate::{Arg, Event, Fate, Outcome, Record, StateChange, StepNote, Words};

/// What a card says of a primitive, and of one errno that it can end with.
pub type Explain = fn(primitive: &str, errno: Option<&str>) -> Option<String>;

/// The choices a reader has.
#[derive(Clone, Debug)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to colour. Colour never says anything that the words do not.
    pub colour: bool,
    /// Whether to show how long each request took.
    pub times: bool,
    /// Adds what the request is in general; the gate knows the cards, this floor does not.
    pub explain: Option<Explain>,
}

impl Style {
    /// The form for files: no colour, no times, no breaking of lines.
    pub fn plain() -> Style {
        Style { width: usize::MAX, colour: false, times: false, explain: None }
    }
}

/// Renders events one after the other. It remembers the last head line, so use one for one trace.
#[derive(Debug)]
pub struct Pretty {
    style: Style,
    head: Option<(Words, i32, Vec<Words>)>,
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

impl Pretty {
    /// A renderer that has shown nothing yet.
    pub fn new(style: Style) -> Pretty {
        Pretty { style, head: None }
    }

    /// `event` as lines, each with its line feed; the head line first where it changed.
    pub fn render(&mut self, event: &Event) -> String {
        let mut out = String::new();
        match event {
            Event::Request(record) => self.request(&mut out, record),
            Event::Step(note) => self.note(&mut out, note),
            Event::State(state) => self.state(&mut out, state),
        }
        out
    }

    fn request(&mut self, out: &mut String, record: &Record) {
        self.head_line(out, record);
        let asked = format!("{} {}", record.request(), record.outcome);
        let colour = match record.outcome {
            Outcome::Result(_) => GREEN,
            Outcome::Errno(_) => RED,
            Outcome::Refused(_) | Outcome::Pending(()) => YELLOW,
        };
        for line in break_lines(&asked, 2, 6, self.style.width) {
            self.line(out, colour, &line);
        }
        self.reason(out, record);
        self.explanation(out, record);
    }

    fn head_line(&mut self, out: &mut String, record: &Record) {
        let head = (record.role.clone(), record.host_pid, record.step.clone());
        if self.head.as_ref() == Some(&head) {
            return;
        }
        let process = process(record);
        let line = match record.step.is_empty() {
            true => process,
            false => format!("{process} › {}", record.step.join(" › ")),
        };
        self.line(out, BOLD, &line);
        self.head = Some(head);
    }

    /// The reason, with the time at the right edge where both fit on one line.
    fn reason(&self, out: &mut String, record: &Record) {
        let time = match self.style.times {
            true => format!("{} µs", record.micros),
            false => String::new(),
        };
        let room = self.style.width.saturating_sub(time.chars().count() + 1);
        let mut lines = break_lines(&format!("to {}", record.why), 4, 4, room);
        if let (true, Some(last)) = (self.style.times, lines.last_mut()) {
            let gap = room.saturating_sub(last.chars().count());
            let gap = if self.style.width == usize::MAX { 2 } else { gap + 1 };
            *last = format!("{last}{}{time}", " ".repeat(gap));
        }
        lines.iter().for_each(|line| self.line(out, DIM, line));
    }

    fn explanation(&self, out: &mut String, record: &Record) {
        let Some(explain) = self.style.explain else {
            return;
        };
        let Some(text) = explain(&record.primitive, record.outcome.errno()) else {
            return;
        };
        for line in text.lines().flat_map(|line| break_lines(line, 4, 6, self.style.width - 2)) {
            self.line(out, DIM, &format!("  │ {}", line.trim_start_matches("    ")));
        }
    }

    fn note(&mut self, out: &mut String, note: &StepNote) {
        self.head = None;
        let says = match note.fate {
            Fate::LeftOut => "left out, as you asked with --without",
            Fate::Empty => "made no request",
        };
        let line = format!("{} › {}: {says}", note.role, note.step.join(" › "));
        self.line(out, YELLOW, &line);
    }

    fn state(&mut self, out: &mut String, state: &StateChange) {
        let since = &state.since;
        if state.changes.is_empty() {
            return self.line(out, DIM, &format!("    seen from outside: nothing changed {since}"));
        }
        self.line(out, DIM, &format!("    seen from outside, {since}:"));
        for change in &state.changes {
            let text = change_text(&change.what, change.before.as_ref(), change.after.as_ref());
            for line in break_lines(&text, 6, 10, self.style.width) {
                self.line(out, YELLOW, &line);
            }
        }
    }

    fn line(&self, out: &mut String, colour: &str, text: &str) {
        let written = match self.style.colour {
            true => writeln!(out, "\x1b[{colour}m{text}\x1b[0m"),
            false => writeln!(out, "{text}"),
        };
        written.expect("writing to a String cannot fail");
    }
}

/// Who asks: `child 23932`, and `(1 inside)` where the process numbers itself in another way.
fn process(record: &Record) -> String {
    match record.pid == record.host_pid {
        true => format!("{} {}", record.role, record.host_pid),
        false => format!("{} {} ({} inside)", record.role, record.host_pid, record.pid),
    }
}

fn change_text(what: &Arg, before: Option<&Arg>, after: Option<&Arg>) -> String {
    match (before, after) {
        (Some(before), Some(after)) => format!("{what}: {before} → {after}"),
        (None, Some(after)) => format!("{what}: + {after}"),
        (Some(before), None) => format!("{what}: − {before}"),
        (None, None) => what.to_string(),
    }
}

/// Breaks `text` at blanks, and after `|` where that is not enough, so that each line has at most
/// `width` columns: `first` columns of indentation on the first line, `rest` on the others.
///
/// A word that is longer than a line stays whole: a path cut in two cannot be copied.
fn break_lines(text: &str, first: usize, rest: usize, width: usize) -> Vec<String> {
    let mut lines = vec![" ".repeat(first)];
    let mut used = first;
    let mut empty = true;
    for piece in text.split_inclusive([' ', '|']) {
        let columns = piece.trim_end().chars().count();
        if !empty && used + columns > width {
            lines.push(" ".repeat(rest));
            used = rest;
        }
        let line = lines.last_mut().expect("there is a line from the start");
        line.push_str(piece);
        used += piece.chars().count();
        empty = false;
    }
    lines.iter().map(|line| line.trim_end().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Pretty, Style, break_lines};
    use crate::{Arg, Event, Outcome, Record};

    fn record() -> Record {
        Record {
            seq: 1,
            role: "child".into(),
            pid: 1,
            host_pid: 4711,
            step: vec!["name the box".into()],
            call: "sethostname".into(),
            primitive: "sethostname".into(),
            args: vec![Arg::Text("box".into())],
            outcome: Outcome::Result(Arg::Number(0)),
            micros: 9,
            why: "be found under a name of our own".into(),
            source: "main.rs:7".into(),
            cleans_up: false,
        }
    }

    fn eighty() -> Style {
        Style { width: 80, colour: false, times: true, explain: None }
    }

    #[test]
    fn a_request_is_a_head_and_two_lines() {
        let text = Pretty::new(eighty()).render(&Event::Request(record()));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "child 4711 (1 inside) › name the box");
        assert_eq!(lines[1], "  sethostname(\"box\") = 0");
        assert!(lines[2].starts_with("    to be found under a name of our own"), "{text}");
        assert!(lines[2].ends_with(" 9 µs"), "{text}");
        assert_eq!(lines[2].chars().count(), 80);
    }

    #[test]
    fn the_head_is_not_repeated() {
        let mut pretty = Pretty::new(eighty());
        pretty.render(&Event::Request(record()));
        assert_eq!(pretty.render(&Event::Request(record())).lines().count(), 2);
    }

    #[test]
    fn colour_adds_codes_and_takes_no_words() {
        let plain = Pretty::new(Style::plain()).render(&Event::Request(record()));
        let style = Style { colour: true, ..Style::plain() };
        let coloured = Pretty::new(style).render(&Event::Request(record()));
        let mut stripped = String::new();
        for part in coloured.split('\u{1b}') {
            stripped.push_str(part.split_once('m').map_or(part, |(_, text)| text));
        }
        assert_eq!(stripped, plain);
    }

    #[test]
    fn long_lines_break_where_a_reader_would() {
        let flags = "clone3({flags=CLONE_NEWNS|CLONE_NEWPID|CLONE_NEWUTS}) = 0";
        let lines = break_lines(flags, 2, 6, 32);
        assert_eq!(lines[0], "  clone3({flags=CLONE_NEWNS|");
        assert!(lines.iter().all(|line| line.chars().count() <= 32), "{lines:?}");
    }
}
