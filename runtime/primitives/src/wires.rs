//! Network devices: making them, joining them, giving them away.
//!
//! A device is in one network namespace at a time. A *veth* is a wire with two ends, each a device that
//! can be in a namespace of its own; a *bridge* is a switch that other devices are plugged into.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use nix::errno::Errno;
use nix::unistd::Pid;

use crate::error::Result;
use crate::netlink::{Request, dump};

/// Another network namespace.
#[derive(Clone, Copy, Debug)]
pub enum Netns<'fd> {
    /// The one that a process is in.
    OfProcess(Pid),
    /// The one that an open file of `/proc/PID/ns` stands for: see [`crate::open_namespace`].
    Open(BorrowedFd<'fd>),
}

impl Netns<'_> {
    fn attribute(self) -> LinkAttribute {
        match self {
            Netns::OfProcess(pid) => LinkAttribute::NetNsPid(pid.as_raw().cast_unsigned()),
            Netns::Open(fd) => LinkAttribute::NetNsFd(fd.as_raw_fd()),
        }
    }
}

/// Makes a wire with two ends, both in this network namespace.
///
/// - man: veth(4), rtnetlink(7)
/// - since: Linux 2.6.24
/// - EPERM: this needs CAP_NET_ADMIN in the user namespace that the network namespace belongs to
/// - EEXIST: there is a device of one of these names already
/// - EOPNOTSUPP: this kernel has no veth
/// - ERANGE: a name has at most 15 characters
#[track_caller]
pub fn link_new_veth(name: &str, peer: &str, why: &'static str) -> Result<()> {
    veth("link_new_veth", name, by_name(peer), why)
}

/// Makes a wire with two ends, the other one in another network namespace.
///
/// - man: veth(4), rtnetlink(7)
/// - since: Linux 2.6.24
/// - EPERM: this needs CAP_NET_ADMIN over both network namespaces
/// - EEXIST: there is a device of one of these names already
/// - ESRCH: the process whose namespace it is has ended
/// - EOPNOTSUPP: this kernel has no veth
/// - ERANGE: a name has at most 15 characters
#[track_caller]
pub fn link_new_veth_into(
    name: &str,
    peer: &str,
    netns: Netns<'_>,
    why: &'static str,
) -> Result<()> {
    let mut other = by_name(peer);
    other.attributes.push(netns.attribute());
    veth("link_new_veth_into", name, other, why)
}

#[track_caller]
fn veth(primitive: &'static str, name: &str, peer: LinkMessage, why: &'static str) -> Result<()> {
    let mut message = by_name(name);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    Request::new(primitive).make(Message::NewLink(message), NLM_F_CREATE | NLM_F_EXCL, why)
}

/// Makes a bridge: a switch that other devices are plugged into ([`link_set_master`]).
///
/// - man: bridge(8), rtnetlink(7)
/// - since: Linux 2.2; by this message since 3.0
/// - EPERM: this needs CAP_NET_ADMIN in the user namespace that the network namespace belongs to
/// - EEXIST: there is a device of this name already
/// - EOPNOTSUPP: this kernel has no bridges
/// - ERANGE: a name has at most 15 characters
#[track_caller]
pub fn link_new_bridge(name: &str, why: &'static str) -> Result<()> {
    let mut message = by_name(name);
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
    let request = Request::new("link_new_bridge");
    request.make(Message::NewLink(message), NLM_F_CREATE | NLM_F_EXCL, why)
}

/// Plugs a device into a bridge.
///
/// - man: rtnetlink(7)
/// - since: Linux 2.6.39
/// - EPERM: this needs CAP_NET_ADMIN in the user namespace that the network namespace belongs to
/// - ENODEV: there is no device, or no bridge, of this name here
/// - EOPNOTSUPP: what it is plugged into is no bridge
/// - ELOOP: a bridge cannot be plugged into a bridge
/// - EINVAL: the loopback device cannot be plugged into anything
#[track_caller]
pub fn link_set_master(name: &str, bridge: &str, why: &'static str) -> Result<()> {
    let mut request = Request::new("link_set_master");
    let mut message = by_name(name);
    message.attributes.push(LinkAttribute::Controller(request.index_of(bridge)));
    request.make(Message::SetLink(message), 0, why)
}

/// Switches a network device on.
///
/// - man: rtnetlink(7), netdevice(7)
/// - since: Linux 2.6; by the ioctl SIOCSIFFLAGS since 1.0
/// - EPERM: this needs CAP_NET_ADMIN in the user namespace that the network namespace belongs to
/// - ENODEV: there is no device of this name here
#[track_caller]
pub fn link_set_up(name: &str, why: &'static str) -> Result<()> {
    switch("link_set_up", name, LinkFlags::Up, why)
}

/// Switches a network device off. Its IPv4 addresses stay; the routes through it go.
///
/// - man: rtnetlink(7), netdevice(7)
/// - since: Linux 2.6; by the ioctl SIOCSIFFLAGS since 1.0
/// - EPERM: this needs CAP_NET_ADMIN in the user namespace that the network namespace belongs to
/// - ENODEV: there is no device of this name here
#[track_caller]
pub fn link_set_down(name: &str, why: &'static str) -> Result<()> {
    switch("link_set_down", name, LinkFlags::empty(), why)
}

