//! config-linux.md, "User namespace mappings".

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::conformance::report::Report;
use crate::conformance::{Bench, Case, Fits, case, kernel};
use crate::places::NOBODY;

pub(super) const CASES: &[Case] = &[
    case("ids/maps", "config-linux.md, User namespace mappings", Fits::Root, maps),
    case("ids/several-ranges", "config-linux.md, User namespace mappings", Fits::Root, ranges),
    case(
        "ids/files-belong-to-whom-they-did",
        "config-linux.md: SHOULD NOT modify the ownership",
        Fits::Root,
        owners,
    ),
    case("ids/devices", "config-linux.md, Devices: MUST be available", Fits::Root, devices),
    case("ids/unmapped-user", "config.md, User: in the container namespace", Fits::Root, unmapped),
    case("ids/rootless-newuidmap", "config-linux.md, User namespace mappings", Fits::Root, helped)
        .needing(kernel::uidmap),
    case("ids/rootless", "config-linux.md, User namespace mappings", Fits::User, rootless),
];

/// A container whose root is somebody else outside, who can read its files.
fn mapped(bench: &Bench, maps: &Value) -> Result<Value> {
    let mut config = bench.config();
    let list = config["linux"]["namespaces"].as_array_mut().context("a list")?;
    list.push(json!({"type": "user"}));
    config["linux"]["uidMappings"] = maps.clone();
    config["linux"]["gidMappings"] = maps.clone();
    Ok(config)
}

fn words(map: &str) -> Vec<Vec<&str>> {
    map.lines().map(|line| line.split_whitespace().collect()).collect()
}

fn maps(bench: &Bench) -> Result<()> {
    let config = mapped(bench, &json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]))?;
    let report = bench.run(&config)?;
    let right = vec![vec!["0", "100000", "65536"]];
    bench.equal("uid_map", words(report.word("uid_map")), right.clone());
    bench.equal("gid_map", words(report.word("gid_map")), right);
    bench.equal("uid inside", report.status("Uid"), "0\t0\t0\t0");
    bench.equal("setgroups", report.word("setgroups"), "allow");
    Ok(())
}

fn ranges(bench: &Bench) -> Result<()> {
    let maps = json!([
        {"containerID": 0, "hostID": 100_000, "size": 10},
        {"containerID": 1000, "hostID": 200_000, "size": 5},
    ]);
    let mut config = mapped(bench, &maps)?;
    config["process"]["user"] = json!({"uid": 1001, "gid": 1002});
    let report = bench.run(&config)?;
    let right = vec![vec!["0", "100000", "10"], vec!["1000", "200000", "5"]];
    bench.equal("uid_map", words(report.word("uid_map")), right);
    bench.equal("uid inside", report.status("Uid"), "1001\t1001\t1001\t1001");
    bench.equal("gid inside", report.status("Gid"), "1002\t1002\t1002\t1002");
    Ok(())
}

fn owners(bench: &Bench) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let config = mapped(bench, &json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]))?;
    let report = bench.probe(&config, &["stat:/etc/passwd"])?;
    bench.equal("outside", bench.root().join("etc/passwd").metadata()?.uid(), 0);
    let seen = report.answer("stat:/etc/passwd");
    bench.holds("inside", seen.starts_with("ok - 0644 65534 65534"), seen);
    Ok(())
}

/// They cannot be made in a user namespace, so they are the host's.
fn devices(bench: &Bench) -> Result<()> {
    let config = mapped(bench, &json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]))?;
    let report = bench.run(&config)?;
    for (name, rdev) in [
        ("null", "1:3"),
        ("zero", "1:5"),
        ("full", "1:7"),
        ("random", "1:8"),
        ("urandom", "1:9"),
        ("tty", "5:0"),
    ] {
        bench.equal(name, report.device(name), format!("c 0666 {rdev}"));
    }
    Ok(())
}

fn unmapped(bench: &Bench) -> Result<()> {
    let mut config = mapped(bench, &json!([{"containerID": 0, "hostID": 100_000, "size": 10}]))?;
    config["process"]["user"] = json!({"uid": 4000, "gid": 0});
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn rootless(bench: &Bench) -> Result<()> {
    let report = bench.run(&bench.config())?;
    let outside = if bench.place().is_other_user() { NOBODY } else { primitives::own_ids().0 };
    let right = vec![vec!["0".to_string(), outside.to_string(), "1".to_string()]];
    let seen: Vec<Vec<String>> = words(report.word("uid_map"))
        .into_iter()
        .map(|line| line.into_iter().map(str::to_string).collect())
        .collect();
    bench.equal("uid_map", seen, right);
    bench.equal("uid inside", report.status("Uid"), "0\t0\t0\t0");
    bench.equal("setgroups", report.word("setgroups"), "deny");
    Ok(())
}

/// An ordinary user whom /etc/subuid gives more ids than his own. The file is this case's own, in a mount
/// namespace that the runtime is started in.
fn helped(bench: &Bench) -> Result<()> {
    const BECOME: &str = "mount --bind $1 /etc/subuid && mount --bind $1 /etc/subgid && shift && \
                          exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"";
    let maps = json!([
        {"containerID": 0, "hostID": NOBODY, "size": 1},
        {"containerID": 1, "hostID": 210_000, "size": 1000},
    ]);
    let mut config = mapped(bench, &maps)?;
    if let Some(linux) = config["linux"].as_object_mut() {
        linux.remove("resources");
    }
    let mounts = config["mounts"].as_array_mut().context("a list")?;
    mounts.retain(|mount| mount["type"] != "cgroup");
    bench.write(&config)?;
    let file = bench.path("subids");
    fs::write(&file, format!("{NOBODY}:210000:1000\nnobody:210000:1000\n"))?;
    for place in [bench.path("state"), bench.bundle(), bench.root(), bench.path("user")] {
        std::os::unix::fs::chown(place, Some(NOBODY), Some(NOBODY))?;
    }
    let file = file.to_string_lossy().into_owned();
    let under = ["unshare", "--mount", "sh", "-c", BECOME, "sh", &file];
    let mut command = bench.ready_under(&under, &["run", bench.id()]);
    command.env("HOME", "/nonexistent");
    let report = Report::read(&bench.finish(command)?.good()?.stdout)?;
    let right = [["0", &NOBODY.to_string(), "1"], ["1", "210000", "1000"]];
    bench.equal("uid_map", words(report.word("uid_map")), right.map(|line| line.to_vec()));
    bench.equal("setgroups", report.word("setgroups"), "allow");
    Ok(())
}
