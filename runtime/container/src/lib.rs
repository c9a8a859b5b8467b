//! Floor 2: what is a container, from the first request to the last?
//!
//! Each command is one function that reads as a list of named steps: [`create()`] and, on the other side
//! of the line, `init`; [`start()`], [`kill()`], [`delete()`], [`exec()`]. What a container needs from one
//! command to the next lies in its folder ([`store`]), written before the first effect, so that
//! whatever was killed half-way can be found again and cleaned up.
//!
//! One thread, no images, no network but what the kernel has.

pub mod cgroup;
mod checkpoint;
mod console;
mod create;
mod criu;
mod delete;
mod exec;
pub mod hooks;
mod init;
mod join;
mod kill;
mod network_devices;
pub mod process;
mod resctrl;
mod restore;
pub mod root;
mod start;
pub mod state;
pub mod store;
mod sysctl;
pub mod terminal;
mod wanted;

pub use checkpoint::{Checkpoint, checkpoint};
pub use create::{Created, create, run};
pub use criu::{CgroupMode, Manner};
pub use delete::delete;
pub use exec::{Exec, exec};
pub use kill::{kill, kill_all};
pub use restore::{Restore, restore};
pub use start::start;
pub use state::{State, Status};
pub use store::{Container, Id, Store};
pub use wanted::{Options, Wanted};
