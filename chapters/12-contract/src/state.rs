//! In which state is a container?
//!
//! It is written nowhere. A state in a file would be wrong as soon as the program ends, because nobody
//! is there to change the file. So it is asked of the kernel, each time.

use std::path::Path;

use primitives::has_become_another;
use serde_json::{Value, json};

use crate::store::{Container, Id};

/// runtime.md, "State": where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// A command is at work on it.
    Creating,
    /// It waits behind its door.
    Created,
    /// Its program runs.
    Running,
    /// Its process has ended.
    Stopped,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Stopped => "stopped",
        }
    }
}

impl Container {
    // ANCHOR: status
    /// Where the container is in its life, by what the kernel says of its process.
    pub(crate) fn status(&self) -> Status {
        let is_being_made = self.remembered.maker.is_some_and(|maker| maker.lives());
        let Some(init) = self.remembered.init else {
            return if is_being_made { Status::Creating } else { Status::Stopped };
        };
        match has_become_another(init.pid()).filter(|_| init.lives()) {
            None => Status::Stopped,
            Some(true) => Status::Running,
            Some(false) if self.folder.has_door() => Status::Created,
            Some(false) => Status::Creating,
        }
    }
    // ANCHOR_END: status
}

/// What is told of a container, in the words of the specification.
pub(crate) fn of(container: &Container) -> String {
    let remembered = &container.remembered;
    let status = container.status();
    let init = remembered.init.filter(|_| status != Status::Stopped);
    let told = told(&remembered.id, status, init.map_or(0, |init| init.pid), &remembered.bundle);
    serde_json::to_string_pretty(&told).expect("words and numbers")
}

/// The same, for who builds the container and knows it already.
pub(crate) fn told(id: &Id, status: Status, pid: i32, bundle: &Path) -> Value {
    json!({
        "ociVersion": "1.3.0",
        "id": id,
        "status": status.word(),
        "pid": pid,
        "bundle": bundle,
    })
}
