//! config-linux.md, "Devices", "Default Devices" and "Allowed Device list".

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case(
        "devices/default",
        "config-linux.md, Default Devices: MUST also supply",
        Fits::All,
        default,
    ),
    case("devices/links", "config-linux.md, Default Devices: /dev/ptmx; runc", Fits::All, links),
    case("devices/default-work", "config-linux.md, Default Devices", Fits::All, they_work),
    case("devices/no-others", "config-linux.md, Devices: MAY NOT access", Fits::Root, no_others),
    case("devices/nodes", "config-linux.md, Devices: MUST be available", Fits::Root, nodes),
    case("devices/outside-of-dev", "config-linux.md, Devices: path", Fits::Root, elsewhere),
    case(
        "devices/existing-file",
        "config-linux.md, Devices: MUST generate an error",
        Fits::Root,
        existing,
    ),
    case("devices/allowed", "config-linux.md, Allowed Device list", Fits::Root, allowed),
    case("devices/denied", "config-linux.md, Allowed Device list", Fits::Root, denied),
    case(
        "devices/in-order",
        "config-linux.md: MUST apply in the listed order",
        Fits::Root,
        in_order,
    ),
    case("devices/denied-by-default", "GHSA-g54h-m393-cpwq", Fits::Root, denied_by_default),
    case("devices/unknown-type", "config-linux.md, Devices: type", Fits::Root, unknown),
];

const DEFAULT: [(&str, &str); 6] = [
    ("null", "1:3"),
    ("zero", "1:5"),
    ("full", "1:7"),
    ("random", "1:8"),
    ("urandom", "1:9"),
    ("tty", "5:0"),
];

fn default(bench: &Bench) -> Result<()> {
    let report = bench.run(&bench.config())?;
    for (name, rdev) in DEFAULT {
        bench.equal(name, report.device(name), format!("c 0666 {rdev}"));
    }
    Ok(())
}

fn links(bench: &Bench) -> Result<()> {
    let report = bench.run(&bench.config())?;
    let table = [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ];
    for (name, target) in table {
        bench.equal(name, report.0["devices"][name]["target"].as_str(), Some(target));
    }
    bench.equal(
        "core",
        report.0["devices"]["core"]["target"].as_str().unwrap_or("/proc/kcore"),
        "/proc/kcore",
    );
    Ok(())
}

fn they_work(bench: &Bench) -> Result<()> {
    let probes = [
        "write:/dev/null",
        "read:/dev/null",
        "write:/dev/full",
        "write:/dev/ptmx",
        "write:/dev/zero",
        "read:/dev/tty",
    ];
    let report = bench.probe(&bench.config(), &probes)?;
    for probe in &probes[..5] {
        bench.equal(probe, report.answer(probe), "ok ");
    }
    // There is no terminal, which is another answer than that it may not be opened.
    bench.equal("read:/dev/tty", report.answer("read:/dev/tty"), "errno 6");
    Ok(())
}

fn no_others(bench: &Bench) -> Result<()> {
    let report = bench.run(&bench.config())?;
    let seen = report.0["devices"].as_object().context("no devices")?;
    let nodes = seen.iter().filter(|(_, about)| about["type"] == "c" || about["type"] == "b");
    let known = |name: &str| DEFAULT.iter().any(|(device, _)| *device == name) || name == "ptmx";
    let others: Vec<&String> = nodes.map(|(name, _)| name).filter(|name| !known(name)).collect();
    bench.equal("only the default ones", others, Vec::<&String>::new());
    Ok(())
}

fn with_devices(bench: &Bench, devices: &Value) -> Value {
    let mut config = bench.config();
    config["linux"]["devices"] = devices.clone();
    config
}

