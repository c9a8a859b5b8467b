//! Network devices, addresses and routes, in a network namespace of its own.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsFd;
use std::path::PathBuf;

use primitives::{Birth, Cidr, Errno, Error, Namespaces, Netns, Result, Route};

pub(super) fn wires() -> Result<()> {
    let net: Cidr = "10.0.0.1/24".parse()?;
    let gateway: Cidr = "10.0.0.254".parse()?;
    primitives::link_set_up("lo", "see that a device can be switched on")?;
    primitives::link_new_bridge("br0", "have something to plug into")?;
    primitives::address_add("br0", &net.into(), "have an address")?;
    primitives::link_set_up("br0", "have routes")?;
    let route = Route::default_via(gateway.ip);
    primitives::route_add(&route, "reach the rest by one that is near")?;
    let near: Cidr = "10.0.1.0/24".parse()?;
    let scope = 253;
    let route = Route { to: near, via: None, link: Some("br0".into()), scope, ..route };
    primitives::route_add(&route, "reach another net by a device alone")?;
    in_the_words_of_the_kernel()?;
    primitives::link_new_veth("left", "right", "have a wire")?;
    primitives::link_set_master("left", "br0", "plug one end in")?;
    primitives::link_rename("right", "new", "call the other end something else")?;
    all_is_there()?;
    talk()?;
    wires_between_two()?;
    primitives::link_set_down("br0", "see that a device can be switched off")?;
    primitives::link_delete("br0", "leave no bridge")
}

/// A request that the kernel refuses, and says why.
fn in_the_words_of_the_kernel() -> Result<()> {
    let nowhere: Cidr = "10.9.9.9".parse()?;
    let route = Route { priority: 7, ..Route::default_via(nowhere.ip) };
    match primitives::route_add(&route, "see that a gateway must be near") {
        Err(error)
            if error.to_string().ends_with("the kernel says: Nexthop has invalid gateway") =>
        {
            Ok(())
        }
        Err(error) => Err(error),
        Ok(()) => Err(Error::Unusable("a gateway that is nowhere near was taken".to_string())),
    }
}

/// Two sockets of one namespace, by the address of the bridge.
fn talk() -> Result<()> {
    let address = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 7);
    let door = primitives::tcp_listen(address, "be called")?;
    let call = primitives::tcp_connect(address, "call")?;
    primitives::tcp_send(call.as_fd(), "hello", "be heard")?;
    drop(door);
    Ok(())
}

/// What the kernel tells of what was made.
fn all_is_there() -> Result<()> {
    let wrong = |errno| Error::Unusable(format!("the kernel does not tell: {errno}"));
    let links = primitives::links().map_err(wrong)?;
    let link = |name: &str| links.iter().find(|link| link.name == name);
    let (bridge, left, new) = (link("br0"), link("left"), link("new"));
    let plugged_in = left.and_then(|link| link.master) == bridge.map(|link| link.index);
    let is_wire = left.and_then(|link| link.peer) == new.map(|link| link.index);
    let kinds = [bridge, left, new].map(|link| link.and_then(|link| link.kind.as_deref()));
    let kinds = kinds == [Some("bridge"), Some("veth"), Some("veth")];
    let addresses = primitives::addresses_of("br0").map_err(wrong)?;
    let addresses: Vec<String> =
        addresses.iter().filter(|it| it.permanent).map(|it| it.cidr.to_string()).collect();
    let mut routes = primitives::routes_of("br0").map_err(wrong)?;
    routes.retain(|route| route.to.ip.is_ipv4());
    let by_hand = routes.iter().filter(|route| !route.is_of_the_kernel());
    let by_hand: Vec<String> = by_hand
        .map(|route| format!("{} via {:?} scope {}", route.to, route.via, route.scope))
        .collect();
    let routes_are_there = routes.len() == 3
        && by_hand == ["0.0.0.0/0 via Some(10.0.0.254) scope 0", "10.0.1.0/24 via None scope 253"];
    let addresses_are_there = addresses.iter().any(|it| it == "10.0.0.1/24");
    let missing = primitives::addresses_of("nowhere") == Err(Errno::ENODEV);
    match plugged_in && is_wire && kinds && routes_are_there && addresses_are_there && missing {
        true => Ok(()),
        false => Err(Error::Unusable(format!("{links:?} {addresses:?} {routes:?}"))),
    }
}

/// With somebody in another network namespace.
fn wires_between_two() -> Result<()> {
    let birth = Birth { namespaces: Namespaces::CLONE_NEWNET, cgroup: None };
    let why = "have a network namespace to give devices to";
    let mut other = primitives::spawn("other", birth, why, |parent| {
        parent.wait("be there for as long as devices are given to it")?;
        Ok(0)
    })?;
    other.beside(|pid| {
        let netns = Netns::OfProcess(pid);
        primitives::link_new_veth_into("out", "in", netns, "have a wire that leads out")?;
        let file = PathBuf::from(format!("/proc/{pid}/ns/net"));
        let netns = primitives::open_namespace(&file)
            .map_err(|error| Error::Unusable(format!("{}: {error}", file.display())))?;
        primitives::link_move("new", Netns::Open(netns.as_fd()), "eth1", "give an end away")
    })?;
    other.release("let it end by itself")?;
    other.finish("see that it has ended well").map(drop)
}
