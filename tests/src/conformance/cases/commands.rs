//! runc's other commands: what they do.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::conformance::{Bench, Case, Fits, case, kernel};

pub(super) const CASES: &[Case] = &[
    case("commands/pid-file", "runc: --pid-file", Fits::All, pid_file),
    case("commands/keep", "runc: run --keep", Fits::All, keep),
    case("commands/no-pivot", "runc: --no-pivot", Fits::Root, no_pivot),
    case("commands/list", "runc: list", Fits::All, list),
    case("commands/ps", "runc: ps", Fits::Root, ps).needing(kernel::ps),
    case("commands/pause-and-resume", "runc: pause, resume", Fits::Root, pause),
    case("commands/pause-unknown", "runc: pause, resume", Fits::Root, pause_unknown),
    case("commands/events", "runc: events --stats", Fits::Root, events),
    case("commands/events-oom", "runc: events tells of memory that ran out", Fits::Root, oom),
    case("commands/update-wrong", "runc: update", Fits::Root, update_wrong),
    case("commands/spec", "runc: spec", Fits::All, spec),
    case("commands/features", "features.md: MUST be JSON", Fits::All, features),
    case("commands/version", "runc: --version", Fits::All, version),
    case("commands/unknown", "runc: what there is not", Fits::All, unknown),
    case("commands/roots-are-apart", "runc: --root", Fits::All, roots),
    case("commands/foreground-passes-signals", "runc: run passes signals on", Fits::Root, signals),
];

fn running(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "sleep"])).map(drop)
}

fn pid_file(bench: &Bench) -> Result<()> {
    let file = bench.path("user/pid");
    let name = file.to_string_lossy().into_owned();
    for words in [&["create"][..], &["run", "--detach"]] {
        bench.write(&bench.config_for(&["report", "sleep"]))?;
        bench.command(&[words, &["--pid-file", &name, bench.id()]].concat())?.good()?;
        let text = fs::read_to_string(&file)?;
        bench.equal(words[0], text.as_str(), bench.pid()?.to_string().as_str());
        bench.command(&["delete", "--force", bench.id()])?.good()?;
        fs::remove_file(&file)?;
    }
    Ok(())
}

fn keep(bench: &Bench) -> Result<()> {
    bench.write(&bench.config())?;
    bench.command(&["run", "--keep", bench.id()])?.good()?;
    bench.equal("it is there", bench.state()?["status"].as_str(), Some("stopped"));
    bench.command(&["delete", bench.id()])?.good()?;
    bench.run(&bench.config())?;
    bench.fails("without it, not", &bench.command(&["state", bench.id()])?, 1);
    Ok(())
}

fn no_pivot(bench: &Bench) -> Result<()> {
    let config = bench.config_for(&["list:/..", "list:/", "report"]);
    bench.write(&config)?;
    let done = bench.command(&["run", "--no-pivot", bench.id()])?.good()?;
    let report = crate::conformance::report::Report::read(&done.stdout)?;
    bench.equal("no way up", report.answer("list:/.."), report.answer("list:/"));
    Ok(())
}

fn listed(bench: &Bench) -> Result<Vec<Value>> {
    let done = bench.command(&["list", "--format", "json"])?.good()?;
    let list: Value = serde_json::from_str(&done.stdout)?;
    Ok(list.as_array().cloned().unwrap_or_default())
}

fn list(bench: &Bench) -> Result<()> {
    bench.equal("nothing", listed(bench)?.len(), 0);
    running(bench)?;
    let all = listed(bench)?;
    bench.equal("one", all.len(), 1);
    let one = all.first().context("it is listed")?;
    bench.equal("id", one["id"].as_str(), Some(bench.id()));
    bench.equal("status", one["status"].as_str(), Some("running"));
    bench.equal("pid", one["pid"].as_i64(), Some(bench.pid()?));
    bench.equal("bundle", one["bundle"].as_str(), bench.bundle().to_str());
    let done = bench.command(&["list", "--quiet"])?.good()?;
    bench.equal("quiet", done.stdout, format!("{}\n", bench.id()));
    let done = bench.command(&["list"])?.good()?;
    bench.equal("a table of two lines", done.stdout.lines().count(), 2);
    bench.fails("a form that there is not", &bench.command(&["list", "--format", "xml"])?, 1);
    Ok(())
}

