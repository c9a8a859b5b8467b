//! config-linux.md, "Masked Paths" and "Readonly Paths".

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("paths/masked-default", "config-linux.md, Masked Paths", Fits::All, masked_default),
    case(
        "paths/masked-file",
        "config-linux.md, Masked Paths: cannot be read",
        Fits::All,
        masked_file,
    ),
    case(
        "paths/masked-directory",
        "config-linux.md, Masked Paths: cannot be read",
        Fits::All,
        masked_directory,
    ),
    case("paths/masked-missing", "config-linux.md, Masked Paths", Fits::All, missing),
    case("paths/masked-relative", "config-linux.md: MUST be absolute paths", Fits::All, relative),
    case("paths/masked-with-bad-null", "CVE-2025-31133", Fits::Root, bad_null),
    case("paths/readonly-default", "config-linux.md, Readonly Paths", Fits::All, readonly_default),
    case("paths/readonly-file", "config-linux.md, Readonly Paths", Fits::All, readonly_file),
    case("paths/readonly-keeps-flags", "a remount must not lose flags", Fits::Root, keeps_flags),
];

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A file reads as nothing, a directory lists as nothing.
fn masked_default(bench: &Bench) -> Result<()> {
    let config = bench.config();
    let paths = texts(&config["linux"]["maskedPaths"]);
    let probes: Vec<String> = paths
        .iter()
        .flat_map(|path| [format!("read:{path}"), format!("list:{path}"), format!("stat:{path}")])
        .collect();
    let words: Vec<&str> = probes.iter().map(String::as_str).collect();
    let report = bench.probe(&config, &words)?;
    for path in paths {
        let stat = report.answer(&format!("stat:{path}")).to_string();
        let good = match () {
            () if stat.starts_with("errno 2") => true,
            () if stat.starts_with("ok d") => report.answer(&format!("list:{path}")) == "ok ",
            () => report.answer(&format!("read:{path}")) == "ok " && stat.contains(" 1:3 "),
        };
        bench.holds(path, good, stat);
    }
    Ok(())
}

fn masked_file(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    fs::write(bench.root().join("etc/secret"), "secret")?;
    config["linux"]["maskedPaths"] = json!(["/etc/secret"]);
    let report = bench.probe(&config, &["read:/etc/secret", "stat:/etc/secret"])?;
    bench.equal("read", report.answer("read:/etc/secret"), "ok ");
    let stat = report.answer("stat:/etc/secret");
    bench.holds("the null device", stat.starts_with("ok c") && stat.contains(" 1:3 "), stat);
    Ok(())
}

fn masked_directory(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    fs::create_dir(bench.root().join("opt"))?;
    bench.own(&bench.root().join("opt"))?;
    fs::write(bench.root().join("opt/secret"), "secret")?;
    config["linux"]["maskedPaths"] = json!(["/opt"]);
    let report = bench.probe(&config, &["list:/opt", "read:/opt/secret", "create:/opt/new"])?;
    bench.equal("list", report.answer("list:/opt"), "ok ");
    bench.equal("read", report.answer("read:/opt/secret"), "errno 2");
    bench.equal("create", report.answer("create:/opt/new"), "errno 30");
    Ok(())
}

fn missing(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["linux"]["maskedPaths"] = json!(["/proc/nowhere", "/nowhere/at/all"]);
    config["linux"]["readonlyPaths"] = json!(["/proc/nowhere", "/nowhere/at/all"]);
    bench.run(&config)?;
    bench.holds("it is not made", !bench.root().join("nowhere").exists(), "it was");
    Ok(())
}

fn relative(bench: &Bench) -> Result<()> {
    for name in ["maskedPaths", "readonlyPaths"] {
        let mut config = bench.config();
        config["linux"][name] = json!(["proc/kcore"]);
        bench.fails(name, &bench.try_run(&config)?, 1);
    }
    Ok(())
}

/// A root that brings a `/dev/null` of its own, and no `/dev` is mounted over it.
fn bad_null(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let mounts = config["mounts"].as_array_mut().expect("there are mounts");
    mounts.retain(|mount| !mount["destination"].as_str().unwrap_or("").starts_with("/dev"));
    fs::write(bench.root().join("etc/secret"), "secret")?;
    fs::write(bench.root().join("etc/decoy"), "decoy")?;
    std::os::unix::fs::symlink("/etc/decoy", bench.root().join("dev/null"))?;
    config["linux"]["maskedPaths"] = json!(["/etc/secret"]);
    config["process"]["args"] = json!(["/bin/payload", "read:/etc/secret", "report"]);
    let done = bench.try_run(&config)?;
    let shown = done.stdout.contains("ok secret") || done.stdout.contains("ok decoy");
    bench.holds("refused, or masked all the same", !shown, done);
    Ok(())
}

fn readonly_default(bench: &Bench) -> Result<()> {
    let probes =
        ["write:/proc/sys/kernel/hostname", "write:/proc/sysrq-trigger", "create:/proc/sys/new"];
    let config = bench.config();
    let report = bench.probe(&config, &probes)?;
    for probe in &probes[..2] {
        // Not every kernel has both, and in a user namespace there is one more reason.
        let answer = report.answer(probe);
        bench.holds(probe, ["errno 30", "errno 13", "errno 2"].contains(&answer), answer);
    }
    for path in texts(&config["linux"]["readonlyPaths"]) {
        if let Some(mount) = report.mount(path) {
            bench.holds(path, mount.has("ro"), mount.options());
        }
    }
    bench.holds("/proc/sys", report.mount("/proc/sys").is_some(), report.mount_points());
    Ok(())
}

fn readonly_file(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["root"]["readonly"] = json!(false);
    config["linux"]["readonlyPaths"] = json!(["/etc"]);
    let report = bench.probe(&config, &["create:/etc/new", "create:/tmp/new"])?;
    bench.equal("inside", report.answer("create:/etc/new"), "errno 30");
    bench.equal("beside", report.answer("create:/tmp/new"), "ok ");
    Ok(())
}

fn keeps_flags(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let mount = json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
        "options": ["nosuid", "nodev", "noexec"]});
    config["mounts"].as_array_mut().expect("there are mounts").push(mount);
    config["linux"]["readonlyPaths"] = json!(["/tmp"]);
    let report = bench.run(&config)?;
    let options = report.mount("/tmp").map(|mount| mount.options()).unwrap_or_default();
    for flag in ["ro", "nosuid", "nodev", "noexec"] {
        bench.holds(flag, options.contains(&flag), &options);
    }
    Ok(())
}
