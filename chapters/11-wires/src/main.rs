//! Chapter 11: how does a container reach a network?
//!
//! A new network namespace holds one device, `lo`, and that is off. Whatever else shall be in it somebody
//! must put there: a wire, an address, a route. All of it is asked for in messages through a socket
//! (netlink), and all of it needs power over the namespace alone. So this chapter makes *a machine in
//! miniature*, a user and a network namespace of its own, where an ordinary user may lay any wire.

mod end;
mod look;
mod machine;
mod nat;
mod publish;
mod slirp;
mod veth;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use primitives::{Error, Form, Result, Status, WindowArgs};

use crate::publish::Ports;

/// Chapter 11: wires.
///
/// Without a subcommand it makes a machine in miniature and a container, lays a wire between the two,
/// and lets them talk. None of it needs root, and none of it touches this machine's network.
#[derive(Parser)]
#[command(name = "chapter11", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Network namespaces, and what connects them
    #[command(subcommand)]
    Net(Net),
}

#[derive(Subcommand)]
enum Net {
    /// Run a program in a network namespace of its own
    Run {
        /// How it reaches the network of this machine
        #[arg(long, value_enum, default_value_t = Network::None)]
        network: Network,
        /// Let it reach what listens on this machine's own loopback address, to see why not
        #[arg(long)]
        host_loopback: bool,
        /// The program and its arguments; without it, this one shows what there is
        #[arg(last = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Lay a wire between a machine in miniature, 10.11.0.1, and a container, 10.11.0.2
    Veth {
        /// The program for the container; without it, the two talk
        #[arg(last = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Plug two containers, 10.11.0.2 and 10.11.0.3, into a bridge, 10.11.0.1
    Bridge {
        /// The program for the second one; without it, the two talk
        #[arg(last = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Publish a port: in miniature by nftables, or of a program at 127.0.0.1 of this machine
    Publish {
        /// The port outside, and the port inside where there is one
        #[arg(long, value_name = "OUT[:IN]", default_value = "8080:80")]
        port: Ports,
        /// End after the first call
        #[arg(long, requires = "command")]
        once: bool,
        /// A program that answers: it is run for each call, which is its standard input and output
        #[arg(last = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
}

/// What the program's network namespace is connected to.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Network {
    /// To nothing
    None,
    /// To what this machine is connected to, by a program that does what a network stack does
    Slirp4netns,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    match topic {
        None => veth::talk(),
        Some(Topic::Net(Net::Run { network: Network::None, host_loopback: false, command })) => {
            machine::alone(command)
        }
        Some(Topic::Net(Net::Run { network: Network::None, .. })) => {
            let nobody = "--host-loopback says what slirp4netns does: add --network slirp4netns";
            Err(Error::Unusable(nobody.to_string()))
        }
        Some(Topic::Net(Net::Run { host_loopback, command, .. })) => {
            slirp::connected(command, *host_loopback)
        }
        Some(Topic::Net(Net::Veth { command })) if command.is_empty() => veth::talk(),
        Some(Topic::Net(Net::Veth { command })) => veth::run(command),
        Some(Topic::Net(Net::Bridge { command })) if command.is_empty() => veth::talk_by_bridge(),
        Some(Topic::Net(Net::Bridge { command })) => veth::run_by_bridge(command),
        Some(Topic::Net(Net::Publish { port, command, .. })) if command.is_empty() => {
            publish::in_miniature(*port)
        }
        Some(Topic::Net(Net::Publish { port, once, command })) => {
            publish::here(port.outside, *once, command)
        }
    }
}
