//! config.md, "POSIX-platform Hooks", and runtime.md, "Lifecycle" 3 to 13.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::conformance::{Bench, Case, Fits, case};
use crate::programs::program;

pub(super) const CASES: &[Case] = &[
    case(
        "hooks/order",
        "runtime.md, Lifecycle: MUST be called in the listed order",
        Fits::All,
        order,
    ),
    case("hooks/when", "runtime.md, Lifecycle", Fits::All, when),
    case("hooks/state", "config.md, Hooks: MUST be passed the state over stdin", Fits::All, state),
    case("hooks/status", "runtime.md, State: status", Fits::All, status),
    case("hooks/args-and-env", "config.md, Hooks: args, env", Fits::All, args_and_env),
    case("hooks/namespaces", "config.md, Hooks: Summary", Fits::All, namespaces),
    case(
        "hooks/start-container-in-the-root",
        "config.md, Hooks: startContainer",
        Fits::All,
        in_root,
    ),
    case("hooks/relative-path", "config.md, Hooks: MUST be an absolute path", Fits::All, relative),
    case(
        "hooks/missing-program",
        "runtime.md, Lifecycle: MUST generate an error",
        Fits::All,
        missing,
    ),
    case(
        "hooks/failing-before-start",
        "runtime.md, Lifecycle: MUST stop the container",
        Fits::All,
        failing,
    ),
    case(
        "hooks/failing-after-start",
        "runtime.md, Lifecycle 9: poststart",
        Fits::All,
        failing_after,
    ),
    case(
        "hooks/failing-poststop",
        "runtime.md, Lifecycle 13: MUST log a warning",
        Fits::All,
        failing_at_the_end,
    ),
    case("hooks/timeout", "config.md, Hooks: timeout", Fits::All, timeout),
    case(
        "hooks/timeout-zero",
        "config.md, Hooks: timeout MUST be greater than zero",
        Fits::All,
        timeout_zero,
    ),
];

/// All kinds, in the order in which they come.
const KINDS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// A program of the host where every user finds it.
fn helper(bench: &Bench) -> PathBuf {
    program("payload", bench.place())
}

/// Where hooks write, by the name that the runtime's file system has for it.
fn journal(bench: &Bench) -> Result<PathBuf> {
    let folder = bench.path("journal");
    fs::create_dir_all(&folder)?;
    bench.own(&folder)?;
    Ok(folder.join("lines"))
}

fn hook(bench: &Bench, kind: &str, name: &str) -> Result<Value> {
    let (path, journal) = match kind {
        "startContainer" => (PathBuf::from("/bin/payload"), PathBuf::from("/journal/lines")),
        _ => (helper(bench), journal(bench)?),
    };
    let what = format!("hook:{}:{name}", journal.display());
    Ok(json!({"path": path, "args": ["payload", what], "env": [bench.mark()]}))
}

/// Two hooks of each kind.
fn with_hooks(bench: &Bench, config: &mut Value, kinds: &[&str]) -> Result<()> {
    let folder = journal(bench)?.parent().context("it lies in a folder")?.to_path_buf();
    let mount =
        json!({"destination": "/journal", "type": "bind", "source": folder, "options": ["rbind"]});
    config["mounts"].as_array_mut().context("there are mounts")?.push(mount);
    for kind in kinds {
        let pair = ["1", "2"].map(|n| hook(bench, kind, &format!("{kind} {n}")));
        let [first, second] = pair;
        config["hooks"][kind] = json!([first?, second?]);
    }
    Ok(())
}

