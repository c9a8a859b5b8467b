//! In which cgroups does the container live, and what do they hold it to?
//!
//! [`Cgroups::find`] says where they will be and changes nothing. What it gives goes into the state
//! of the container before the first of them is made, so that whoever comes after a crash finds them
//! all again. Then they are made, limited, entered, and at the end removed.
//!
//! A machine has cgroup v2, where one directory holds all limits, or v1, where each controller has a
//! hierarchy of its own and the container a directory in each. A hybrid machine is one of v1 that
//! has v2's tree as well, without controllers in it that matter.

mod below;
mod devices;
mod ebpf;
mod find;
mod freezer;
mod hierarchy;
mod inside;
mod kill;
mod limits;
mod make;
mod remove;
pub mod statistics;
mod systemd;
mod tree;
mod written_down;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use hierarchy::Hierarchy;
pub use inside::{Inside, InsideHierarchy};
pub use statistics::Statistics;
pub(crate) use written_down::cgroups_of;

/// Who makes the cgroups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// The runtime itself, by making directories.
    #[default]
    Files,
    /// systemd, when it is asked over D-Bus (`--systemd-cgroup`).
    Systemd,
}

/// The cgroups of one container: everything that is needed to find them again.
///
/// Without any, all that can be done with them does nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroups {
    /// Who makes them.
    driver: Driver,
    /// The directories in the hierarchies of v1; none on a machine with v2 alone.
    hierarchies: Vec<Hierarchy>,
    /// The directory in the tree of v2; on a hybrid machine one without controllers.
    unified: Option<Hierarchy>,
    /// What systemd has for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<systemd::Unit>,
}

impl Cgroups {
    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.hierarchies.is_empty() && self.unified.is_none()
    }

    /// Whether the limits are those of v2.
    pub(crate) fn is_v2(&self) -> bool {
        self.hierarchies.is_empty()
    }

    /// Every directory, as `runtime state` and engines want to know them: controllers and path.
    pub fn paths(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        self.all().map(|hierarchy| (hierarchy.controllers.as_str(), hierarchy.path()))
    }

    fn all(&self) -> impl DoubleEndedIterator<Item = &Hierarchy> {
        self.hierarchies.iter().chain(&self.unified)
    }

    /// The hierarchy with this controller.
    fn with(&self, controller: &str) -> Option<&Hierarchy> {
        match self.is_v2() {
            true => self.unified.as_ref(),
            false => self.hierarchies.iter().find(|hierarchy| hierarchy.has(controller)),
        }
    }
}

/// What is not in a file counts as nothing: a cgroup may go at any moment.
fn read(directory: &Path, file: &str) -> Option<String> {
    primitives::read_small(&directory.join(file)).ok()
}
