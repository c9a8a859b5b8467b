//! Floor 0: what does a request to the kernel look like when it is written down?
//!
//! A [`Record`] is one request with its result. It is the same value on the terminal
//! ([`Pretty`]), in a file ([`json`]), on the wire between two processes, in a golden file
//! ([`golden`]) and in the book. Nothing here makes a request itself.
//!
//! Events travel through `tracing`: [`emit`] makes one `tracing` event of each, and the layers of
//! [`layers`] decide what is shown and where.

mod arg;
mod emit;
mod event;
pub mod golden;
pub mod json;
mod kin;
pub mod layers;
pub mod log;
pub mod order;
mod pretty;
mod record;

pub use arg::{Arg, escape};
pub use emit::{current, emit};
pub use event::{Change, Event, Fate, StateChange, StepNote};
pub use kin::Kin;
pub use pretty::{Explain, Pretty, Style};
pub use record::{Outcome, Record, Request, Words};
