//! Packets between this process and a program that it starts, where the program speaks a language of its
//! own: criu's is protobuf.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};
use trace::Arg;

use crate::args::{ToArg, Word, fields};
use crate::call;
use crate::error::Result;
use crate::gate::{Shown, perform};
use crate::process::pidfd_open;
use crate::spawn::Child;

/// Both ends of a way for packets.
#[derive(Debug)]
pub struct Ends {
    /// The one that stays.
    pub ours: OwnedFd,
    /// The one for the program.
    pub theirs: OwnedFd,
}

impl Shown for Ends {
    fn shown(&self) -> Arg {
        fields([("ours", self.ours.to_arg()), ("theirs", self.theirs.to_arg())])
    }
}

/// Makes two sockets that are connected to each other, and keep the bounds of what is sent. The kernel
/// tells each side who has made the pair (`SO_PEERCRED`).
///
/// - man: socketpair(2), unix(7)
/// - since: Linux 2.6.4 for packets that keep their bounds
/// - EMFILE: this process has too many open files: see `ulimit -n`
#[track_caller]
pub fn packet_pair(why: &'static str) -> Result<Ends> {
    let kind = Word("SOCK_SEQPACKET|SOCK_CLOEXEC");
    let call = call!("socketpair" as "packet_pair", Word("AF_UNIX"), kind, 0);
    perform(call, why, || {
        let (kind, flags) = (SockType::SeqPacket, SockFlag::SOCK_CLOEXEC);
        let (ours, theirs) = socketpair(AddressFamily::Unix, kind, None, flags)?;
        Ok(Ends { ours, theirs })
    })
}

/// Sends one packet, in one piece; `said` is what is in it, in words.
///
/// - man: send(2), unix(7)
/// - since: Linux 2.6.4 for packets that keep their bounds
/// - EPIPE: the program has ended
/// - EMSGSIZE: it is longer than the socket's buffer
#[track_caller]
pub fn send_packet(
    socket: BorrowedFd<'_>,
    packet: &[u8],
    said: &str,
    why: &'static str,
) -> Result<()> {
    let shown = Arg::Text(said.to_string());
    perform(call!("sendto" as "send_packet", socket, shown), why, || {
        let sent = send(socket.as_raw_fd(), packet, MsgFlags::MSG_NOSIGNAL)?;
        if sent == packet.len() { Ok(sent) } else { Err(Errno::EMSGSIZE) }
    })
    .map(drop)
}

impl Child {
    /// Takes a process as a child that another program has made for this one: a child of ours by
    /// `CLONE_PARENT`. Like any other it is ended when this value is dropped.
    ///
    /// # Errors
    /// Those of [`pidfd_open`].
    #[track_caller]
    pub fn adopt(role: &'static str, pid: nix::unistd::Pid, why: &'static str) -> Result<Child> {
        let pidfd = Some(pidfd_open(pid, why)?);
        Ok(Child { pid, pidfd, line: None, role, execve: None, ended: None })
    }
}

/// A copy of a descriptor that this process was given by whoever has started it; none when it was given no
/// such one.
pub fn inherited_fd(number: i32) -> Option<OwnedFd> {
    use nix::fcntl::{FcntlArg, fcntl};
    // SAFETY: the descriptor is only borrowed for the one call, which fails where it is not open.
    let given = unsafe { BorrowedFd::borrow_raw(number.max(0)) };
    let copy = fcntl(given, FcntlArg::F_DUPFD_CLOEXEC(0)).ok().filter(|_| number >= 0)?;
    // SAFETY: the kernel has just made this descriptor for us, nobody else has it.
    Some(unsafe { std::os::fd::FromRawFd::from_raw_fd(copy) })
}

/// All processes that a process has made, and those that they have made. Asking changes nothing.
pub fn descendants_of(pid: nix::unistd::Pid) -> Vec<nix::unistd::Pid> {
    crate::process::descendants(pid)
}

/// Which mount an open file lies in, by its number in `/proc/PID/mountinfo`. Asking changes nothing.
pub fn mount_of(file: BorrowedFd<'_>) -> Option<u64> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let seen = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    (seen.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(seen.stx_mnt_id)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::{mount_of, packet_pair, send_packet};
    use crate::hand_over::receive_fds;

    #[test]
    fn packets_keep_their_bounds() {
        let ends = packet_pair("try it").unwrap();
        for packet in [&b"one"[..], b"and another"] {
            send_packet(ends.ours.as_fd(), packet, "a word", "try it").unwrap();
        }
        let heard = || receive_fds(ends.theirs.as_fd(), "try it").unwrap().0;
        assert_eq!((heard(), heard()), (b"one".to_vec(), b"and another".to_vec()));
    }

    #[test]
    fn a_file_lies_in_a_mount_of_the_table() {
        let file = std::fs::File::open("/").unwrap();
        let number = mount_of(file.as_fd()).unwrap();
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(table.lines().any(|line| line.starts_with(&format!("{number} "))));
    }
}
