//! Addresses and routes: who a network device is, and where packets go.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::netlink::{Request, dump};
use crate::wires::{link_named, links};

/// An address and how many of its bits the net has, or a net: `10.0.0.1/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address.
    pub ip: IpAddr,
    /// How many of its bits name the net.
    pub prefix: u8,
}

impl Display for Cidr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Cidr> {
        let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, n)| (ip, Some(n)));
        let ip: IpAddr = ip.parse().map_err(|_| no_address(text))?;
        let all = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(all), str::parse).map_err(|_| no_address(text))?;
        if prefix > all {
            return Err(no_address(text));
        }
        Ok(Cidr { ip, prefix })
    }
}

fn no_address(text: &str) -> Error {
    Error::Unusable(format!("{text:?} is no address: write it as 10.0.0.1/24, or fd00::1/64"))
}

/// An address of a network device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address, and its net.
    pub cidr: Cidr,
    /// The address at the other end, where the net is those two alone.
    pub peer: Option<IpAddr>,
    /// The address for all of the net.
    pub broadcast: Option<Ipv4Addr>,
    /// How far it is good for, as in rtnetlink(7): 0 everywhere, 253 this wire, 254 this machine.
    pub scope: u8,
    /// Whether it stays until somebody takes it away; others run out, as those from DHCP do.
    pub permanent: bool,
    /// Whether it is used at once. Else IPv6 asks around for a second or two whether somebody has it.
    pub nodad: bool,
}

impl From<Cidr> for Address {
    /// An address that stays, good everywhere, used at once.
    fn from(cidr: Cidr) -> Address {
        let nodad = cidr.ip.is_ipv6();
        Address { cidr, peer: None, broadcast: None, scope: 0, permanent: true, nodad }
    }
}

/// Gives a network device an address. With it comes a route to the address's net.
///
/// - man: rtnetlink(7), ip-address(8)
/// - since: Linux 2.2
/// - EPERM: this needs CAP_NET_ADMIN in the user namespace that the network namespace belongs to
/// - ENODEV: there is no device of this name here
/// - EEXIST: the device has this address already
/// - EACCES: IPv6 is off for this device (net.ipv6.conf.NAME.disable_ipv6)
#[track_caller]
pub fn address_add(link: &str, address: &Address, why: &'static str) -> Result<()> {
    let mut request = Request::new("address_add");
    let mut message = AddressMessage::default();
    message.header.family = family(address.cidr.ip);
    message.header.prefix_len = address.cidr.prefix;
    message.header.scope = AddressScope::from(address.scope);
    message.header.index = request.index_of(link);
    if address.nodad {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes.push(AddressAttribute::Local(address.cidr.ip));
    message.attributes.extend(address.peer.map(AddressAttribute::Address));
    message.attributes.extend(address.broadcast.map(AddressAttribute::Broadcast));
    request.make(Message::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL, why)
}

/// The addresses of a device of this network namespace. Asking changes nothing.
///
/// # Errors
/// ENODEV when there is no device of this name.
pub fn addresses_of(link: &str) -> std::result::Result<Vec<Address>, Errno> {
    let index = link_named(link)?.index;
    let found = dump(Message::GetAddress(AddressMessage::default())).map_err(|no| no.errno)?;
    let of_this = found.into_iter().filter_map(|message| match message {
        Message::NewAddress(message) if message.header.index == index => described(&message),
        _ => None,
    });
    Ok(of_this.collect())
}

fn described(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut other, mut broadcast) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => other = Some(*ip),
            AddressAttribute::Broadcast(ip) => broadcast = Some(*ip),
            _ => {}
        }
    }
    // IPv6 tells of one alone; else the second is that of the other end, where there is one.
    let ip = local.or(other)?;
    let peer = other.filter(|other| *other != ip);
    let flags = message.header.flags;
    Some(Address {
        cidr: Cidr { ip, prefix: message.header.prefix_len },
        peer,
        broadcast,
        scope: u8::from(message.header.scope),
        permanent: flags.contains(AddressHeaderFlags::Permanent),
        nodad: flags.contains(AddressHeaderFlags::Nodad),
    })
}

/// A route: what goes to this net goes that way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The net; of length 0 it is everything that no other route is for.
    pub to: Cidr,
    /// The address of who passes it on; none where the net is at the device itself.
    pub via: Option<IpAddr>,
    /// The name of the device; none to let the kernel find the one that the gateway is at.
    pub link: Option<String>,
    /// The address that packets come from, when their sender has not chosen one.
    pub source: Option<IpAddr>,
    /// Of two routes to one net the one with the smaller number is taken.
    pub priority: u32,
    /// How far the net is, as in rtnetlink(7): 0 somewhere, 253 at this wire.
    pub scope: u8,
    /// Who made it, as in rtnetlink(7): 2 the kernel itself with an address, 3 and 4 somebody by hand.
    pub protocol: u8,
}

