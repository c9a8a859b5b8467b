//! Who is at the end of a wire: a container that gets its device from outside, and talks.

use std::ffi::OsString;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use primitives::{
    Birth, Child, Cidr, Namespaces, Result, Route, Signal, Status, ToParent, address_add,
    link_set_up, route_add, spawn, step, step_giving, tcp_connect, tcp_listen, tcp_send,
};

use crate::machine::become_it;

/// The name of every wire's end in a container.
pub(crate) const DEVICE: &str = "eth0";

/// A container, and what it does with its end of the wire.
#[derive(Clone, Copy)]
pub(crate) struct End {
    /// The part it plays.
    pub(crate) role: &'static str,
    /// Its address.
    pub(crate) ip: Ipv4Addr,
    /// Who passes on what is for others.
    pub(crate) gateway: Option<Ipv4Addr>,
    /// The port at which it listens.
    pub(crate) port: u16,
    /// Whom it calls.
    pub(crate) calls: SocketAddrV4,
}

/// All nets here have 256 addresses.
pub(crate) fn in_its_net(ip: Ipv4Addr) -> Cidr {
    Cidr { ip: ip.into(), prefix: 24 }
}

impl End {
    // ANCHOR: make
    /// Makes its process, which waits until it is connected, and then does `rest`.
    fn make(self, rest: impl FnOnce(&ToParent) -> Result<u8>) -> Result<Child> {
        step_giving("make a container", || {
            let birth = Birth { namespaces: Namespaces::CLONE_NEWNET, cgroup: None };
            spawn(self.role, birth, "have somebody with a network of its own", |parent| {
                step("end with the machine", || {
                    parent.tie(Signal::SIGKILL, "not be alone in a network that nobody is in")
                })?;
                step_giving("wait for the wire", || parent.wait("have a device"))?;
                self.settle()?;
                rest(parent)
            })
        })
    }
    // ANCHOR_END: make

    // ANCHOR: settle
    /// What it does with the device that it has got.
    fn settle(self) -> Result<()> {
        step("take an address", || {
            address_add(DEVICE, &in_its_net(self.ip).into(), "be somebody on the wire")
        })?;
        step("switch the wire on", || link_set_up(DEVICE, "let packets in and out"))?;
        until_it_runs(DEVICE);
        match self.gateway {
            None => Ok(()),
            Some(gateway) => step("know the way out", || {
                route_add(&Route::default_via(IpAddr::V4(gateway)), "reach who is not on this wire")
            }),
        }
    }
    // ANCHOR_END: settle

    /// One that runs a program when it can be reached.
    pub(crate) fn that_runs(self, command: &[OsString]) -> Result<Child> {
        self.make(|parent| {
            step_giving("say so", || parent.arrive("there", "hear when packets go through"))?;
            step_giving("wait for the others", || parent.wait("not send too early"))?;
            become_it(command)
        })
    }

    /// One that holds still, and can be reached.
    pub(crate) fn that_holds_still(self) -> Result<Child> {
        self.make(|parent| {
            step_giving("say so", || parent.arrive("there", "let others reach it"))?;
            step_giving("hold still", || parent.wait("be there until the others have ended"))?;
            Ok(0)
        })
    }

    // ANCHOR: talks
    /// One that calls somebody when both are there, and then says who has called it.
    pub(crate) fn that_talks(self) -> Result<Child> {
        self.make(|parent| {
            let door = step_giving("listen", || {
                tcp_listen(SocketAddrV4::new(self.ip, self.port), "be called")
            })?;
            step_giving("say so", || parent.arrive("there", "not be called too early"))?;
            step_giving("wait for the other", || parent.wait("not call too early"))?;
            call(self.calls, self.role)?;
            step_giving("say that too", || parent.arrive("called", "let the other go on"))?;
            step_giving("wait to be called", || parent.wait("know that it was called"))?;
            heard(self.role, door);
            Ok(0)
        })
    }
    // ANCHOR_END: talks
}

/// Calls somebody and says hello.
pub(crate) fn call(who: SocketAddrV4, role: &str) -> Result<()> {
    step_giving("call the other", || {
        let line = tcp_connect(who, "reach the other one")?;
        tcp_send(line.as_fd(), &format!("hello from {role}"), "be heard")
    })
}

/// Says who has called at this door, and what was said. What was sent lies there already: nothing is
/// waited for.
pub(crate) fn heard(role: &str, door: OwnedFd) {
    let door = TcpListener::from(door);
    let call = door.set_nonblocking(true).and_then(|()| door.accept());
    let said = call.and_then(|(mut line, from)| {
        let mut said = String::new();
        line.read_to_string(&mut said)?;
        Ok(format!("{} says: {said}", from.ip()))
    });
    println!("{role}: {}", said.unwrap_or_else(|_| "nobody has called".to_string()));
}

/// Lets a container that is connected by `wire` settle.
pub(crate) fn settled(container: &mut Child, wire: &str) -> Result<()> {
    step_giving("let it settle", || {
        container.release("tell it that it is connected")?;
        container.meet("there", "know that it can be called")
    })?;
    until_it_runs(wire);
    Ok(())
}

/// Once both ends are on, the kernel gets a wire going in its own time: after milliseconds, or when it has
/// much to do, after a second. What is sent too early is lost. To look changes nothing.
pub(crate) fn until_it_runs(device: &str) {
    const MOST: Duration = Duration::from_secs(2);
    let start = Instant::now();
    let runs = || primitives::link_named(device).is_ok_and(|link| link.running);
    while !runs() && start.elapsed() < MOST {
        sleep(Duration::from_millis(1));
    }
}

/// Lets one of two call the other.
pub(crate) fn let_call(one: &mut Child) -> Result<()> {
    step_giving("let it call", || {
        one.release("tell it that the other is there")?;
        one.meet("called", "know that it has called")
    })
}

/// Lets it say who has called, and end.
pub(crate) fn let_tell(mut one: Child) -> Result<Status> {
    step_giving("let it tell", || {
        one.release("tell it that the other has called")?;
        one.finish("see whether all went well")
    })
}

/// Lets both talk to each other, and end. Who finds nobody at home is not the one who has failed.
pub(crate) fn converse(mut one: Child, mut other: Child) -> Result<Status> {
    other.beside(|_| let_call(&mut one))?;
    one.beside(|_| let_call(&mut other))?;
    match (let_tell(one)?, let_tell(other)?) {
        (Status::Exited(0), status) | (status, _) => Ok(status),
    }
}