fn lines(bench: &Bench) -> Result<Vec<Value>> {
    let text = fs::read_to_string(journal(bench)?).unwrap_or_default();
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn names(bench: &Bench) -> Result<Vec<String>> {
    let name = |line: &Value| line["name"].as_str().unwrap_or_default().to_string();
    Ok(lines(bench)?.iter().map(name).collect())
}

fn order(bench: &Bench) -> Result<()> {
    let mut config = bench.config_for(&["hook:/journal/lines:payload"]);
    with_hooks(bench, &mut config, &KINDS)?;
    bench.try_run(&config)?.good()?;
    let mut right: Vec<String> =
        KINDS.iter().flat_map(|kind| [format!("{kind} 1"), format!("{kind} 2")]).collect();
    // The payload runs beside the poststart hooks.
    let seen: Vec<String> = names(bench)?.into_iter().filter(|name| name != "payload").collect();
    bench.equal("all of them", &seen, &right);
    right.truncate(8);
    let before: Vec<String> =
        names(bench)?.into_iter().take_while(|name| name != "payload").collect();
    bench.holds("startContainer is over", before.len() >= 8, before);
    Ok(())
}

/// Which command calls which.
fn when(bench: &Bench) -> Result<()> {
    let mut config = bench.config_for(&["report", "sleep"]);
    with_hooks(bench, &mut config, &KINDS)?;
    let kinds = |bench: &Bench| -> Result<Vec<String>> {
        let first = |name: &String| name.strip_suffix(" 1").map(str::to_string);
        Ok(names(bench)?.iter().filter_map(first).collect())
    };
    let out = bench.create(&config)?;
    bench.equal("create", kinds(bench)?, &KINDS[..3]);
    bench.command(&["start", bench.id()])?.good()?;
    bench.first_report(&out)?;
    bench.equal("start", kinds(bench)?, &KINDS[..5]);
    bench.stop()?;
    bench.equal("kill", kinds(bench)?, &KINDS[..5]);
    bench.command(&["delete", bench.id()])?.good()?;
    bench.equal("delete", kinds(bench)?, &KINDS[..]);
    Ok(())
}

fn one_of_each(bench: &Bench) -> Result<Vec<Value>> {
    let mut config = bench.config_for(&["report", "sleep"]);
    config["annotations"] = json!({"org.example.key": "value"});
    with_hooks(bench, &mut config, &KINDS)?;
    bench.run_detached(&config)?;
    bench.stop()?;
    bench.command(&["delete", bench.id()])?.good()?;
    let first = |line: &Value| line["name"].as_str().is_some_and(|name| name.ends_with(" 1"));
    let mut all: Vec<Value> = lines(bench)?.into_iter().filter(first).collect();
    all.sort_by_key(|line| KINDS.iter().position(|kind| line["name"] == format!("{kind} 1")));
    Ok(all)
}

fn state(bench: &Bench) -> Result<()> {
    for (line, kind) in one_of_each(bench)?.iter().zip(KINDS) {
        let state = &line["state"];
        bench.equal(kind, state["id"].as_str(), Some(bench.id()));
        bench.equal(kind, state["bundle"].as_str(), bench.bundle().to_str());
        bench.holds(kind, state["ociVersion"].is_string(), state);
        bench.equal(kind, &state["annotations"]["org.example.key"], &json!("value"));
        let pid = state["pid"].as_i64();
        bench.holds(kind, kind == "poststop" || pid.is_some_and(|pid| pid > 0), state);
    }
    Ok(())
}

fn status(bench: &Bench) -> Result<()> {
    let right = ["creating", "creating", "creating", "created", "running", "stopped"];
    for ((line, kind), right) in one_of_each(bench)?.iter().zip(KINDS).zip(right) {
        bench.equal(kind, line["state"]["status"].as_str(), Some(right));
    }
    Ok(())
}

fn args_and_env(bench: &Bench) -> Result<()> {
    for (line, kind) in one_of_each(bench)?.iter().zip(KINDS) {
        bench.equal(kind, &line["args"][0], &json!("payload"));
        bench.equal(kind, &line["env"], &json!([bench.mark()]));
    }
    Ok(())
}

fn namespaces(bench: &Bench) -> Result<()> {
    let own = fs::read_link("/proc/self/ns/uts")?.to_string_lossy().into_owned();
    for (line, kind) in one_of_each(bench)?.iter().zip(KINDS) {
        let outside = !["createContainer", "startContainer"].contains(&kind);
        bench.equal(kind, line["namespaces"]["uts"] == own, outside);
    }
    Ok(())
}

fn in_root(bench: &Bench) -> Result<()> {
    let lines = one_of_each(bench)?;
    let root = |kind: &str| {
        let index = KINDS.iter().position(|known| *known == kind).unwrap_or(0);
        lines.get(index).map(|line| line["root"].clone())
    };
    bench.holds(
        "its root is the container's",
        root("startContainer") != root("poststart"),
        "the host's",
    );
    bench.equal("createContainer's is the runtime's", root("createContainer"), root("poststart"));
    Ok(())
}

fn relative(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["hooks"]["createRuntime"] = json!([{"path": "bin/true"}]);
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn missing(bench: &Bench) -> Result<()> {
    for kind in &KINDS[..4] {
        let mut config = bench.config();
        config["hooks"][kind] = json!([{"path": "/nowhere/program"}]);
        bench.fails(kind, &bench.try_run(&config)?, 1);
        bench.fails("nothing stays", &bench.command(&["state", bench.id()])?, 1);
    }
    Ok(())
}

fn that_fails(bench: &Bench, kind: &str) -> Value {
    let path = if kind == "startContainer" { PathBuf::from("/bin/payload") } else { helper(bench) };
    json!({"path": path, "args": ["payload", "exit:3"], "env": [bench.mark()]})
}

fn failing(bench: &Bench) -> Result<()> {
    for kind in &KINDS[..4] {
        let mut config = bench.config_for(&["say:it ran"]);
        config["hooks"][kind] = json!([that_fails(bench, kind)]);
        let done = bench.try_run(&config)?;
        bench.holds(kind, done.code == 1 && !done.stdout.contains("it ran"), &done);
        bench.fails("nothing stays", &bench.command(&["state", bench.id()])?, 1);
    }
    Ok(())
}

/// In 1.0 a failing poststart hook was only a warning; since 1.1 nothing is said but "if any fail,
/// the runtime MUST log a warning, but the remaining hooks and lifecycle continue"; runc ends it.
fn failing_after(bench: &Bench) -> Result<()> {
    let mut config = bench.config_for(&["report", "sleep"]);
    config["hooks"]["poststart"] = json!([that_fails(bench, "poststart")]);
    bench.write(&config)?;
    let done = bench.command(&["run", "--detach", bench.id()])?;
    bench.holds("it is told", !done.stderr.trim().is_empty(), &done);
    Ok(())
}

fn failing_at_the_end(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["hooks"]["poststop"] =
        json!([that_fails(bench, "poststop"), hook(bench, "poststop", "second")?]);
    let done = bench.try_run(&config)?;
    bench.equal("it goes on", done.code, 0);
    bench.holds("a warning", !done.stderr.trim().is_empty(), &done);
    bench.equal("the next one is called", names(bench)?, ["second"]);
    bench.fails("it is deleted", &bench.command(&["state", bench.id()])?, 1);
    Ok(())
}

fn timeout(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["hooks"]["createRuntime"] = json!([{"path": helper(bench), "args": ["payload", "sleep"], "env": [bench.mark()], "timeout": 1}]);
    let start = std::time::Instant::now();
    bench.fails("refused", &bench.try_run(&config)?, 1);
    let took = start.elapsed();
    bench.holds("after a second", (1..4).contains(&took.as_secs()), took);
    Ok(())
}

fn timeout_zero(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["hooks"]["createRuntime"] = json!([{"path": helper(bench),
        "args": ["payload", "nap:300"], "env": [bench.mark()], "timeout": 0}]);
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}