impl Route {
    /// Everything that no other route is for goes to `gateway`.
    pub fn default_via(gateway: IpAddr) -> Route {
        let all: IpAddr = match gateway {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Route {
            to: Cidr { ip: all, prefix: 0 },
            via: Some(gateway),
            link: None,
            source: None,
            priority: 0,
            scope: u8::from(RouteScope::Universe),
            protocol: u8::from(RouteProtocol::Boot),
        }
    }

    /// Whether the kernel made it by itself, when a device got an address: then it does so again.
    pub fn is_of_the_kernel(&self) -> bool {
        self.protocol == u8::from(RouteProtocol::Kernel)
    }
}

/// Adds a route to the main table.
///
/// - man: rtnetlink(7), ip-route(8)
/// - since: Linux 2.2
/// - EPERM: this needs CAP_NET_ADMIN in the user namespace that the network namespace belongs to
/// - EEXIST: there is a route to this net already
/// - ENETUNREACH: the gateway is in no net that this namespace has an address of, or the device there
///   is off
/// - ENETDOWN: the device is off
/// - EINVAL: the gateway is in no net that a device here has; or it is an address of this machine
/// - ENODEV: there is no device of this name here
#[track_caller]
pub fn route_add(route: &Route, why: &'static str) -> Result<()> {
    let mut request = Request::new("route_add");
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(route.to.ip),
        destination_prefix_length: route.to.prefix,
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::from(route.protocol),
        scope: RouteScope::from(route.scope),
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    if route.to.prefix > 0 {
        message.attributes.push(RouteAttribute::Destination(route.to.ip.into()));
    }
    message.attributes.extend(route.via.map(|via| RouteAttribute::Gateway(via.into())));
    if let Some(link) = &route.link {
        message.attributes.push(RouteAttribute::Oif(request.index_of(link)));
    }
    message.attributes.extend(route.source.map(|ip| RouteAttribute::PrefSource(ip.into())));
    if route.priority > 0 {
        message.attributes.push(RouteAttribute::Priority(route.priority));
    }
    request.make(Message::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL, why)
}

/// The routes of the main table of this network namespace, those of the kernel too. Asking changes
/// nothing.
///
/// # Errors
/// EBADMSG when the kernel's answer cannot be understood.
pub fn routes() -> std::result::Result<Vec<Route>, Errno> {
    let links = links()?;
    let name =
        |index: u32| links.iter().find(|link| link.index == index).map(|link| link.name.clone());
    let found = dump(Message::GetRoute(RouteMessage::default())).map_err(|no| no.errno)?;
    let mut routes = Vec::new();
    for message in found {
        let Message::NewRoute(message) = message else {
            continue;
        };
        let header = &message.header;
        if header.table == RouteHeader::RT_TABLE_MAIN && header.kind == RouteType::Unicast {
            routes.extend(way(&message, name));
        }
    }
    Ok(routes)
}

/// The routes through one device. Asking changes nothing.
///
/// # Errors
/// As [`routes`].
pub fn routes_of(link: &str) -> std::result::Result<Vec<Route>, Errno> {
    let through = |route: &Route| route.link.as_deref() == Some(link);
    Ok(routes()?.into_iter().filter(through).collect())
}

fn way(message: &RouteMessage, name: impl Fn(u32) -> Option<String>) -> Option<Route> {
    let header = &message.header;
    let all: IpAddr = match header.address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let mut route = Route {
        to: Cidr { ip: all, prefix: header.destination_prefix_length },
        via: None,
        link: None,
        source: None,
        priority: 0,
        scope: u8::from(header.scope),
        protocol: u8::from(header.protocol),
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(to) => route.to.ip = ip(to).unwrap_or(all),
            RouteAttribute::Gateway(via) => route.via = ip(via),
            RouteAttribute::PrefSource(from) => route.source = ip(from),
            RouteAttribute::Oif(index) => route.link = name(*index),
            RouteAttribute::Priority(number) => route.priority = *number,
            _ => {}
        }
    }
    Some(route)
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

fn family(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

#[cfg(test)]
mod tests {
    use super::Cidr;

    #[test]
    fn nets_are_read_as_people_write_them() {
        for text in ["10.0.0.1/24", "fd00::1/64", "0.0.0.0/0"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        assert_eq!("10.0.0.1".parse::<Cidr>().unwrap().to_string(), "10.0.0.1/32");
        for text in ["", "10.0.0/24", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/x", "fd00::1/129"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