fn ps(bench: &Bench) -> Result<()> {
    running(bench)?;
    bench.command(&["exec", "--detach", bench.id(), "/bin/payload", "sleep"])?.good()?;
    let done = bench.command(&["ps", "--format", "json", bench.id()])?.good()?;
    let mut pids: Vec<i64> = serde_json::from_str(&done.stdout)?;
    pids.sort_unstable();
    bench.equal("both", pids.len(), 2);
    bench.holds("the first", pids.contains(&bench.pid()?), &pids);
    let done = bench.command(&["ps", bench.id()])?.good()?;
    let lines: Vec<&str> = done.stdout.lines().collect();
    bench.equal("a header and both", lines.len(), 3);
    bench.holds("the payload", lines[1..].iter().all(|line| line.contains("/bin/payload")), lines);
    Ok(())
}

fn pause(bench: &Bench) -> Result<()> {
    running(bench)?;
    bench.command(&["pause", bench.id()])?.good()?;
    bench.equal("paused", bench.state()?["status"].as_str(), Some("paused"));
    let state = fs::read_to_string(format!("/proc/{}/status", bench.pid()?))?;
    bench.holds(
        "by the freezer, not a signal",
        !state.contains("State:\tT"),
        "stopped by a signal",
    );
    bench.fails("twice", &bench.command(&["pause", bench.id()])?, 1);
    bench.command(&["resume", bench.id()])?.good()?;
    bench.equal("running", bench.state()?["status"].as_str(), Some("running"));
    bench.fails("resumed twice", &bench.command(&["resume", bench.id()])?, 1);
    bench.command(&["pause", bench.id()])?.good()?;
    bench.stop().context("killed while paused")?;
    bench.command(&["delete", bench.id()])?.good()?;
    running(bench)?;
    bench.command(&["pause", bench.id()])?.good()?;
    bench.command(&["delete", "--force", bench.id()])?.good()?;
    bench.fails("deleted while paused", &bench.command(&["state", bench.id()])?, 1);
    Ok(())
}

fn pause_unknown(bench: &Bench) -> Result<()> {
    for command in ["pause", "resume", "ps", "events", "update"] {
        bench.fails(command, &bench.command(&[command, bench.id()])?, 1);
    }
    Ok(())
}

fn events(bench: &Bench) -> Result<()> {
    running(bench)?;
    let done = bench.command(&["events", "--stats", bench.id()])?.good()?;
    let event: Value = serde_json::from_str(&done.stdout)?;
    bench.equal("type", &event["type"], &json!("stats"));
    bench.equal("id", event["id"].as_str(), Some(bench.id()));
    let data = &event["data"];
    bench.equal("pids.current", data["pids"]["current"].as_i64(), Some(1));
    bench.holds("cpu.usage.total", data["cpu"]["usage"]["total"].as_u64() > Some(0), data);
    bench.holds("memory.usage.usage", data["memory"]["usage"]["usage"].as_u64() > Some(0), data);
    bench.equal("one line", done.stdout.lines().count(), 1);
    Ok(())
}

/// A container that runs out of memory, and goes on.
fn oom(bench: &Bench) -> Result<()> {
    let script = "while [ ! -e /go ]; do sleep 0.05; done; /bin/payload burn:64; sleep 600";
    let mut config = bench.config();
    config["process"]["args"] = json!(["/bin/busybox", "sh", "-c", script]);
    config["linux"]["resources"]["memory"] = json!({"limit": 16 << 20, "swap": 16 << 20});
    bench.write(&config)?;
    bench.command(&["run", "--detach", bench.id()])?.good()?;
    let (out, err) = (bench.path("events.out"), bench.path("events.err"));
    let command = bench.ready(&["events", "--interval", "100ms", bench.id()]);
    let mut events = crate::conformance::command::start(command, &out, &err)?;
    let said = || fs::read_to_string(&out).unwrap_or_default();
    let seen =
        bench.until("it tells of the container", || Ok(said().contains("stats").then_some(())));
    let seen = seen.and_then(|()| {
        fs::write(bench.root().join("go"), "")?;
        bench.until("it tells that memory ran out", || {
            Ok(said().lines().any(|line| line.contains("\"oom\"")).then_some(()))
        })
    });
    let _ = events.kill();
    events.wait()?;
    seen
}

fn update_wrong(bench: &Bench) -> Result<()> {
    running(bench)?;
    for words in [["--memory", "much"], ["--pids-limit", "few"], ["--resources", "/nowhere"]] {
        let words = [&["update"], &words[..], &[bench.id()]].concat();
        bench.fails(words[1], &bench.command(&words)?, 1);
    }
    Ok(())
}

