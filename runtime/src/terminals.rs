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
/// Somebody else shall take the terminal.
pub(crate) fn check_when_attended(socket: Option<&Path>) -> Result<()> {
    socket.map_or(Ok(()), |_| no_use())
}

fn no_use() -> Result<()> {
    refused("cannot use console socket if runtime will not detach or allocate tty")
}

fn refused(text: &str) -> Result<()> {
    Err(Error::Unusable(text.to_string()))
}
