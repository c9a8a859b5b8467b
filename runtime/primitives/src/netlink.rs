//! How does one ask the kernel for something about the network?
//!
//! Not by a system call with arguments, but by a message through a socket (netlink(7)): a header, and
//! behind it attributes by their numbers. The kernel does what the message says before `sendto` returns,
//! and then lies an answer in the socket: an errno, which is 0 when it was done. So one request is a
//! socket, a message and an answer, and it is named as its message is: `RTM_NEWLINK`.
//!
//! A socket belongs to the network namespace in which it was made. Each request makes its own, so that
//! it is about the namespace that the process is in *now*.

use std::num::NonZeroI32;

use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::gate::{Call, perform};
use crate::netlink_words::{name_of, shown};

/// What the kernel says when it does not do what it was asked for.
#[derive(Debug)]
pub(crate) struct No {
    pub(crate) errno: Errno,
    /// In words, where the kernel has some.
    pub(crate) said: Option<String>,
}

impl From<std::io::Error> for No {
    fn from(error: std::io::Error) -> No {
        No { errno: Errno::from_raw(error.raw_os_error().unwrap_or_default()), said: None }
    }
}

/// A request that is being put together.
pub(crate) struct Request<'a> {
    primitive: &'static str,
    /// The devices that it is about, with the numbers that the kernel knows them by.
    devices: Vec<(&'a str, u32)>,
    /// Why one of them has no number.
    missing: Option<No>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(primitive: &'static str) -> Request<'a> {
        Request { primitive, devices: Vec::new(), missing: None }
    }

    /// The number of a device. If there is none, that is what the request comes to.
    pub(crate) fn index_of(&mut self, name: &'a str) -> u32 {
        let index = look_up(name).unwrap_or_else(|no| {
            self.missing = Some(no);
            0
        });
        self.devices.push((name, index));
        index
    }

    /// Makes the request.
    ///
    /// # Errors
    /// What the kernel answers, also in its own words.
    #[track_caller]
    pub(crate) fn make(
        self,
        message: RouteNetlinkMessage,
        flags: u16,
        why: &'static str,
    ) -> Result<()> {
        let Request { primitive, devices, missing } = self;
        let args = shown(&message, flags, &devices);
        let call = || Call::new(name_of(&message), primitive, args);
        let mut said = None;
        let result = perform(call, why, || {
            let answer = match missing {
                Some(no) => Err(no),
                None => ask(message.clone(), flags | NLM_F_ACK).map(drop),
            };
            answer.map_err(|no| {
                said = no.said;
                no.errno
            })
        });
        result.map_err(|error| in_its_own_words(error, said))
    }
}

fn in_its_own_words(error: Error, said: Option<String>) -> Error {
    match error {
        Error::Request(mut refusal) => {
            refusal.said = said;
            Error::Request(refusal)
        }
        other => other,
    }
}

/// All objects of a kind, by a message that asks for them. Asking changes nothing.
pub(crate) fn dump(
    message: RouteNetlinkMessage,
) -> std::result::Result<Vec<RouteNetlinkMessage>, No> {
    ask(message, NLM_F_DUMP)
}

fn look_up(name: &str) -> std::result::Result<u32, No> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_string()));
    match ask(RouteNetlinkMessage::GetLink(message), 0)?.as_slice() {
        [RouteNetlinkMessage::NewLink(link)] => Ok(link.header.index),
        _ => Err(No { errno: Errno::ENODEV, said: None }),
    }
}

/// Sends one message, and collects what the kernel sends back.
fn ask(
    message: RouteNetlinkMessage,
    flags: u16,
) -> std::result::Result<Vec<RouteNetlinkMessage>, No> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    // Errors come with words, and without the whole message that they are about. Kernels before 4.12
    // have no words.
    let _ = socket.set_ext_ack(true).and_then(|()| socket.set_cap_ack(true));
    let mut packet =
        NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::InnerMessage(message));
    packet.header.flags = NLM_F_REQUEST | flags;
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
    let mut found = Vec::new();
    loop {
        let (datagram, _) = match socket.recv_from_full() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            received => received?,
        };
        if take(&datagram, flags, &mut found)? {
            return Ok(found);
        }
    }
}

/// Takes one packet apart, which may hold several messages; whether the answer is whole now.
fn take(
    datagram: &[u8],
    flags: u16,
    found: &mut Vec<RouteNetlinkMessage>,
) -> std::result::Result<bool, No> {
    // Only lists come in several packets, with a mark at their end.
    let listed = flags & NLM_F_DUMP == NLM_F_DUMP;
    let mut rest = datagram;
    while !rest.is_empty() {
        let unreadable = |_| No { errno: Errno::EBADMSG, said: None };
        let packet = NetlinkMessage::deserialize(rest).map_err(unreadable)?;
        match packet.payload {
            NetlinkPayload::Error(ErrorMessage { code: Some(code), header, .. }) => {
                return Err(refused(code, &header, packet.header.flags));
            }
            NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::InnerMessage(message) => found.push(message),
            _ => {}
        }
        let length = usize::try_from(packet.header.length).unwrap_or(usize::MAX);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(!listed && flags & NLM_F_ACK == 0)
}

/// An answer's errno, and the text that may stand behind the header of the message that it is about.
fn refused(code: NonZeroI32, echo: &[u8], flags: u16) -> No {
    const HAS_ATTRIBUTES: u16 = 0x200;
    const HEADER: usize = 16;
    let attributes = echo.get(HEADER..).filter(|_| flags & HAS_ATTRIBUTES != 0);
    let said = attributes.and_then(words);
    No { errno: Errno::from_raw(code.get().saturating_neg()), said }
}

/// The text among the attributes of an answer.
fn words(mut attributes: &[u8]) -> Option<String> {
    const TEXT: u16 = 1;
    while let [a, b, c, d, ..] = *attributes {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = attributes.get(4..length)?;
        if u16::from_ne_bytes([c, d]) == TEXT {
            let text = value.strip_suffix(&[0]).unwrap_or(value);
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn the_words_of_the_kernel_are_found_behind_other_attributes() {
        let mut answer = vec![8, 0, 2, 0, 20, 0, 0, 0];
        answer.extend([11, 0, 1, 0]);
        answer.extend(b"no way\0\0");
        assert_eq!(words(&answer).as_deref(), Some("no way"));
        assert_eq!(words(&answer[..8]), None);
        assert_eq!(words(&[200, 0, 1, 0]), None);
    }
}
