//! Two who talk over a network: a door, a call through it, a few words.

use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, SockaddrIn, bind, connect, listen, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use trace::Arg;

use crate::args::{fields, word};
use crate::call;
use crate::error::Result;
use crate::gate::perform;

/// How long a call may go without an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Opens a door: a socket that others can call at this address. It belongs to the network namespace
/// that this process is in now, also when the process goes elsewhere.
///
/// - man: bind(2), listen(2), ip(7)
/// - since: Linux 1.0
/// - EADDRINUSE: somebody listens there already
/// - EADDRNOTAVAIL: no device of this network namespace has this address
/// - EACCES: for ports below net.ipv4.ip_unprivileged_port_start (1024) this needs CAP_NET_BIND_SERVICE
#[track_caller]
pub fn tcp_listen(address: SocketAddrV4, why: &'static str) -> Result<OwnedFd> {
    perform(call!("bind" as "tcp_listen", shown(address)), why, || {
        let door = new_socket()?;
        setsockopt(&door, sockopt::ReuseAddr, &true)?;
        bind(door.as_raw_fd(), &SockaddrIn::from(address))?;
        listen(&door, Backlog::new(16)?)?;
        Ok(door)
    })
}

/// Calls somebody at this address. The kernel of who listens answers by itself, before anybody there
/// has looked.
///
/// - man: connect(2), tcp(7)
/// - since: Linux 1.0
/// - ECONNREFUSED: nobody listens at this port there
/// - ENETUNREACH: this network namespace has no route to this address
/// - EHOSTUNREACH: nobody on this wire has the address
/// - EINPROGRESS: there was no answer for two seconds: packets are lost on the way
#[track_caller]
pub fn tcp_connect(address: SocketAddrV4, why: &'static str) -> Result<OwnedFd> {
    perform(call!("connect" as "tcp_connect", shown(address)), why, || {
        let call = new_socket()?;
        let patience = TimeVal::new(PATIENCE.as_secs().cast_signed(), 0);
        setsockopt(&call, sockopt::SendTimeout, &patience)?;
        connect(call.as_raw_fd(), &SockaddrIn::from(address))?;
        Ok(call)
    })
}

/// Says a few words to who is at the other end.
///
/// - man: send(2)
/// - since: Linux 1.0
/// - EPIPE: the other end is closed
/// - ECONNRESET: the other end has hung up without listening
#[track_caller]
pub fn tcp_send(to: BorrowedFd<'_>, text: &str, why: &'static str) -> Result<()> {
    perform(call!("sendto" as "tcp_send", to, text), why, || {
        // A few words fit into the buffer of a socket that nothing was said to yet.
        send(to.as_raw_fd(), text.as_bytes(), MsgFlags::MSG_NOSIGNAL)
    })
    .map(drop)
}

fn new_socket() -> std::result::Result<OwnedFd, Errno> {
    socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
}

fn shown(address: SocketAddrV4) -> Arg {
    fields([
        ("sa_family", word("AF_INET")),
        ("sin_port", word(format!("htons({})", address.port()))),
        ("sin_addr", word(format!("inet_addr(\"{}\")", address.ip()))),
    ])
}
