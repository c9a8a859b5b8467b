//! runc's `checkpoint` and `restore`, which are the work of criu.
//!
//! Where criu cannot do it, because it is older than the kernel or not there, the container must go on as
//! if nobody had asked. Both are one case: a machine has the one or the other.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use serde_json::json;

use crate::conformance::runtimes::OURS;
use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("checkpoint/there-and-back", "runc: checkpoint, restore", Fits::Root, there_and_back),
    case("checkpoint/leave-running", "runc: checkpoint --leave-running", Fits::Root, left_running),
    case("checkpoint/foreground", "runc: restore waits", Fits::Root, foreground),
    case(
        "checkpoint/other-rights",
        "what comes back is what config.json allows",
        Fits::Root,
        rights,
    ),
    case(
        "checkpoint/no-new-privileges",
        "config.md, noNewPrivileges",
        Fits::Root,
        no_new_privileges,
    ),
    case("checkpoint/links", "CVE-2026-53489: an image is no link", Fits::Root, links),
    case("checkpoint/stopped", "runc: checkpoint needs a running container", Fits::Root, stopped),
    case("checkpoint/no-images", "runc: restore", Fits::Root, no_images),
    case("checkpoint/without-criu", "runc: checkpoint", Fits::Root, without_criu),
];

/// Whether criu says of itself that it can work with this kernel.
fn works() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let output = Command::new("criu").arg("check").output();
        output.is_ok_and(|output| output.status.success())
    })
}

fn images(bench: &Bench) -> String {
    bench.path("images").to_string_lossy().into_owned()
}

/// Starts a container that counts, so that one sees whether it goes on or begins anew.
fn counting(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let script = "i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.05; done";
    config["process"]["args"] = json!(["/bin/busybox", "sh", "-c", script]);
    config["root"]["readonly"] = json!(false);
    // Old versions of criu lose it, and then the container is not let run: see below.
    config["process"]["noNewPrivileges"] = json!(false);
    bench.write(&config)?;
    bench.command(&["run", "--detach", bench.id()])?.good()?;
    bench.until("it counts", || Ok((count(bench) >= 2).then_some(())))
}

fn count(bench: &Bench) -> u64 {
    let text = fs::read_to_string(bench.root().join("count")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Writes it down; false where that cannot be, after it was seen that nothing has changed.
fn checkpoint(bench: &Bench, more: &[&str]) -> Result<bool> {
    let images = images(bench);
    let words = [&["checkpoint", "--image-path", &images], more, &[bench.id()]].concat();
    let done = bench.command(&words)?;
    if works() {
        done.good()?;
        return Ok(true);
    }
    bench.fails("refused", &done, 1);
    bench.until_status("running")?;
    let before = count(bench);
    bench.until("it goes on", || Ok((count(bench) != before).then_some(())))?;
    Ok(false)
}

fn there_and_back(bench: &Bench) -> Result<()> {
    counting(bench)?;
    if !checkpoint(bench, &[])? {
        return Ok(());
    }
    bench.fails("it is gone", &bench.command(&["state", bench.id()])?, 1);
    let before = count(bench);
    let images = images(bench);
    let words = ["restore", "--detach", "--image-path", &images, bench.id()];
    bench.command(&words)?.good()?;
    bench.until("it goes on", || Ok((count(bench) > before).then_some(())))?;
    bench.equal("status", bench.state()?["status"].as_str(), Some("running"));
    bench.pid()?;
    let done =
        bench.command(&["exec", bench.id(), "/bin/busybox", "cat", "/proc/1/comm"])?.good()?;
    bench.equal("exec", done.stdout.trim(), "busybox");
    bench.command(&["pause", bench.id()])?.good()?;
    bench.equal("paused", bench.state()?["status"].as_str(), Some("paused"));
    bench.command(&["resume", bench.id()])?.good()?;
    bench.stop()?;
    bench.command(&["delete", bench.id()])?.good()?;
    Ok(())
}

fn left_running(bench: &Bench) -> Result<()> {
    counting(bench)?;
    if checkpoint(bench, &["--leave-running"])? {
        bench.equal("status", bench.state()?["status"].as_str(), Some("running"));
        let before = count(bench);
        bench.until("it goes on", || Ok((count(bench) > before).then_some(())))?;
    }
    Ok(())
}

fn foreground(bench: &Bench) -> Result<()> {
    // It says nothing: a file that it has written to must be given to it again as it was.
    let mut config = bench.config_for(&["wait:/go", "exit:7"]);
    config["process"]["noNewPrivileges"] = json!(false);
    bench.write(&config)?;
    bench.command(&["run", "--detach", bench.id()])?.good()?;
    if !works() {
        return Ok(());
    }
    let images = images(bench);
    bench.command(&["checkpoint", "--image-path", &images, bench.id()])?.good()?;
    fs::write(bench.root().join("go"), "")?;
    let done = bench.command(&["restore", "--image-path", &images, bench.id()])?;
    bench.equal("exit code", done.code, 7);
    bench.fails("deleted", &bench.command(&["state", bench.id()])?, 1);
    Ok(())
}

/// Images of a container that was allowed more.
fn rights(bench: &Bench) -> Result<()> {
    counting(bench)?;
    if !checkpoint(bench, &[])? {
        return Ok(());
    }
    let file = bench.bundle().join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&file)?)?;
    config["process"].as_object_mut().context("an object")?.remove("capabilities");
    bench.write(&config)?;
    let before = count(bench);
    let images = images(bench);
    let words = ["restore", "--detach", "--image-path", &images, bench.id()];
    bench.fails("refused", &bench.command(&words)?, 1);
    bench.equal("it has not run", count(bench), before);
    Ok(())
}

