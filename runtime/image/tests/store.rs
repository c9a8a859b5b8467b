//! Does the store keep what it promises, also to other tools, against hostile archives, and when it is
//! killed at any request?

#![expect(clippy::disallowed_methods, reason = "the tests watch from outside of the window")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up fails the test")]

#[path = "store/bench.rs"]
mod bench;
#[path = "store/docker.rs"]
mod docker;
#[path = "store/hostile.rs"]
mod hostile;
#[path = "store/interrupted.rs"]
mod interrupted;
#[path = "store/keeping.rs"]
mod keeping;
#[path = "store/rootless.rs"]
mod rootless;
#[path = "store/samples.rs"]
mod samples;
#[path = "store/shaken.rs"]
mod shaken;
#[path = "store/together.rs"]
mod together;
#[path = "store/tools.rs"]
mod tools;
#[path = "store/truth.rs"]
mod truth;
