//! Exercise 11.2: Two who reach each other (15 minutes)
//!
//! Your program makes two network namespaces and connects them. In the first one somebody holds still,
//! with the address `ONE`; in the second one, with the address `TWO`, `CMD` runs and can reach the first.
//! Both addresses are of one net of 256.
//!
//! What is here already makes a machine in miniature, where there is the power over all of it, and the two
//! processes in it, which wait for a wire. The wire is missing, and so is what each does with its end.
//!
//! Your program is started as `ex11_2 --one ONE --two TWO -- CMD [ARGUMENT …]` and ends with the exit
//! code of `CMD`. The grader draws the addresses, and `CMD` sends a packet to `ONE` and waits for the
//! answer.
//!
//! hint: A wire has two ends, and each can be in another namespace. Here neither stays with the machine.
//! hint: `link_new_veth_into` gives one end away, `link_move` the other. Or make a bridge, as the chapter
//!       does.
//! hint: Machine: `link_new_veth_into("one", "eth0", Netns::OfProcess(one.pid()), …)`, then
//!       `link_move("one", Netns::OfProcess(two.pid()), "eth0", …)`. Each end: `address_add("eth0", …)`
//!       with `Cidr { ip, prefix: 24 }.into()`, and `link_set_up`.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Parser;
use primitives::{
    Birth, Child, Form, IdMap, Namespaces, Pid, Result, Signal, Status, ToParent, WindowArgs,
    become_program, deny_setgroups, link_named, own_ids, spawn, step, step_giving, write_gid_map,
    write_uid_map,
};

// SOLUTION
use primitives::{Cidr, Netns, address_add, link_move, link_new_veth_into, link_set_up};
// END SOLUTION

/// Runs CMD in a network where somebody else can be reached.
#[derive(Parser)]
#[command(name = "ex11_2")]
struct Cli {
    /// The address of who holds still
    #[arg(long)]
    one: Ipv4Addr,
    /// The address of CMD
    #[arg(long)]
    two: Ipv4Addr,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, run)
}

/// A machine in miniature, in which there is the power over both namespaces.
fn run(cli: &Cli) -> Result<Status> {
    let mut machine = step_giving("make a machine", || {
        let namespaces = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNET;
        let birth = Birth { namespaces, cgroup: None };
        spawn("machine", birth, "have the power over what is made in there", |parent| {
            step("tie to the parent", || parent.tie(Signal::SIGKILL, "end when it ends"))?;
            step_giving("wait for the maps", || parent.wait("be root in here"))?;
            Ok(machine(cli)?.code())
        })
    })?;
    machine.beside(map_root)?;
    step_giving("let it go on", || machine.release("tell it that it is root"))?;
    step_giving("take its status", || machine.finish("pass its exit code on"))
}

fn machine(cli: &Cli) -> Result<Status> {
    let mut one = container("one", cli.one.into(), |parent| {
        step_giving("hold still", || parent.wait("be there for the other"))?;
        Ok(0)
    })?;
    let mut two = container("two", cli.two.into(), |_| {
        wait_for_the_wire();
        step_giving("become the program", || become_program(&cli.command, "run what was asked for"))
    })?;
    connect(&mut one, &two)?;
    step_giving("let them settle", || {
        one.release("tell it that the wire is there")?;
        two.release("tell it that the wire is there")
    })?;
    let status = step_giving("take the status", || two.finish("pass its exit code on"))?;
    step_giving("let the other go", || {
        one.release("tell it that nobody needs it any more")?;
        one.finish("leave nobody behind")
    })?;
    Ok(status)
}

/// A process with a network of its own, which settles there when it has a wire.
fn container(
    role: &'static str,
    ip: IpAddr,
    rest: impl FnOnce(&ToParent) -> Result<u8>,
) -> Result<Child> {
    let birth = Birth { namespaces: Namespaces::CLONE_NEWNET, cgroup: None };
    step_giving("make a container", || {
        spawn(role, birth, "have somebody with a network of its own", |parent| {
            step("tie to the machine", || parent.tie(Signal::SIGKILL, "end when it ends"))?;
            step_giving("wait for the wire", || parent.wait("have a device"))?;
            settle(ip)?;
            rest(parent)
        })
    })
}

/// Lays a wire from one to the other.
fn connect(one: &mut Child, two: &Child) -> Result<()> {
    // STARTER: let _ = (one, two);
    // STARTER: Ok(())
    // SOLUTION
    let two = two.pid();
    one.beside(|one| {
        step("lay a wire", || {
            link_new_veth_into("two", "eth0", Netns::OfProcess(one), "have one end there")?;
            link_move("two", Netns::OfProcess(two), "eth0", "have the other end there")
        })
    })
    // END SOLUTION
}

/// What each does with its end.
fn settle(ip: IpAddr) -> Result<()> {
    // STARTER: let _ = ip;
    // STARTER: Ok(())
    // SOLUTION
    step("settle", || {
        address_add("eth0", &Cidr { ip, prefix: 24 }.into(), "be somebody on the wire")?;
        link_set_up("eth0", "let packets in and out")
    })
    // END SOLUTION
}

/// The kernel gets a wire going in its own time once both ends are on.
fn wait_for_the_wire() {
    let start = Instant::now();
    let runs = || link_named("eth0").is_ok_and(|link| link.running);
    while !runs() && start.elapsed() < Duration::from_secs(3) {
        sleep(Duration::from_millis(1));
    }
}

fn map_root(child: Pid) -> Result<()> {
    let (uid, gid) = own_ids();
    step("map root", || {
        deny_setgroups(Some(child), "be allowed to map a group")?;
        write_uid_map(Some(child), &[IdMap::one(0, uid)], "make root in there the same as us")?;
        write_gid_map(Some(child), &[IdMap::one(0, gid)], "make its group the same as ours")
    })
}