#[track_caller]
fn switch(primitive: &'static str, name: &str, flags: LinkFlags, why: &'static str) -> Result<()> {
    let mut message = by_name(name);
    message.header.flags = flags;
    message.header.change_mask = LinkFlags::Up;
    Request::new(primitive).make(Message::SetLink(message), 0, why)
}

/// Gives a network device another name.
///
/// - man: rtnetlink(7)
/// - since: Linux 2.6
/// - EPERM: this needs CAP_NET_ADMIN in the user namespace that the network namespace belongs to
/// - ENODEV: there is no device of this name here
/// - EEXIST: there is a device of the new name already
/// - EBUSY: the device is on, and this kernel renames only what is off
/// - ERANGE: a name has at most 15 characters
#[track_caller]
pub fn link_rename(name: &str, new_name: &str, why: &'static str) -> Result<()> {
    let mut request = Request::new("link_rename");
    let mut message = by_name(new_name);
    message.header.index = request.index_of(name);
    request.make(Message::SetLink(message), 0, why)
}

/// Moves a network device into another network namespace, where it has another name. It comes there
/// switched off, and without the addresses and routes that it had.
///
/// - man: rtnetlink(7), network_namespaces(7)
/// - since: Linux 2.6.24 by a process; 3.0 by a descriptor
/// - EPERM: this needs CAP_NET_ADMIN over both network namespaces
/// - ENODEV: there is no device of this name here
/// - EINVAL: the device belongs to its namespace for good, as the loopback device does
/// - EEXIST: there is a device of the new name in the other namespace already
/// - ESRCH: the process whose namespace it is has ended
/// - ERANGE: a name has at most 15 characters
#[track_caller]
pub fn link_move(name: &str, netns: Netns<'_>, new_name: &str, why: &'static str) -> Result<()> {
    let mut request = Request::new("link_move");
    let mut message = by_name(new_name);
    message.header.index = request.index_of(name);
    message.attributes.push(netns.attribute());
    request.make(Message::SetLink(message), 0, why)
}

/// Deletes a network device; of a wire both ends.
///
/// - man: rtnetlink(7)
/// - since: Linux 2.6.24
/// - EPERM: this needs CAP_NET_ADMIN in the user namespace that the network namespace belongs to
/// - ENODEV: there is no device of this name here
/// - EOPNOTSUPP: the device is there for good: it was not made by a message
#[track_caller]
pub fn link_delete(name: &str, why: &'static str) -> Result<()> {
    Request::new("link_delete").make(Message::DelLink(by_name(name)), 0, why)
}

/// A message about a device, by its name.
fn by_name(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_string()));
    message
}

/// A network device, as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The number that the kernel knows it by.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `veth`, `bridge`: what it is; nothing for the loopback device and for real ones.
    pub kind: Option<String>,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether something is at the other end: a wire has a carrier when both its ends are on.
    pub carrier: bool,
    /// Whether packets go through. The kernel gets it going in its own time once there is a carrier.
    pub running: bool,
    /// The number of the bridge that it is plugged into.
    pub master: Option<u32>,
    /// The number of the other end of a wire, which may be in another namespace.
    pub peer: Option<u32>,
    /// Its hardware address, six bytes as a rule.
    pub address: Vec<u8>,
    /// The longest packet that it takes, in bytes.
    pub mtu: u32,
}

/// All devices of this network namespace, in the order of their numbers. Asking changes nothing.
///
/// # Errors
/// EBADMSG when the kernel's answer cannot be understood.
pub fn links() -> std::result::Result<Vec<Link>, Errno> {
    let found = dump(Message::GetLink(LinkMessage::default())).map_err(|no| no.errno)?;
    let described = found.into_iter().filter_map(|message| match message {
        Message::NewLink(link) => Some(described(link)),
        _ => None,
    });
    let mut links: Vec<Link> = described.collect();
    links.sort_by_key(|link| link.index);
    Ok(links)
}

/// The device of this name in this network namespace. Asking changes nothing.
///
/// # Errors
/// ENODEV when there is none.
pub fn link_named(name: &str) -> std::result::Result<Link, Errno> {
    links()?.into_iter().find(|link| link.name == name).ok_or(Errno::ENODEV)
}

fn described(message: LinkMessage) -> Link {
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        kind: None,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        running: flags.contains(LinkFlags::Running),
        master: None,
        peer: None,
        address: Vec::new(),
        mtu: 0,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Controller(index) => link.master = Some(index),
            LinkAttribute::Link(index) => link.peer = Some(index),
            LinkAttribute::Address(bytes) => link.address = bytes,
            LinkAttribute::Mtu(bytes) => link.mtu = bytes,
            LinkAttribute::LinkInfo(infos) => {
                link.kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    link
}
