//! What do tests of images need? A registry that is real, and an image that is.

mod real;
mod registry;
mod trees;

pub use real::{NAME, layout, missing};
pub use registry::{PASSWORD, Registry, USER, Way};
pub use trees::{Entry, differences, entries};

use std::process::{Command, Output};

/// Runs a command to its end and gives what it wrote.
///
/// # Panics
/// When it cannot be started, or fails: its words are the message.
pub fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
