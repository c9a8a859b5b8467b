//! config.md, "Root".

use anyhow::Result;
use serde_json::json;

use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("root/read-only", "config.md, Root: readonly", Fits::All, read_only),
    case("root/writable", "config.md, Root: readonly", Fits::All, writable),
    case("root/absolute-path", "config.md, Root: path", Fits::All, absolute),
    case("root/missing", "config.md, Root: path", Fits::All, missing),
    case("root/not-given", "config.md, Root", Fits::All, not_given),
    case("root/is-all-there-is", "config.md, Root", Fits::All, is_all),
    case("root/other-bundle", "bundle.md", Fits::All, other_bundle),
];

/// Read-only file system.
const EROFS: &str = "errno 30";

fn read_only(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["root"]["readonly"] = json!(true);
    let report = bench.probe(&config, &["create:/file", "mkdir:/tmp/directory"])?;
    bench.equal("create", report.answer("create:/file"), EROFS);
    bench.equal("mkdir", report.answer("mkdir:/tmp/directory"), EROFS);
    let root = report.mount("/").map(|mount| mount.has("ro"));
    bench.equal("the mount", root, Some(true));
    Ok(())
}

fn writable(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["root"]["readonly"] = json!(false);
    let report = bench.probe(&config, &["create:/tmp/file"])?;
    bench.equal("create", report.answer("create:/tmp/file"), "ok ");
    bench.holds("it is in the bundle", bench.root().join("tmp/file").exists(), "no");
    config["root"].as_object_mut().map(|root| root.remove("readonly"));
    let report = bench.probe(&config, &["create:/tmp/other"])?;
    bench.equal("by default", report.answer("create:/tmp/other"), "ok ");
    Ok(())
}

fn absolute(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["root"]["path"] = json!(bench.root());
    bench.run(&config)?;
    Ok(())
}

fn missing(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["root"]["path"] = json!("nowhere");
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn not_given(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config.as_object_mut().map(|config| config.remove("root"));
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

/// Nothing of the host: not its root, and not by way of a working directory.
fn is_all(bench: &Bench) -> Result<()> {
    let report = bench.probe(&bench.config(), &["list:/", "list:/..", "stat:/work"])?;
    bench.equal("no way up", report.answer("list:/.."), report.answer("list:/"));
    let names = report.answer("list:/").trim_start_matches("ok ").split(' ').collect::<Vec<_>>();
    let inside = std::fs::read_dir(bench.root())?.flatten();
    let mut inside: Vec<String> =
        inside.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    inside.sort();
    bench.equal("what is there", names, inside);
    Ok(())
}

fn other_bundle(bench: &Bench) -> Result<()> {
    bench.write(&bench.config())?;
    let (bundle, user) = (bench.bundle(), bench.path("user"));
    let mut command = bench.ready(&["run", "--bundle", &bundle.to_string_lossy(), bench.id()]);
    command.current_dir(&user);
    bench.finish(command)?.good()?;
    Ok(())
}