fn spec(bench: &Bench) -> Result<()> {
    let file = bench.bundle().join("config.json");
    bench.command(&["spec"])?.good()?;
    let config: Value = serde_json::from_slice(&fs::read(&file)?)?;
    bench.equal("terminal", &config["process"]["terminal"], &json!(true));
    bench.equal("args", &config["process"]["args"], &json!(["sh"]));
    bench.fails("never over another one", &bench.command(&["spec"])?, 1);
    fs::remove_file(&file)?;
    bench.command(&["spec", "--rootless"])?.good()?;
    let config: Value = serde_json::from_slice(&fs::read(&file)?)?;
    bench.holds("rootless", config["linux"]["uidMappings"].is_array(), &config["linux"]);
    Ok(())
}

fn features(bench: &Bench) -> Result<()> {
    let done = bench.command(&["features"])?.good()?;
    let features: Value = serde_json::from_str(&done.stdout)?;
    bench.holds("ociVersionMin", features["ociVersionMin"].is_string(), &features);
    bench.holds("ociVersionMax", features["ociVersionMax"].is_string(), &features);
    let contains =
        |list: &Value, word: &str| list.as_array().is_some_and(|all| all.contains(&json!(word)));
    bench.holds("hooks", contains(&features["hooks"], "createRuntime"), &features["hooks"]);
    bench.holds(
        "mountOptions",
        contains(&features["mountOptions"], "nosuid"),
        &features["mountOptions"],
    );
    let linux = &features["linux"];
    bench.holds("namespaces", contains(&linux["namespaces"], "pid"), &linux["namespaces"]);
    bench.holds(
        "capabilities",
        contains(&linux["capabilities"], "CAP_KILL"),
        &linux["capabilities"],
    );
    bench.equal("cgroup.v1", &linux["cgroup"]["v1"], &json!(true));
    bench.equal("cgroup.v2", &linux["cgroup"]["v2"], &json!(true));
    bench.equal("seccomp.enabled", &linux["seccomp"]["enabled"], &json!(true));
    bench.holds(
        "seccomp.actions",
        contains(&linux["seccomp"]["actions"], "SCMP_ACT_NOTIFY"),
        &linux["seccomp"],
    );
    Ok(())
}

fn version(bench: &Bench) -> Result<()> {
    let done = bench.command(&["--version"])?.good()?;
    let lines: Vec<&str> = done.stdout.lines().collect();
    bench.holds("its name", lines.first().is_some_and(|line| line.contains(" version ")), &lines);
    bench.holds("spec", lines.iter().any(|line| line.starts_with("spec: 1.")), &lines);
    Ok(())
}

fn unknown(bench: &Bench) -> Result<()> {
    bench.holds("a flag", bench.command(&["--levitate", "list"])?.code != 0, "taken");
    bench.holds("a flag of a command", bench.command(&["list", "--levitate"])?.code != 0, "taken");
    bench.holds("a command", bench.command(&["levitate"])?.code != 0, "taken");
    bench.holds(
        "a log format",
        bench.command(&["--log-format", "xml", "list"])?.code != 0,
        "taken",
    );
    Ok(())
}

fn roots(bench: &Bench) -> Result<()> {
    running(bench)?;
    let other = bench.path("user/other").to_string_lossy().into_owned();
    let done = bench.command(&["--root", &other, "state", bench.id()])?;
    bench.fails("unknown there", &done, 1);
    Ok(())
}

/// What a terminal or a shim sends to the command is meant for the container.
fn signals(bench: &Bench) -> Result<()> {
    let script =
        "trap 'echo caught; exit 5' TERM; echo '{}'; while :; do /bin/busybox sleep 0.01; done";
    let mut config = bench.config();
    config["process"]["args"] = json!(["/bin/busybox", "sh", "-c", script]);
    bench.write(&config)?;
    let out = bench.output();
    let mut child = super::process::in_foreground(bench, &out)?;
    bench.first_report(&out)?;
    let pid = primitives::Pid::from_raw(i32::try_from(child.id())?);
    primitives::kill(pid, primitives::Signal::SIGTERM, "see whether it is passed on")?;
    bench.equal("its exit code", super::process::ended(bench, &mut child)?, 5);
    let said = fs::read_to_string(out.with_extension("out"))?;
    bench.holds("it was the container's", said.contains("caught"), said);
    Ok(())
}
