//! Does somebody sit at the container's terminal?
//!
//! As in runc: a command that leaves must be told who takes the terminal, and one that stays takes it
//! itself. Else the terminal would be nobody's, and who writes to it would wait for ever.

use std::path::Path;

use bundle::{Process, Terminal};
use primitives::{Error, Result};

/// For a command that ends before the container does.
///
/// # Errors
/// There is a terminal and nobody to take it, or somebody and no terminal.
pub(crate) fn check_when_left(process: &Process, socket: Option<&Path>) -> Result<()> {
    match (process.terminal == Terminal::None, socket) {
        (false, None) => {
            refused("cannot allocate tty if runtime will detach without setting console socket")
        }
        (true, Some(_)) => no_use(),
        _ => Ok(()),
    }
}

/// For a command that waits for the container's end.
///
/// # Errors
/// Somebody else shall take the terminal, or nobody can sit in front of it.
pub(crate) fn check_when_attended(process: &Process, socket: Option<&Path>) -> Result<()> {
    if socket.is_some() {
        return no_use();
    }
    let has_one = (0..=2).any(primitives::is_terminal);
    match process.terminal == Terminal::None || has_one {
        true => Ok(()),
        false => refused(
            "the process wants a terminal, and this command has none to put it behind: set \
             \"terminal\" to false in config.json, or use --detach and --console-socket",
        ),
    }
}

fn no_use() -> Result<()> {
    refused("cannot use console socket if runtime will not detach or allocate tty")
}

fn refused(text: &str) -> Result<()> {
    Err(Error::Unusable(text.to_string()))
}
