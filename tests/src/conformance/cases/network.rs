//! config-linux.md, "Network Devices".

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::conformance::{Bench, Case, Fits, case, kernel};

pub(super) const CASES: &[Case] = &[
    case("network/moved", "config-linux.md, Network Devices: MUST preserve", Fits::Root, moved)
        .needing(kernel::iproute2),
    case("network/template", "config-linux.md, Network Devices: %d", Fits::Root, template)
        .needing(kernel::iproute2),
    case("network/by-path", "config-linux.md, Network Devices", Fits::Root, by_path)
        .needing(kernel::iproute2),
    case(
        "network/name-is-taken",
        "config-linux.md, Network Devices: MUST generate an error",
        Fits::Root,
        taken,
    )
    .needing(kernel::iproute2),
    case("network/no-such-device", "config-linux.md, Network Devices", Fits::Root, missing),
    case("network/without-rights", "config-linux.md, Network Devices", Fits::User, without_rights)
        .needing(kernel::iproute2),
];

/// A wire of this case's own, which is gone with it.
struct Wire {
    one: String,
    other: String,
}

impl Wire {
    fn new(bench: &Bench) -> Result<Wire> {
        let number = bench.id().rsplit_once('-').map_or("0", |(_, number)| number);
        let (one, other) = wire_names(number);
        ip(&["link", "add", &one, "type", "veth", "peer", "name", &other])?;
        Ok(Wire { one, other })
    }

    fn is_here(&self, name: &str) -> bool {
        std::path::Path::new("/sys/class/net").join(name).exists()
    }
}

/// A name has fifteen characters at most, and several runs of the suite may be at it.
fn wire_names(number: &str) -> (String, String) {
    let process = std::process::id() % 100_000;
    (format!("pa{process}n{number}"), format!("pb{process}n{number}"))
}

impl Drop for Wire {
    fn drop(&mut self) {
        for name in [&self.one, &self.other] {
            let _ = Command::new("ip").args(["link", "del", name]).output();
        }
    }
}

fn ip(words: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(words).output()?;
    ensure!(output.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

const IPV4: &str = "read:/proc/net/fib_trie";
const IPV6: &str = "read:/proc/net/if_inet6";

fn moved(bench: &Bench) -> Result<()> {
    let wire = Wire::new(bench)?;
    ip(&["addr", "add", "10.251.7.3/24", "dev", &wire.one])?;
    ip(&["addr", "add", "169.254.7.3/16", "scope", "link", "dev", &wire.one])?;
    ip(&["-6", "addr", "add", "fd00:251::3/64", "dev", &wire.one, "nodad"])?;
    ip(&["link", "set", &wire.one, "up"])?;
    let mut config = bench.config();
    config["linux"]["netDevices"] = json!({ &wire.one: {"name": "eth7"} });
    let up = "read:/sys/class/net/eth7/flags";
    let report = bench.probe(&config, &["list:/sys/class/net", up, IPV4, IPV6])?;
    let names = report.answer("list:/sys/class/net");
    bench.holds("its new name", names.contains("eth7") && !names.contains(&wire.one), names);
    let flags = report.answer(up).trim_start_matches("ok 0x").trim_end();
    let flags = u32::from_str_radix(flags, 16).unwrap_or(0);
    bench.holds("it is up", flags & 1 == 1, report.answer(up));
    bench.holds("its address", report.answer(IPV4).contains("10.251.7.3"), report.answer(IPV4));
    bench.holds("and the other", report.answer(IPV6).contains("fd0002510000"), report.answer(IPV6));
    let of_the_wire = report.answer(IPV4).contains("169.254.7.3");
    bench.holds("not what is good for this wire alone", !of_the_wire, report.answer(IPV4));
    bench.holds("gone from here", !wire.is_here(&wire.one), &wire.one);
    Ok(())
}

fn template(bench: &Bench) -> Result<()> {
    let (one, two) = (Wire::new(bench)?, "list:/sys/class/net");
    let mut config = bench.config();
    config["linux"]["netDevices"] =
        json!({ &one.one: {"name": "net%d"}, &one.other: {"name": "net%d"} });
    let report = bench.probe(&config, &[two])?;
    bench.equal("two names", report.answer(two), "ok lo net0 net1");
    Ok(())
}

fn by_path(bench: &Bench) -> Result<()> {
    let wire = Wire::new(bench)?;
    bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    let path = format!("/proc/{}/ns/net", bench.pid()?);
    let mut config = bench.config_for(&["list:/proc/sys/net/ipv4/conf", "report"]);
    let list = config["linux"]["namespaces"].as_array_mut().expect("there is a list");
    list.iter_mut()
        .filter(|one| one["type"] == "network")
        .for_each(|one| one["path"] = json!(path));
    config["linux"]["netDevices"] = json!({ &wire.one: {} });
    config["mounts"].as_array_mut().expect("a list").retain(|one| one["type"] != "sysfs");
    bench.write(&config)?;
    let other = format!("{}-b", bench.id());
    let done = bench.command(&["run", &other])?.good()?;
    bench.holds("it is there", done.stdout.contains(&wire.one), &done);
    Ok(())
}

fn taken(bench: &Bench) -> Result<()> {
    let wire = Wire::new(bench)?;
    let mut config = bench.config();
    config["linux"]["netDevices"] = json!({ &wire.one: {"name": "lo"} });
    bench.fails("refused", &bench.try_run(&config)?, 1);
    bench.holds("the device is where it was", wire.is_here(&wire.one), &wire.one);
    Ok(())
}

fn missing(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["linux"]["netDevices"] = json!({"nosuchdevice": {}});
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

/// Somebody who may not take a device of the host gets none.
fn without_rights(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let list = config["linux"]["namespaces"].as_array_mut().expect("there is a list");
    if !list.iter().any(|one| one["type"] == "network") {
        list.push(json!({"type": "network"}));
    }
    config["linux"]["netDevices"] = json!({"lo": {"name": "eth0"}});
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}
