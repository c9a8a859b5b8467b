//! Bytes through a connected socket, to a process that is not of ours.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use trace::Arg;

use crate::call;
use crate::error::Result;
use crate::gate::perform;

/// Sends bytes through a connected socket; shown is what they ask for.
///
/// - man: send(2)
/// - since: Linux 1.0
/// - EPIPE: the other end is closed
#[track_caller]
pub fn send_bytes(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    asked: &str,
    why: &'static str,
) -> Result<()> {
    let shown = Arg::Text(asked.to_string());
    perform(call!("sendto" as "send_bytes", socket, shown), why, || {
        // A message is no longer than the socket's buffer, so that it goes in one piece.
        match send(socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL)? {
            sent if sent == bytes.len() => Ok(()),
            _ => Err(Errno::EMSGSIZE),
        }
    })
}