fn nodes(bench: &Bench) -> Result<()> {
    let devices = json!([
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 5, "gid": 6},
        {"path": "/dev/sda", "type": "b", "major": 8, "minor": 0, "fileMode": 0o600},
        {"path": "/dev/raw", "type": "u", "major": 1, "minor": 3},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o622},
        {"path": "/dev/deep/er/big", "type": "c", "major": 300, "minor": 70000, "fileMode": 0o666},
    ]);
    let report = bench.probe(&with_devices(bench, &devices), &["stat:/dev/deep/er/big"])?;
    let seen = &report.0["devices"];
    bench.equal("c", report.device("fuse"), "c 0640 10:229".to_string());
    bench.equal("its owner", (&seen["fuse"]["uid"], &seen["fuse"]["gid"]), (&json!(5), &json!(6)));
    bench.equal("b", report.device("sda"), "b 0600 8:0".to_string());
    bench.holds("u", report.device("raw").starts_with("c "), report.device("raw"));
    bench.equal("p", report.device("pipe"), "p 0622 0:0".to_string());
    let deep = report.answer("stat:/dev/deep/er/big");
    bench.equal("large numbers, deep", deep, "ok c 0666 0 0 300:70000 nlink 1");
    Ok(())
}

fn elsewhere(bench: &Bench) -> Result<()> {
    let devices =
        json!([{"path": "/opt/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]);
    let report = bench.probe(&with_devices(bench, &devices), &["stat:/opt/null"])?;
    bench.equal("it is there", report.answer("stat:/opt/null"), "ok c 0666 0 0 1:3 nlink 1");
    Ok(())
}

/// "If a file already exists at path that does not match the requested device, the runtime MUST
/// generate an error."
fn existing(bench: &Bench) -> Result<()> {
    let devices =
        json!([{"path": "/etc/passwd", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]);
    bench.fails("refused", &bench.try_run(&with_devices(bench, &devices))?, 1);
    bench.holds("untouched", bench.root().join("etc/passwd").is_file(), "replaced");
    Ok(())
}

/// Kernel messages: they are there on each machine, and opening them needs only the list.
fn with_list(bench: &Bench, list: &Value) -> Value {
    let devices =
        json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]);
    let mut config = with_devices(bench, &devices);
    config["linux"]["resources"]["devices"] = list.clone();
    config
}

/// Not permitted.
const EPERM: &str = "errno 1";

fn opens(bench: &Bench, list: &Value) -> Result<bool> {
    let report = bench.probe(&with_list(bench, list), &["write:/dev/kmsg"])?;
    Ok(report.answer("write:/dev/kmsg") != EPERM)
}

fn allowed(bench: &Bench) -> Result<()> {
    let list = json!([
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rw"},
    ]);
    bench.equal("opens", opens(bench, &list)?, true);
    Ok(())
}

fn denied(bench: &Bench) -> Result<()> {
    let list = json!([
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"},
    ]);
    bench.equal("opens to write", opens(bench, &list)?, false);
    let list = json!([{"allow": false, "access": "rwm"}]);
    bench.equal("opens", opens(bench, &list)?, false);
    Ok(())
}

fn in_order(bench: &Bench) -> Result<()> {
    let rule = |allow: bool| json!({"allow": allow, "type": "c", "major": 1, "minor": 11, "access": "rwm"});
    let all = json!({"allow": false, "access": "rwm"});
    bench.equal("allowed last", opens(bench, &json!([all, rule(false), rule(true)]))?, true);
    bench.equal("denied last", opens(bench, &json!([all, rule(true), rule(false)]))?, false);
    Ok(())
}

/// Nothing is said of devices, so nothing but the default ones may be opened.
fn denied_by_default(bench: &Bench) -> Result<()> {
    bench.equal("opens", opens(bench, &json!([]))?, false);
    Ok(())
}

fn unknown(bench: &Bench) -> Result<()> {
    let devices = json!([{"path": "/dev/x", "type": "x", "major": 1, "minor": 3}]);
    bench.fails("refused", &bench.try_run(&with_devices(bench, &devices))?, 1);
    Ok(())
}