/// It comes back, or nothing does: criu 3.17 does not keep it.
fn no_new_privileges(bench: &Bench) -> Result<()> {
    bench.write(&bench.config_for(&["sleep"]))?;
    bench.command(&["run", "--detach", bench.id()])?.good()?;
    if !works() {
        return Ok(());
    }
    let images = images(bench);
    bench.command(&["checkpoint", "--image-path", &images, bench.id()])?.good()?;
    let done = bench.command(&["restore", "--detach", "--image-path", &images, bench.id()])?;
    if done.code == 0 {
        bench.until_status("running")?;
        let status = fs::read_to_string(format!("/proc/{}/status", bench.pid()?))?;
        bench.holds("it is kept", status.contains("NoNewPrivs:\t1"), status);
    }
    Ok(())
}

/// Whoever packs an image for others to unpack can put a link in it.
fn links(bench: &Bench) -> Result<()> {
    let (images, target) = (bench.path("images"), bench.path("of-the-host"));
    fs::create_dir(&images)?;
    fs::write(&target, "whole")?;
    std::os::unix::fs::symlink(&target, images.join("restore.log"))?;
    std::os::unix::fs::symlink(&target, images.join("dump.log"))?;
    let images = images.to_string_lossy().into_owned();
    bench.write(&bench.config())?;
    let words = ["restore", "--detach", "--image-path", &images, bench.id()];
    bench.fails("restore", &bench.command(&words)?, 1);
    counting(bench)?;
    let words = ["checkpoint", "--image-path", &images, bench.id()];
    bench.fails("checkpoint", &bench.command(&words)?, 1);
    bench.equal("untouched", fs::read_to_string(&target)?, "whole");
    Ok(())
}

fn stopped(bench: &Bench) -> Result<()> {
    let images = images(bench);
    bench.create(&bench.config_for(&["sleep"]))?;
    let words = ["checkpoint", "--image-path", &images, bench.id()];
    bench.fails("created", &bench.command(&words)?, 1);
    bench.stop()?;
    bench.fails("stopped", &bench.command(&words)?, 1);
    Ok(())
}

fn no_images(bench: &Bench) -> Result<()> {
    bench.write(&bench.config())?;
    let images = images(bench);
    fs::create_dir(&images)?;
    let words = ["restore", "--detach", "--image-path", &images, bench.id()];
    bench.fails("refused", &bench.command(&words)?, 1);
    bench.fails("nothing is there", &bench.command(&["state", bench.id()])?, 1);
    Ok(())
}

fn without_criu(bench: &Bench) -> Result<()> {
    if bench.runtime() != OURS {
        // They lie where criu lies, and could not be found either.
        return Ok(());
    }
    counting(bench)?;
    let images = images(bench);
    let mut command = bench.ready(&["checkpoint", "--image-path", &images, bench.id()]);
    command.env("PATH", "/nowhere");
    bench.fails("refused", &bench.finish(command)?, 1);
    bench.until_status("running")
}
