//! How is a message about the network written down?
//!
//! By what stands in it: the fields of its header that are not zero, and its attributes, under the names
//! of the kernel's headers. Flags that every request has (`NLM_F_REQUEST`, `NLM_F_ACK`) are left out,
//! and so is the family of addresses, which an address shows by itself. A device is shown by its name
//! and the number that the kernel knows it by: `eth0:[2]`.

use std::fmt::Display;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteScope};
use trace::Arg;

use crate::ToArg;
use crate::args::word;

/// Names of devices, and their numbers.
type Devices<'a> = [(&'a str, u32)];

/// What a message is called in rtnetlink(7).
pub(crate) fn name_of(message: &RouteNetlinkMessage) -> &'static str {
    match message {
        RouteNetlinkMessage::NewLink(_) => "RTM_NEWLINK",
        RouteNetlinkMessage::SetLink(_) => "RTM_SETLINK",
        RouteNetlinkMessage::DelLink(_) => "RTM_DELLINK",
        RouteNetlinkMessage::NewAddress(_) => "RTM_NEWADDR",
        RouteNetlinkMessage::NewRoute(_) => "RTM_NEWROUTE",
        _ => unreachable!("there is a primitive for each of the others"),
    }
}

/// A message as the arguments of its request: what stands in it, and its flags if there are any.
pub(crate) fn shown(message: &RouteNetlinkMessage, flags: u16, devices: &Devices<'_>) -> Vec<Arg> {
    let mut fields = Fields { devices, found: Vec::new() };
    match message {
        RouteNetlinkMessage::NewAddress(message) => fields.address(message),
        RouteNetlinkMessage::NewRoute(message) => fields.route(message),
        RouteNetlinkMessage::NewLink(message)
        | RouteNetlinkMessage::SetLink(message)
        | RouteNetlinkMessage::DelLink(message) => fields.link(message),
        _ => {}
    }
    let flags: Vec<&str> = [(NLM_F_CREATE, "NLM_F_CREATE"), (NLM_F_EXCL, "NLM_F_EXCL")]
        .into_iter()
        .filter_map(|(bit, name)| (flags & bit != 0).then_some(name))
        .collect();
    let flags = (!flags.is_empty()).then(|| word(flags.join("|")));
    [Arg::Fields(fields.found)].into_iter().chain(flags).collect()
}

struct Fields<'a> {
    devices: &'a Devices<'a>,
    found: Vec<(String, Arg)>,
}

impl Fields<'_> {
    fn put(&mut self, name: &str, value: Arg) {
        self.found.push((name.to_string(), value));
    }

    fn word(&mut self, name: &str, value: impl Display) {
        self.put(name, word(value));
    }

    fn device(&mut self, name: &str, index: u32) {
        let known = self.devices.iter().find(|(_, number)| *number == index);
        let kind = known.map_or("link", |(name, _)| name).to_string();
        self.put(name, Arg::Object { kind, inode: u64::from(index) });
    }

    fn link(&mut self, message: &LinkMessage) {
        if message.header.index != 0 {
            self.device("ifi_index", message.header.index);
        }
        if message.header.change_mask.contains(LinkFlags::Up) {
            let up = message.header.flags.contains(LinkFlags::Up);
            self.word("ifi_flags", if up { "IFF_UP" } else { "0" });
            self.word("ifi_change", "IFF_UP");
        }
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => self.put("IFLA_IFNAME", name.to_arg()),
                LinkAttribute::Controller(index) => self.device("IFLA_MASTER", *index),
                LinkAttribute::NetNsPid(pid) => {
                    self.put("IFLA_NET_NS_PID", Arg::Pid(pid.cast_signed()));
                }
                LinkAttribute::NetNsFd(fd) => self.put("IFLA_NET_NS_FD", Arg::Fd(*fd)),
                LinkAttribute::LinkInfo(infos) => infos.iter().for_each(|info| self.info(info)),
                _ => {}
            }
        }
    }

    fn info(&mut self, info: &LinkInfo) {
        match info {
            LinkInfo::Kind(kind) => self.put("IFLA_INFO_KIND", kind.to_string().to_arg()),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))) => {
                let mut fields = Fields { devices: self.devices, found: Vec::new() };
                fields.link(peer);
                let peer = fields.found;
                self.put("VETH_INFO_PEER", Arg::Fields(peer));
            }
            _ => {}
        }
    }

    fn address(&mut self, message: &AddressMessage) {
        let header = &message.header;
        self.word("ifa_prefixlen", header.prefix_len);
        if header.flags.contains(AddressHeaderFlags::Nodad) {
            self.word("ifa_flags", "IFA_F_NODAD");
        }
        self.scope("ifa_scope", u8::from(header.scope));
        self.device("ifa_index", header.index);
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Local(ip) => self.word("IFA_LOCAL", ip),
                AddressAttribute::Address(ip) => self.word("IFA_ADDRESS", ip),
                AddressAttribute::Broadcast(ip) => self.word("IFA_BROADCAST", ip),
                _ => {}
            }
        }
    }

    fn route(&mut self, message: &RouteMessage) {
        let header = &message.header;
        if header.destination_prefix_length != 0 {
            self.word("rtm_dst_len", header.destination_prefix_length);
        }
        self.word("rtm_table", "RT_TABLE_MAIN");
        let protocol = match u8::from(header.protocol) {
            3 => "RTPROT_BOOT".to_string(),
            4 => "RTPROT_STATIC".to_string(),
            number => number.to_string(),
        };
        self.word("rtm_protocol", protocol);
        self.scope("rtm_scope", u8::from(header.scope));
        self.word("rtm_type", "RTN_UNICAST");
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(to) => self.word("RTA_DST", written(to)),
                RouteAttribute::Gateway(via) => self.word("RTA_GATEWAY", written(via)),
                RouteAttribute::Oif(index) => self.device("RTA_OIF", *index),
                RouteAttribute::PrefSource(from) => self.word("RTA_PREFSRC", written(from)),
                RouteAttribute::Priority(number) => self.word("RTA_PRIORITY", number),
                _ => {}
            }
        }
    }

    /// How far an address or a route is good for, where that is not everywhere.
    fn scope(&mut self, name: &str, scope: u8) {
        match RouteScope::from(scope) {
            RouteScope::Universe => {}
            RouteScope::Site => self.word(name, "RT_SCOPE_SITE"),
            RouteScope::Link => self.word(name, "RT_SCOPE_LINK"),
            RouteScope::Host => self.word(name, "RT_SCOPE_HOST"),
            RouteScope::NoWhere => self.word(name, "RT_SCOPE_NOWHERE"),
            _ => self.word(name, scope),
        }
    }
}

fn written(address: &RouteAddress) -> String {
    match address {
        RouteAddress::Inet(ip) => ip.to_string(),
        RouteAddress::Inet6(ip) => ip.to_string(),
        _ => unreachable!("no primitive has an address of another family"),
    }
}
