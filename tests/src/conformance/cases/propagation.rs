//! config.md and config-linux.md: with whom mounts are shared.

use std::fs;

use anyhow::{Context, Result};
use serde_json::json;

use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("propagation/root", "config-linux.md, Rootfs Mount Propagation", Fits::Root, root),
    case("propagation/root-default", "runc: slave by default", Fits::Root, root_default),
    case("propagation/root-recursive", "runc: rslave and so on", Fits::Root, root_recursive),
    case("propagation/root-wrong", "config-linux.md, Rootfs Mount Propagation", Fits::Root, wrong),
    case("propagation/of-mounts", "config.md, Linux mount options", Fits::Root, of_mounts),
    case("propagation/nothing-goes-out", "config-linux.md, Namespaces: mount", Fits::Root, inside),
];

/// A value, and what mountinfo says then.
const ROOTS: [(&str, &str); 4] = [
    ("private", ""),
    ("shared", "shared"),
    ("unbindable", "unbindable"),
    // There is nobody to be a slave of: the root was made for this container alone.
    ("slave", ""),
];

fn root(bench: &Bench) -> Result<()> {
    for (value, right) in ROOTS {
        let mut config = bench.config();
        config["linux"]["rootfsPropagation"] = json!(value);
        let seen = bench.run(&config).map(|report| {
            report
                .mount("/")
                .map(|mount| mount.propagation().replace("master", "").trim().to_string())
        });
        bench.comes(value, seen, |word| word.as_deref() == Some(right));
    }
    Ok(())
}

fn root_default(bench: &Bench) -> Result<()> {
    let report = bench.run(&bench.config())?;
    let seen = report.mount("/").context("no root")?.propagation();
    bench.holds("not shared", !seen.contains("shared"), seen);
    Ok(())
}

fn root_recursive(bench: &Bench) -> Result<()> {
    for value in ["rprivate", "rslave", "rshared"] {
        let mut config = bench.config();
        config["linux"]["rootfsPropagation"] = json!(value);
        let done = bench.try_run(&config)?;
        bench.equal(value, (done.code, done.stderr), (0, String::new()));
    }
    Ok(())
}

fn wrong(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["linux"]["rootfsPropagation"] = json!("everywhere");
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn of_mounts(bench: &Bench) -> Result<()> {
    let source = bench.path("source");
    fs::create_dir(&source)?;
    let table = [
        ("private", ""),
        ("rprivate", ""),
        ("shared", "shared"),
        ("rshared", "shared"),
        ("unbindable", "unbindable"),
        ("runbindable", "unbindable"),
    ];
    for (option, right) in table {
        let mut config = bench.config();
        let mount = json!({"destination": "/tmp", "type": "bind", "source": source,
            "options": ["rbind", option]});
        config["mounts"].as_array_mut().expect("there are mounts").push(mount);
        let report = bench.run(&config)?;
        let seen = report.mount("/tmp").context("no mount")?.propagation();
        bench.equal(option, seen, right);
    }
    Ok(())
}

/// What is mounted in the container stays there, even below something shared with the host.
fn inside(bench: &Bench) -> Result<()> {
    let report = bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    bench.holds("its root is its own", report.mount("/").is_some(), "no root");
    let folder = bench.path("").to_string_lossy().into_owned();
    let host = fs::read_to_string("/proc/self/mountinfo")?;
    bench.holds("nothing on the host", !host.contains(&folder), folder);
    Ok(())
}
