//! How does the log of a container runtime look, line by line?
//!
//! As runc writes it with logrus, because that is what engines read: `time="…" level=… msg="…"`, or an
//! object with these three fields.

use crate::{Event, Fate, Record};

/// A line as text.
pub fn text(level: &str, message: &str, time: &str) -> String {
    format!("time=\"{time}\" level={level} msg={}\n", quoted(message))
}

/// A line as JSON.
pub fn json(level: &str, message: &str, time: &str) -> String {
    let (level, message, time) = (encoded(level), encoded(message), encoded(time));
    format!("{{\"level\":{level},\"msg\":{message},\"time\":{time}}}\n")
}

fn encoded(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// As logrus: a word stands alone, all else in quotes.
fn quoted(message: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    match !message.is_empty() && message.chars().all(plain) {
        true => message.to_string(),
        false => encoded(message),
    }
}

/// An event in one line of words: who, in which step, what, what came of it, and why.
pub fn message(event: &Event) -> String {
    match event {
        Event::Request(record) => request(record),
        Event::Step(note) => {
            let step = note.step.last().map_or("", AsRef::as_ref);
            let fate = match note.fate {
                Fate::LeftOut => "left out",
                Fate::Empty => "made no request",
            };
            format!("{}: {step}: {fate}", note.role)
        }
        Event::State(state) => {
            format!("{}: {} changes were shown", state.role, state.changes.len())
        }
    }
}

fn request(record: &Record) -> String {
    let step = record.step.last().map_or(String::new(), |step| format!("{step}: "));
    let (role, request, outcome) = (&record.role, record.request(), &record.outcome);
    format!("{role}: {step}{request} {outcome} (to {})", record.why)
}

#[cfg(test)]
mod tests {
    use super::{json, text};

    #[test]
    fn lines_are_those_of_logrus() {
        let time = "2026-11-24T19:55:00Z";
        assert_eq!(
            text("error", "a b", time),
            format!("time=\"{time}\" level=error msg=\"a b\"\n")
        );
        assert_eq!(text("error", "a-b", time), format!("time=\"{time}\" level=error msg=a-b\n"));
        let line = json("error", "no \"x\"\n", time);
        assert_eq!(
            line,
            format!("{{\"level\":\"error\",\"msg\":\"no \\\"x\\\"\\n\",\"time\":\"{time}\"}}\n")
        );
    }
}
