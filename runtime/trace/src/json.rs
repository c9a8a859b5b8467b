//! How does an event look as a line of JSON?
//!
//! Each event is one line, an object. Version 1, the only one so far:
//!
//! | key | type | meaning |
//! |---|---|---|
//! | `v` | number | version of this format: 1 |
//! | `kind` | text | `request`, `step` or `state` |
//!
//! A `request` has, besides:
//!
//! | key | type | meaning |
//! |---|---|---|
//! | `seq` | number | place in the trace, from 1 |
//! | `role` | text | the part the process plays |
//! | `pid`, `host_pid` | number | the process as it sees itself, and as the first process sees it |
//! | `step` | list of text | the steps it belongs to, outermost first |
//! | `call` | text | the request under its name in the man page |
//! | `cleans_up` | true | it cleans up, so it cannot be refused; not there otherwise |
//! | `primitive` | text | the function of `primitives` that made it |
//! | `args` | list of values | its arguments |
//! | one of `result`, `errno`, `refused`, `pending` | value; text; text; null | what came of it: see [`Outcome`](crate::Outcome) |
//! | `micros` | number | how long it took, in microseconds |
//! | `why` | text | why the program asked: completes "we do this to …" |
//! | `source` | text | the line of the program that asked, `file:line` |
//!
//! A `step` has `role`, `host_pid`, `step` and `fate` (`left_out` or `empty`). A `state` has `role`, `host_pid`,
//! `since` and `changes`, a list of objects with `what` and, where there is one, `before` and
//! `after`, all three values.
//!
//! A *value* is an object with one key, its type: see [`Arg`](crate::Arg). Readers should pass over
//! keys and kinds that they do not know: only a change of meaning makes a new version.

use serde::{Deserialize, Serialize};

use crate::Event;

/// The version that [`line()`] writes.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
struct Out<'a> {
    v: u32,
    #[serde(flatten)]
    event: &'a Event,
}

#[derive(Deserialize)]
struct In {
    v: u32,
    #[serde(flatten)]
    event: Event,
}

/// `event` as one line of JSON, without the line feed.
pub fn line(event: &Event) -> String {
    serde_json::to_string(&Out { v: VERSION, event })
        .expect("an event holds only text, numbers and lists, and all of them have a JSON form")
}

/// The event that a line of JSON stands for.
///
/// # Errors
/// Says what is wrong when the line is not JSON, not an event, or of another version.
pub fn parse(line: &str) -> Result<Event, String> {
    let read: In = serde_json::from_str(line).map_err(|e| format!("not a trace line: {e}"))?;
    if read.v != VERSION {
        return Err(format!("version {} of the trace format, this reads {VERSION}", read.v));
    }
    Ok(read.event)
}

/// All events of a trace file.
///
/// # Errors
/// As [`parse`], with the number of the line in front.
pub fn parse_all(text: &str) -> Result<Vec<Event>, String> {
    let numbered = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    numbered.map(|(n, line)| parse(line).map_err(|e| format!("line {}: {e}", n + 1))).collect()
}
