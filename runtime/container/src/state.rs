//! In which state is a container, and what is told of it?

use std::path::Path;

use primitives::has_become_another;
use serde::Serialize;

use crate::store::{Container, Id};

/// runtime.md, "State": where a container is in its life. `paused` is runc's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is being made.
    Creating,
    /// It waits to be started.
    Created,
    /// Its program runs.
    Running,
    /// It is frozen.
    Paused,
    /// Its process has ended.
    Stopped,
}

impl Status {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

impl Container {
    /// In which state it is, by what the kernel says of its process.
    pub fn status(&self) -> Status {
        match self.remembered.init {
            None if self.folder.is_being_made() => Status::Creating,
            _ => self.status_when_locked(),
        }
    }

    /// As [`Container::status`], for who has the lock: so nobody else is making it, and to ask for the
    /// lock would give it up.
    pub(crate) fn status_when_locked(&self) -> Status {
        let Some(init) = self.remembered.init else { return Status::Stopped };
        if !init.lives() {
            return Status::Stopped;
        }
        // What was restored begins in the middle of its program.
        let begun = match self.remembered.restored {
            true => Some(self.folder.is_ready()),
            false => has_become_another(init.pid()),
        };
        match begun {
            Some(true) if self.remembered.cgroups.is_frozen() => Status::Paused,
            Some(true) => Status::Running,
            Some(false) if self.folder.is_ready() => Status::Created,
            Some(false) => Status::Creating,
            None => Status::Stopped,
        }
    }

    /// What is told of it.
    pub fn state(&self) -> State<'_> {
        let status = self.status();
        let known = self.remembered.init.filter(|_| status != Status::Stopped);
        State {
            oci_version: OCI_VERSION,
            id: &self.remembered.id,
            pid: known.map_or(0, |init| init.pid),
            status,
            bundle: &self.remembered.bundle,
            rootfs: &self.remembered.rootfs,
            created: &self.remembered.created,
            owner: "",
            annotations: &self.remembered.annotations,
        }
    }
}

/// The version of the specification whose words are used.
pub const OCI_VERSION: &str = "1.3.0";

/// What `state` prints: runtime.md, "State", and what runc adds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State<'a> {
    /// The version of the specification.
    pub oci_version: &'a str,
    /// The container's name.
    pub id: &'a Id,
    /// Its first process on the host; 0 when it has ended.
    pub pid: i32,
    /// Where it is in its life.
    pub status: Status,
    /// The directory it was made from.
    pub bundle: &'a Path,
    /// Its root directory on the host.
    pub rootfs: &'a Path,
    /// When it was made.
    pub created: &'a str,
    /// The name of who has made it, where runc knows one.
    pub owner: &'a str,
    /// What engines write for themselves.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub annotations: &'a std::collections::BTreeMap<String, String>,
}

/// What a hook is told: runtime.md, "State", without what is runc's.
pub(crate) fn for_hooks(
    id: &Id,
    status: Status,
    pid: i32,
    bundle: &Path,
    annotations: &std::collections::BTreeMap<String, String>,
) -> String {
    let state = serde_json::json!({
        "ociVersion": OCI_VERSION,
        "id": id,
        "status": status,
        "pid": pid,
        "bundle": bundle,
        "annotations": annotations,
    });
    state.to_string()
}
