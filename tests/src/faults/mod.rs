//! What happens to a container when a request is refused, or a process killed in its place?
//!
//! For each command that changes something, every process of it and every request that it makes: once
//! with EPERM, once with the errno that is likeliest, once with that process killed, once with all of
//! them killed. Then it must be so:
//!
//! - it does not hang and does not panic;
//! - an error names the step, the call and the errno, or nothing went wrong: then what runs is what the
//!   configuration says, by its own account;
//! - `delete --force` succeeds, twice, and nothing is left: no process, cgroup, mount, state;
//! - the same name can be used again at once.
//!
//! [`mod@points`] is where it can be done, [`mod@trial`] is what is done there.

pub mod points;
pub mod tally;
pub mod trial;
mod verbs;

pub use points::{Point, points};
pub use tally::Tally;
pub use trial::attempt;
pub use verbs::{Before, VERBS, Verb};
