//! Wires and a bridge: from a machine in miniature to containers.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddrV4};

use primitives::{
    Child, Netns, Result, Status, address_add, link_move, link_new_bridge, link_new_veth,
    link_new_veth_into, link_set_master, link_set_up, step, step_giving, tcp_listen,
};

use crate::end::{
    DEVICE, End, call, converse, heard, in_its_net, let_call, let_tell, settled, until_it_runs,
};
use crate::machine;

/// The machine's own address.
pub(crate) const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 11, 0, 1);
const WIRE: &str = "wire0";
const BRIDGE: &str = "br0";
/// Where everybody listens.
const PORT: u16 = 7;

const CONTAINER: End = End {
    role: "container",
    ip: Ipv4Addr::new(10, 11, 0, 2),
    gateway: Some(MACHINE),
    port: PORT,
    calls: SocketAddrV4::new(MACHINE, PORT),
};

const ONE: End = End {
    role: "one",
    ip: CONTAINER.ip,
    gateway: Some(MACHINE),
    port: PORT,
    calls: SocketAddrV4::new(Ipv4Addr::new(10, 11, 0, 3), PORT),
};

const TWO: End =
    End { role: "two", ip: *ONE.calls.ip(), calls: SocketAddrV4::new(ONE.ip, PORT), ..ONE };

// ANCHOR: talk
/// A wire, and a machine and a container that talk over it.
pub(crate) fn talk() -> Result<Status> {
    machine::in_miniature(|| {
        let mut container = wired(CONTAINER.that_talks()?, WIRE, MACHINE)?;
        let door = step_giving("listen", || {
            tcp_listen(SocketAddrV4::new(MACHINE, PORT), "be called by the container")
        })?;
        settled(&mut container, WIRE)?;
        let_call(&mut container)?;
        container.beside(|_| call(SocketAddrV4::new(CONTAINER.ip, PORT), "the machine"))?;
        let status = let_tell(container)?;
        heard("machine", door);
        Ok(status)
    })
}
// ANCHOR_END: talk

/// A wire, and a program at the other end of it.
pub(crate) fn run(command: &[OsString]) -> Result<Status> {
    machine::in_miniature(|| {
        let mut container = wired(CONTAINER.that_runs(command)?, WIRE, MACHINE)?;
        settled(&mut container, WIRE)?;
        let_run(container)
    })
}

// ANCHOR: wired
/// Lays a wire from here to a container, and makes this end of it somebody.
pub(crate) fn wired(mut container: Child, name: &str, ip: Ipv4Addr) -> Result<Child> {
    container.beside(|pid| {
        step("make a wire", || link_new_veth(name, DEVICE, "have two ends"))?;
        step("give one end away", || {
            link_move(DEVICE, Netns::OfProcess(pid), DEVICE, "have one end in the container")
        })?;
        step("take an address on it", || {
            address_add(name, &in_its_net(ip).into(), "be somebody on the wire")
        })?;
        step("switch our end on", || link_set_up(name, "let packets in and out"))
    })?;
    Ok(container)
}
// ANCHOR_END: wired

/// A bridge, and two containers that talk through it.
pub(crate) fn talk_by_bridge() -> Result<Status> {
    machine::in_miniature(|| {
        make_bridge()?;
        let mut one = plugged_in(ONE.that_talks()?, "port1")?;
        settled(&mut one, "port1")?;
        let mut two = plugged_in(TWO.that_talks()?, "port2")?;
        settled(&mut two, "port2")?;
        converse(one, two)
    })
}

/// A bridge with a container that holds still and one that runs a program.
pub(crate) fn run_by_bridge(command: &[OsString]) -> Result<Status> {
    machine::in_miniature(|| {
        make_bridge()?;
        let mut one = plugged_in(ONE.that_holds_still()?, "port1")?;
        settled(&mut one, "port1")?;
        let mut two = plugged_in(TWO.that_runs(command)?, "port2")?;
        settled(&mut two, "port2")?;
        until_it_runs(BRIDGE);
        let status = let_run(two)?;
        step_giving("let the first one go", || {
            one.release("tell it that the other has ended")?;
            one.finish("leave nobody behind").map(|_| status)
        })
    })
}

fn let_run(mut container: Child) -> Result<Status> {
    step_giving("let it run", || container.release("tell it that packets go through"))?;
    step_giving("take its status", || container.finish("pass its exit code on"))
}

// ANCHOR: bridge
fn make_bridge() -> Result<()> {
    step("make a bridge", || link_new_bridge(BRIDGE, "have something to plug wires into"))?;
    step("take an address on it", || {
        address_add(BRIDGE, &in_its_net(MACHINE).into(), "be reached by all that are plugged in")
    })?;
    step("switch it on", || link_set_up(BRIDGE, "let it pass packets on"))
}

/// Lays a wire to a container whose end here belongs to the bridge and to nobody else: it has no
/// address.
fn plugged_in(mut container: Child, port: &str) -> Result<Child> {
    container.beside(|pid| {
        step("lay a wire", || {
            let why = "have one end here and one in the container";
            link_new_veth_into(port, DEVICE, Netns::OfProcess(pid), why)
        })?;
        step("plug it in", || link_set_master(port, BRIDGE, "reach all that are plugged in"))?;
        step("switch our end on", || link_set_up(port, "let packets in and out"))
    })?;
    Ok(container)
}
// ANCHOR_END: bridge
