//! Rules that give packets other addresses: by nftables.
//!
//! The rules are a program of the kernel's, and its language is netlink too. `nft` speaks it, and takes
//! rules as JSON.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use primitives::{
    Birth, Error, Result, Status, dup2, execve, find_program, memfd_create_inheritable,
    own_environment, spawn,
};
use serde_json::{Value, json};

use crate::publish::Ports;

// ANCHOR: rules
/// What is for the port is for the container; what leaves by `wire` comes from this machine.
fn rules(ports: Ports, container: Ipv4Addr, wire: &str) -> Value {
    let in_table = |mut object: Value| {
        object["family"] = json!("ip");
        object["table"] = json!("porthole");
        object
    };
    let chain = |name: &str, hook: &str, priority: i32| {
        let chain = json!({"name": name, "type": "nat", "hook": hook, "prio": priority});
        json!({"add": {"chain": in_table(chain)}})
    };
    let rule = |chain: &str, left: Value, right: Value, what: Value| {
        let matched = json!({"match": {"op": "==", "left": left, "right": right}});
        json!({"add": {"rule": in_table(json!({"chain": chain, "expr": [matched, what]}))}})
    };
    let port = json!({"payload": {"protocol": "tcp", "field": "dport"}});
    let dnat = json!({"dnat": {"addr": container.to_string(), "port": ports.inside}});
    json!({"nftables": [
        {"add": {"table": {"family": "ip", "name": "porthole"}}},
        chain("before", "prerouting", -100),
        chain("after", "postrouting", 100),
        rule("before", port, json!(ports.outside), dnat),
        rule("after", json!({"meta": {"key": "oifname"}}), json!(wire), json!({"masquerade": null})),
    ]})
}
// ANCHOR_END: rules

/// Puts the rules in.
pub(crate) fn publish(ports: Ports, container: Ipv4Addr, wire: &str) -> Result<()> {
    let nft = nft()?;
    let text = rules(ports, container, wire).to_string();
    let file = memfd_create_inheritable("rules", text.as_bytes(), "hand the rules over")?;
    let why = "have the rules put in by the program that speaks their language";
    let child = spawn("nft", Birth::default(), why, |_| become_nft(&nft, &file))?;
    match child.finish("see whether the rules are in")? {
        Status::Exited(0) => Ok(()),
        status => Err(Error::Unusable(format!(
            "nft has not put the rules in ({status}): does this kernel have nf_tables, with NAT?"
        ))),
    }
}

/// An ordinary user's PATH has no sbin.
fn nft() -> Result<PathBuf> {
    let mut search = std::env::var_os("PATH").unwrap_or_default();
    search.push(":/usr/sbin:/sbin");
    find_program("nft".as_ref(), &search).map_err(|_| {
        let install = "publishing a port here takes nft (Debian: apt-get install nftables)";
        Error::Unusable(install.to_string())
    })
}

fn become_nft(nft: &Path, rules: &OwnedFd) -> Result<u8> {
    let words = ["nft", "-j", "-f", "-"].map(OsString::from);
    dup2(rules.as_fd(), 0, "let it read the rules")?;
    match execve(nft, &words, &own_environment(), "put the rules in")? {}
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::rules;
    use crate::publish::Ports;

    #[test]
    fn the_rules_name_ports_and_addresses() {
        let ports = Ports { outside: 8080, inside: 80 };
        let text = rules(ports, Ipv4Addr::new(10, 11, 0, 2), "outer").to_string();
        for part in [
            r#"{"dnat":{"addr":"10.11.0.2","port":80}}"#,
            r#""right":8080"#,
            r#""right":"outer""#,
            r#""hook":"prerouting""#,
        ] {
            assert!(text.contains(part), "{part} {text}");
        }
    }

    #[test]
    fn ports_are_two_numbers() {
        assert!("8080:80".parse::<Ports>().is_ok());
        assert!("80".parse::<Ports>().is_ok_and(|ports| ports.inside == 80));
        for text in ["", "80:", ":80", "0:80", "80:65536", "a:b"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }
}
