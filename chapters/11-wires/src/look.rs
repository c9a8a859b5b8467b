//! What is there in this network namespace? Asking changes nothing, so there is nothing in the trace.

use primitives::{Error, Link, Result, Route, addresses_of, links, routes};

/// Prints devices, addresses and routes.
pub(crate) fn around() -> Result<u8> {
    let unknown = |errno| Error::Unusable(format!("the kernel does not tell: {errno}"));
    for link in links().map_err(unknown)? {
        println!("{}", device(&link));
        for address in addresses_of(&link.name).map_err(unknown)? {
            println!("    address {}", address.cidr);
        }
    }
    // IPv6 has routes of its own making for each device, which are not the subject.
    let by_hand = |route: &Route| route.to.ip.is_ipv4();
    for route in routes().map_err(unknown)?.iter().filter(|route| by_hand(route)) {
        println!("{}", way(route));
    }
    Ok(0)
}

fn device(link: &Link) -> String {
    let kind = link.kind.as_deref().map(|kind| format!(" ({kind})")).unwrap_or_default();
    let state = match (link.up, link.carrier) {
        (false, _) => "off",
        (true, false) => "on, with nobody at the other end",
        (true, true) => "on",
    };
    format!("device {} {}{kind}: {state}", link.index, link.name)
}

fn way(route: &Route) -> String {
    let to = match route.to.prefix {
        0 => "everything else".to_string(),
        _ => route.to.to_string(),
    };
    let via = route.via.map(|via| format!(" by way of {via}")).unwrap_or_default();
    let link = route.link.as_deref().unwrap_or("nowhere");
    format!("route to {to}{via}: {link}")
}
