//! Floor 2: what is a container, from the first request to the last?
//!
//! Each command is one function that reads as a list of named steps.

pub mod cgroup;
pub mod hooks;
pub mod process;
pub mod root;
pub mod terminal;
