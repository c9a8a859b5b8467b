//! How do the other processes reach the one that has the window?
//!
//! Over one packet socket that all of them inherit. A packet carries a report or a question; with
//! each the kernel says which process sent it, by the number it has out here. A question brings the
//! socket on which its answer is awaited, because all ends of the wire itself are shared.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixCredentials, recvmsg, send, sendmsg, setsockopt, socketpair, sockopt,
};
use serde::{Deserialize, Serialize};
use trace::{Event, Record};

use crate::descriptors::out_of_the_way;
use crate::signals;

/// What another process sends to the one that has the window.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// Something happened in the sender itself.
    Mine(Event),
    /// The sender is about to make these requests, the last of them an execve, after which it can say
    /// nothing; so many filters it has so far.
    Announce { token: u64, records: Vec<Record>, filters: Option<u32> },
    /// The line to one that announced itself is closed: did it become another program?
    Closed { token: u64 },
    /// May this request be made? `named` when a break point asked for the stop.
    Ask { record: Record, named: bool },
}

/// The answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Go,
    Refuse(i32),
    Abort,
}

/// A packet that arrived.
pub(crate) struct Arrived {
    pub(crate) message: Message,
    /// The sender as this process numbers it; the kernel says so, the sender cannot.
    pub(crate) sender: i32,
    /// Where a question wants its answer.
    pub(crate) reply_to: Option<OwnedFd>,
}

/// The largest packet: what a socket takes at once with the kernel's default buffer.
const LARGEST: usize = 208 * 1024;

/// Both ends of the wire: to read from, and to be inherited.
pub(crate) fn wire() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (read, write) = packet_pair()?;
    setsockopt(&read, sockopt::PassCred, &true)?;
    Ok((out_of_the_way(read)?, out_of_the_way(write)?))
}

/// A connected pair of packet sockets that no program we run inherits.
pub(crate) fn packet_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// Sends a message without waiting for an answer.
pub(crate) fn tell(wire: BorrowedFd<'_>, message: &Message) -> Result<(), Errno> {
    sendmsg::<()>(
        wire.as_raw_fd(),
        &[IoSlice::new(&encode(message))],
        &[],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}

/// Asks, and waits for the answer; `Abort` when there is nobody left to give one.
pub(crate) fn ask(wire: BorrowedFd<'_>, message: &Message) -> Result<Answer, Errno> {
    let (mine, theirs) = packet_pair()?;
    // The reader is about to look at this process: what it sees should be the program's own.
    let (mine, theirs) = (out_of_the_way(mine)?, out_of_the_way(theirs)?);
    let rights = [theirs.as_raw_fd()];
    sendmsg::<()>(
        wire.as_raw_fd(),
        &[IoSlice::new(&encode(message))],
        &[ControlMessage::ScmRights(&rights)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    drop(theirs);
    let packet = receive(mine.as_fd(), 256)?;
    Ok(serde_json::from_slice(&packet).unwrap_or(Answer::Abort))
}

/// Answers a question. The one who asked may be dead by now, which is no concern of ours.
pub(crate) fn answer(reply_to: &OwnedFd, answer: Answer) {
    let _ = send(reply_to.as_raw_fd(), &encode(&answer), MsgFlags::MSG_NOSIGNAL);
}

/// Room for a packet, made once: to fill it with zeros for each would take longer than all the rest.
pub(crate) fn room() -> Vec<u8> {
    vec![0; LARGEST]
}

/// Takes the next packet from the wire; `None` when every other end is closed.
pub(crate) fn next(wire: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Option<Arrived>, Errno> {
    let mut control = cmsg_space!(UnixCredentials, std::os::fd::RawFd);
    let (length, sender, reply_to) = {
        let mut slices = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let packet = recvmsg::<()>(wire.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
        let mut sender = 0;
        let mut reply_to = None;
        for item in packet.cmsgs()? {
            match item {
                ControlMessageOwned::ScmCredentials(who) => sender = who.pid(),
                ControlMessageOwned::ScmRights(fds) => {
                    // SAFETY: the kernel has just opened these descriptors for us, nobody else has them.
                    reply_to = fds.first().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) });
                }
                _ => {}
            }
        }
        (packet.bytes, sender, reply_to)
    };
    if length == 0 {
        return Ok(None);
    }
    let message = serde_json::from_slice(&buffer[..length]).map_err(|_| Errno::EBADMSG)?;
    Ok(Some(Arrived { message, sender, reply_to }))
}

/// Receives one packet, of which `most` bytes are kept, going on after a signal; none when the other end
/// is closed.
///
/// The room for it is not filled with zeros first: of 128 KiB the kernel would have to make each page
/// for that, and a packet touches one.
pub(crate) fn receive(socket: BorrowedFd<'_>, most: usize) -> Result<Vec<u8>, Errno> {
    let mut packet: Vec<u8> = Vec::with_capacity(most);
    loop {
        signals::sleep_until_readable(socket);
        let room = packet.as_mut_ptr();
        // SAFETY: the vector has room for `most` bytes, and nobody else knows of it.
        let received = unsafe { libc::recv(socket.as_raw_fd(), room.cast(), most, 0) };
        match Errno::result(received) {
            Err(Errno::EINTR) => signals::look(),
            // A reset says that the other end went without reading all; what it had sent is still here.
            Err(Errno::ECONNRESET) => {}
            Err(errno) => return Err(errno),
            Ok(length) => {
                // SAFETY: the kernel has just written so many bytes, which are at most `most`.
                unsafe { packet.set_len(length.unsigned_abs()) };
                return Ok(packet);
            }
        }
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("messages hold only text, numbers and lists")
}
