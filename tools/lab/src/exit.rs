//! What does the number mean that `lab` hands back to the shell?
//!
//! The command's own exit code passes through. The codes above it are the ones that `sh`, `env`,
//! `timeout` and `docker run` use, so a script need not know that a machine was booted in between.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// The command took longer than `--timeout` (as in timeout(1)).
pub(crate) const TIMED_OUT: u8 = 124;
/// `lab` itself failed: nothing can be said about the command.
pub(crate) const LAB_FAILED: u8 = 125;
/// The command was found but cannot be executed.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub(crate) const NOT_FOUND: u8 = 127;
/// What the shell reports for a writer whose reader has gone: 128 + SIGPIPE.
pub(crate) const READER_GONE: u8 = 128 + 13;

/// The command's own code, or 128 + n if signal n ended it.
pub(crate) fn of_status(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        // Linux keeps eight bits of an exit code and numbers its signals from 1 to 64.
        (Some(code), _) => code as u8,
        (None, Some(signal)) => 128_u8.saturating_add(signal as u8),
        (None, None) => LAB_FAILED,
    }
}

/// Why a program could not be started, as a shell would say it.
pub(crate) fn of_refusal(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_pass_and_signals_are_added_to_128() {
        let wait_status = |raw| of_status(ExitStatus::from_raw(raw));
        assert_eq!(wait_status(0), 0);
        assert_eq!(wait_status(7 << 8), 7);
        assert_eq!(wait_status(255 << 8), 255);
        assert_eq!(wait_status(9), 137);
        assert_eq!(wait_status(15), 143);
    }

    #[test]
    fn a_missing_program_and_a_forbidden_one_differ() {
        assert_eq!(of_refusal(&io::Error::from(io::ErrorKind::NotFound)), 127);
        assert_eq!(of_refusal(&io::Error::from(io::ErrorKind::PermissionDenied)), 126);
        assert_eq!(of_refusal(&io::Error::from_raw_os_error(8)), 126);
    }
}
