//! Floor 1: what does a bundle's config.json ask for?
//!
//! [`read`] turns the text into a [`Plan`]: resolved, absolute, with every default filled in and every
//! rule of runtime-spec 1.3 for Linux checked that can be checked without a machine. Or it says
//! everything that is wrong, at once. Whoever acts on a plan never has to look at JSON again.
//!
//! Nothing here touches the machine: no file is read, no clock, no environment. The same text and the
//! same path give the same plan everywhere, which is how the tests can compare whole plans.
//!
//! The types of `oci-spec` stop at this crate. They hold a document as it is written; a plan holds
//! what is meant by it.

mod at;
mod block_io;
mod capabilities;
mod cgroup;
mod complaints;
mod devices;
mod hooks;
mod ids;
mod kernel;
mod lists;
mod mounts;
mod namespaces;
mod options;
mod paths;
mod plan;
mod process;
mod resources;
mod scheduling;
mod seccomp;
mod sysctl;

use std::path::Path;

use serde_json::Value;

pub use block_io::{BlockIo, DiskRate, DiskWeight};
pub use capabilities::{Capabilities, Capability};
pub use cgroup::{Cgroup, Place, Unified};
pub use complaints::{Complaint, Complaints, Remark};
pub use devices::{Device, DeviceRule, Link, Node, RuleKind};
pub use hooks::{Hook, Hooks};
pub use ids::{IdMaps, IdRange};
pub use kernel::{IntelRdt, NetworkDevice, Personality};
pub use lists::NumberList;
pub use mounts::{Mount, Owners, Propagation, What};
pub use namespaces::{Clock, KINDS, Kind, Namespaces, Origin, TimeOffset};
pub use options::{Attribute, Flag, Peers, mount_options};
pub use paths::GuardedPaths;
pub use plan::{Plan, Root};
pub use process::{Process, Rlimit, Terminal, User};
pub use resources::{Cpu, HugePages, InterfacePriority, Limit, Memory, Pids, Rdma};
pub use scheduling::{Affinity, IoPriority, MemoryPolicy, Scheduling};
pub use seccomp::{Action, Condition, Listener, Operator, Rule, Seccomp};
pub use sysctl::Sysctl;

/// A plan, and what was tolerated on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The plan.
    pub plan: Plan,
    /// What is odd about the configuration.
    pub remarks: Vec<Remark>,
}

/// Reads a config.json; `bundle` is the absolute path of the directory that it lies in.
///
/// # Errors
/// Everything that is wrong with it. Text that is no JSON gives one complaint, with line and column.
pub fn read(text: &[u8], bundle: &Path) -> Result<Reading, Complaints> {
    let value: Value =
        serde_json::from_slice(text).map_err(|error| Complaints::of_syntax(&error))?;
    let notes = complaints::Notes::default();
    let plan = plan::plan(&at::At::document(&value, &notes), bundle);
    let (plan, remarks) = notes.judge(plan)?;
    Ok(Reading { plan, remarks })
}
