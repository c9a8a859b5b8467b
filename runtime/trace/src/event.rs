//! What can stand in a trace: requests, what became of steps, and how the kernel's state changed.

use serde::{Deserialize, Serialize};

use crate::{Arg, Record, Words};

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A request to the kernel, with its result.
    Request(Record),
    /// A step that ended in another way than by making requests.
    Step(StepNote),
    /// What a request changed in the kernel, read from outside the process that made it.
    State(StateChange),
}

/// A step of which there is something to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepNote {
    /// The part that the process plays.
    pub role: Words,
    /// The process, as the one that has the window sees it.
    pub host_pid: i32,
    /// The step, below the steps that it belongs to.
    pub step: Vec<Words>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The reader left it out (`--without`).
    LeftOut,
    /// It ended well without one request: an intention that nothing followed.
    Empty,
}

/// How the kernel's view of one process differs from before its last request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateChange {
    /// The part that the process plays.
    pub role: Words,
    /// The process, as the one that has the window sees it.
    pub host_pid: i32,
    /// What is compared with: the same process before, or its parent when it is new.
    pub since: Words,
    /// What differs; empty when nothing does.
    pub changes: Vec<Change>,
}

impl Event {
    /// Sets the process that the event is of: the kernel knows better than the process itself.
    pub fn came_from(&mut self, pid: i32) {
        match self {
            Event::Request(record) => record.host_pid = pid,
            Event::Step(note) => note.host_pid = pid,
            Event::State(state) => state.host_pid = pid,
        }
    }

    /// The process that the event is of, as the one that has the window sees it.
    pub fn host_pid(&self) -> i32 {
        match self {
            Event::Request(record) => record.host_pid,
            Event::Step(note) => note.host_pid,
            Event::State(state) => state.host_pid,
        }
    }
}

/// One difference in the kernel's view of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What differs: `namespace uts`, `mount /proc`, `uid map`, `fd 5`.
    pub what: Arg,
    /// The value before, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Arg>,
    /// The value now, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Arg>,
}
