//! What do all tests of the workspace need?
//!
//! They run the programs as a reader would, and look at what comes out: the exit code, the output,
//! the trace, and what is left on the machine. The [`catalogue`] is the list of all programs; every
//! kind of test goes over all of it, so a new subcommand is tested in every way as soon as it is
//! listed there.

pub mod bundles;
pub mod catalogue;
pub mod conformance;
pub mod engines;
pub mod faults;
pub mod images;
pub mod leftovers;
pub mod places;
pub mod programs;
pub mod pty;
pub mod running;
pub mod strace;
pub mod suite;
pub mod truth;
