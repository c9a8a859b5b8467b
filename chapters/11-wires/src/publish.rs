//! A port of a container that others can reach.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::AsFd;
use std::path::Path;
use std::str::FromStr;

use primitives::{
    Birth, Error, Result, Signal, Status, dup2, spawn, step, step_giving, tcp_listen, write_sysctl,
};

use crate::end::{End, converse, settled};
use crate::machine::become_it;
use crate::veth::{MACHINE, wired};
use crate::{machine, nat};

/// A port outside, and the one inside that it stands for.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) outside: u16,
    pub(crate) inside: u16,
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Ports, String> {
        let (outside, inside) = text.split_once(':').unwrap_or((text, text));
        match (outside.parse(), inside.parse()) {
            (Ok(outside @ 1..), Ok(inside @ 1..)) => Ok(Ports { outside, inside }),
            _ => Err("write two ports, as in 8080:80".to_string()),
        }
    }
}

/// The machine's address towards the outside, and somebody there.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 12, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 12, 0, 2);
const CLIENT_PORT: u16 = 7;
const CONTAINER: Ipv4Addr = Ipv4Addr::new(10, 11, 0, 2);

// ANCHOR: in_miniature
/// A machine between two wires. The client knows no way to the container's net; it calls the machine.
pub(crate) fn in_miniature(ports: Ports) -> Result<Status> {
    let container = End {
        role: "container",
        ip: CONTAINER,
        gateway: Some(MACHINE),
        port: ports.inside,
        calls: SocketAddrV4::new(CLIENT, CLIENT_PORT),
    };
    let client = End {
        role: "client",
        ip: CLIENT,
        gateway: None,
        port: CLIENT_PORT,
        calls: SocketAddrV4::new(OUTSIDE, ports.outside),
    };
    machine::in_miniature(|| {
        let mut container = wired(container.that_talks()?, "inner", MACHINE)?;
        settled(&mut container, "inner")?;
        let mut client = wired(client.that_talks()?, "outer", OUTSIDE)?;
        settled(&mut client, "outer")?;
        step("pass packets on", || {
            let file = Path::new("net/ipv4/ip_forward");
            write_sysctl(file, "1", "let what comes in by one wire leave by the other")
        })?;
        step("put the rules in", || nat::publish(ports, CONTAINER, "outer"))?;
        converse(client, container)
    })
}
// ANCHOR_END: in_miniature

// ANCHOR: here
/// A program in a network that is connected to nothing answers at a port of this machine: the door is
/// made out here, and handed in. Who calls is the program's standard input and output.
pub(crate) fn here(port: u16, once: bool, command: &[OsString]) -> Result<Status> {
    let door = step_giving("make a door out here", || {
        tcp_listen(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), "be called from out here")
    })?;
    let container = machine::make("container", |parent| {
        machine::begin(parent)?;
        let door = TcpListener::from(door);
        loop {
            let status = answer(&door, command)?;
            if once {
                return Ok(status.code());
            }
        }
    })?;
    machine::released(container)
}

// ANCHOR_END: here

/// Waits for a call, and runs the program for it.
fn answer(door: &TcpListener, command: &[OsString]) -> Result<Status> {
    let failed = |error| Error::Unusable(format!("no call can be taken: {error}"));
    let (call, _) = door.accept().map_err(failed)?;
    let program = step_giving("answer a call", || {
        let why = "have somebody who speaks with the one who calls";
        spawn("program", Birth::default(), why, |parent| {
            step("end with the container", || parent.tie(Signal::SIGKILL, "not outlive it"))?;
            step("listen and speak", || {
                dup2(call.as_fd(), 0, "hear what is said")?;
                dup2(call.as_fd(), 1, "answer")
            })?;
            become_it(command)
        })
    })?;
    step_giving("take the program's status", || program.finish("be free for the next call"))
}
