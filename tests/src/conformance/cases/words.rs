//! What engines read from a runtime, word for word as runc says it.
//!
//! The expectations are written down here, and runc itself is held against them in the same run.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::conformance::command::Done;
use crate::conformance::runtimes::Runtime;
use crate::conformance::{Bench, Case, Fits, case, kernel};
use crate::places::has_program;

pub(super) const CASES: &[Case] = &[
    case("words/state", "runc: state", Fits::All, state),
    case("words/list-json", "runc: list --format json", Fits::All, list_json),
    case("words/list-empty", "runc: list", Fits::All, list_empty),
    case("words/list-table", "runc: list", Fits::All, list_table),
    case("words/ps-json", "runc: ps --format json", Fits::Root, ps_json),
    case("words/ps-table", "runc: ps", Fits::Root, ps_table).needing(kernel::ps),
    case("words/events", "runc: events --stats", Fits::Root, events).needing(lacks_runc),
    case("words/features", "runc: features", Fits::All, features).needing(lacks_runc),
    case("words/log-text", "runc: --log", Fits::All, log_text),
    case("words/log-json", "runc: --log-format json", Fits::All, log_json),
    case("words/stderr", "runc: errors on stderr", Fits::All, stderr),
    case("words/log-only-errors", "runc: no debug lines without --debug", Fits::All, quiet),
    case("words/debug", "runc: --debug", Fits::All, debug),
    case("words/messages", "containerd and podman look for these", Fits::All, messages),
    case("words/exec-message", "engines look for these", Fits::All, exec_message),
];

fn lacks_runc() -> Option<&'static str> {
    (!has_program("runc")).then_some("runc (Debian: runc)")
}

fn running(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "sleep"])).map(drop)
}

/// The names of an object's fields, in the order of the text.
fn names(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("  \""));
    lines.filter_map(|line| line.split('"').next()).map(str::to_string).collect()
}

const FIELDS: [&str; 8] =
    ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "owner"];

/// RFC 3339, with a fraction, in UTC.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape.starts_with("0000-00-00T00:00:00") && shape.ends_with('Z') && shape.len() <= 30
}

fn state(bench: &Bench) -> Result<()> {
    running(bench)?;
    let done = bench.command(&["state", bench.id()])?.good()?;
    bench.equal("fields, one a line", names(&done.stdout), FIELDS);
    bench.holds("no end of line", done.stdout.ends_with('}'), &done.stdout);
    let state: Value = serde_json::from_str(&done.stdout)?;
    bench.equal("owner", &state["owner"], &json!(""));
    bench.equal("rootfs", state["rootfs"].as_str(), bench.root().to_str());
    let created = state["created"].as_str().unwrap_or_default();
    bench.holds("created", is_time(created), created);
    bench.stop()?;
    let state = bench.state()?;
    bench.equal("pid of a stopped one", &state["pid"], &json!(0));
    Ok(())
}

fn list_json(bench: &Bench) -> Result<()> {
    running(bench)?;
    let done = bench.command(&["list", "--format", "json"])?.good()?;
    let list: Value = serde_json::from_str(&done.stdout)?;
    let one = list[0].as_object().context("an object")?;
    let mut seen: Vec<&str> = one.keys().map(String::as_str).collect();
    let mut right = FIELDS;
    seen.sort_unstable();
    right.sort_unstable();
    bench.equal("fields", seen, right);
    let owner = if bench.place().is_other_user() { "nobody" } else { "root" };
    bench.equal("owner", one["owner"].as_str(), Some(owner));
    bench.holds("on one line", done.stdout.trim_end().lines().count() == 1, &done.stdout);
    Ok(())
}

fn list_empty(bench: &Bench) -> Result<()> {
    let right = "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n";
    bench.equal("table", bench.command(&["list"])?.good()?.stdout, right);
    let done = bench.command(&["list", "--format", "json"])?.good()?;
    bench.equal("json", done.stdout.trim_end(), "null");
    bench.equal("quiet", bench.command(&["list", "-q"])?.good()?.stdout, "");
    Ok(())
}

/// Columns at least twelve wide, with three blanks between them.
fn list_table(bench: &Bench) -> Result<()> {
    running(bench)?;
    let state = bench.state()?;
    let text = |name: &str| state[name].to_string().replace('"', "");
    let owner = if bench.place().is_other_user() { "nobody" } else { "root" };
    let heads = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
    let values = [text("id"), text("pid"), text("status"), text("bundle"), text("created")];
    let widths = values.clone().map(|value| (value.len() + 3).max(12));
    let line = |words: &[&str]| -> String {
        let padded = words.iter().zip(widths).map(|(word, width)| format!("{word:width$}"));
        padded.collect::<String>() + words.last().copied().unwrap_or_default() + "\n"
    };
    let values: Vec<&str> = values.iter().map(String::as_str).chain([owner]).collect();
    let done = bench.command(&["list"])?.good()?;
    bench.equal("all of it", done.stdout, line(&heads) + &line(&values));
    Ok(())
}

fn ps_json(bench: &Bench) -> Result<()> {
    running(bench)?;
    let done = bench.command(&["ps", "--format", "json", bench.id()])?.good()?;
    bench.equal("all of it", done.stdout.trim_end(), format!("[{}]", bench.pid()?));
    Ok(())
}

/// The header of `ps -ef`, and after it only the container's lines.
fn ps_table(bench: &Bench) -> Result<()> {
    running(bench)?;
    let done = bench.command(&["ps", bench.id()])?.good()?;
    let head = done.stdout.lines().next().unwrap_or_default();
    let words: Vec<&str> = head.split_whitespace().collect();
    bench.equal("header", words, ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
    let done = bench.command(&["ps", bench.id(), "-o", "pid,comm"])?.good()?;
    let words: Vec<&str> = done.stdout.split_whitespace().collect();
    let pid = bench.pid()?.to_string();
    bench.equal("with options", words, ["PID", "COMMAND", &pid, "payload"]);
    Ok(())
}

/// Every path to a value, without the numbers of a machine.
fn paths(value: &Value, above: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, below) in fields {
                paths(below, &format!("{above}.{name}"), all);
            }
            if fields.is_empty() {
                all.push(format!("{above} {{}}"));
            }
        }
        Value::Array(items) => {
            all.push(format!("{above} []"));
            items.first().into_iter().for_each(|item| paths(item, &format!("{above}[]"), all));
        }
        Value::Null => all.push(format!("{above} null")),
        Value::Bool(_) => all.push(format!("{above} bool")),
        Value::Number(_) => all.push(format!("{above} number")),
        Value::String(_) => all.push(format!("{above} text")),
    }
}

/// The same command of runc, with a container of its own.
fn of_runc(bench: &Bench, run: impl FnOnce(&Bench) -> Result<String>) -> Result<String> {
    let runc = Runtime::of_name("runc").context("runc is known")?;
    let other = Bench::new(runc, bench.place())?;
    let result = run(&other);
    other.end(Ok(()));
    result
}

fn statistics(bench: &Bench) -> Result<String> {
    running(bench)?;
    Ok(bench.command(&["events", "--stats", bench.id()])?.good()?.stdout)
}

/// Every field that runc has, with the type that it has there; more do no harm.
fn events(bench: &Bench) -> Result<()> {
    let right = of_runc(bench, statistics)?;
    let (mut seen, mut wanted) = (Vec::new(), Vec::new());
    paths(&serde_json::from_str(&statistics(bench)?)?, "", &mut seen);
    paths(&serde_json::from_str(&right)?, "", &mut wanted);
    let lacks: Vec<&String> = wanted.iter().filter(|path| !seen.contains(path)).collect();
    bench.equal("fields that runc has", lacks, Vec::<&String>::new());
    Ok(())
}

/// What runc has, we have: each hook, mount option, namespace, capability, action, operator, flag.
fn features(bench: &Bench) -> Result<()> {
    let tell = |bench: &Bench| Ok(bench.command(&["features"])?.good()?.stdout);
    let right: Value = serde_json::from_str(&of_runc(bench, tell)?)?;
    let seen: Value = serde_json::from_str(&tell(bench)?)?;
    let lists = [
        "/hooks",
        "/mountOptions",
        "/linux/namespaces",
        "/linux/capabilities",
        "/linux/seccomp/actions",
        "/linux/seccomp/operators",
    ];
    for list in lists {
        let items = |value: &Value| {
            value.pointer(list).and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let have = items(&seen);
        let lacks: Vec<Value> =
            items(&right).into_iter().filter(|item| !have.contains(item)).collect();
        bench.equal(list, lacks, Vec::<Value>::new());
    }
    for field in ["/linux/cgroup", "/linux/apparmor", "/linux/selinux"] {
        let fields = |value: &Value| -> Vec<String> {
            let object = value.pointer(field).and_then(Value::as_object);
            object.into_iter().flatten().map(|(name, _)| name.clone()).collect()
        };
        let have = fields(&seen);
        let lacks: Vec<String> =
            fields(&right).into_iter().filter(|name| !have.contains(name)).collect();
        bench.equal(field, lacks, Vec::<String>::new());
    }
    Ok(())
}

/// A command that fails, with a log.
fn logged(bench: &Bench, flags: &[&str]) -> Result<(Done, String)> {
    let log = bench.path("user/log");
    let _ = fs::remove_file(&log);
    let name = log.to_string_lossy().into_owned();
    let words = [&["--log", name.as_str()], flags, &["state", bench.id()]].concat();
    let done = bench.command(&words)?;
    Ok((done, fs::read_to_string(&log).unwrap_or_default()))
}

fn log_text(bench: &Bench) -> Result<()> {
    for flags in [&[][..], &["--log-format", "text"]] {
        let (done, log) = logged(bench, flags)?;
        bench.fails("it fails", &done, 1);
        let line = log.lines().last().unwrap_or_default();
        let (time, rest) = line
            .strip_prefix("time=\"")
            .and_then(|line| line.split_once("\" "))
            .unwrap_or(("", line));
        bench.holds("time", is_time(time), line);
        bench.equal("level and message", rest, "level=error msg=\"container does not exist\"");
    }
    Ok(())
}

fn log_json(bench: &Bench) -> Result<()> {
    let (done, log) = logged(bench, &["--log-format", "json"])?;
    bench.fails("it fails", &done, 1);
    let line = log.lines().last().unwrap_or_default();
    let value: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {log:?}"))?;
    let mut fields: Vec<&str> =
        value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    fields.sort_unstable();
    bench.equal("fields", fields, ["level", "msg", "time"]);
    bench.equal("level", &value["level"], &json!("error"));
    bench.equal("msg", &value["msg"], &json!("container does not exist"));
    bench.holds("time", value["time"].as_str().is_some_and(is_time), line);
    Ok(())
}

/// With a log file there is still something for people to read.
fn stderr(bench: &Bench) -> Result<()> {
    let (done, _) = logged(bench, &["--log-format", "json"])?;
    let last = done.stderr.lines().last().unwrap_or_default();
    bench.holds("with a log", last.ends_with("container does not exist"), last);
    let done = bench.command(&["state", bench.id()])?;
    bench.holds("without one", done.stderr.contains("container does not exist"), done.stderr);
    Ok(())
}

fn quiet(bench: &Bench) -> Result<()> {
    let log = bench.path("user/quiet");
    bench.write(&bench.config())?;
    let words = ["--log", &log.to_string_lossy(), "run", bench.id()];
    let done = bench.command(&words)?.good()?;
    bench.equal("nothing in the log", fs::read_to_string(&log).unwrap_or_default(), "");
    bench.equal("nothing on stderr", done.stderr, "");
    Ok(())
}

fn debug(bench: &Bench) -> Result<()> {
    let log = bench.path("user/debug");
    bench.write(&bench.config())?;
    let words =
        ["--debug", "--log", &log.to_string_lossy(), "--log-format", "json", "run", bench.id()];
    bench.command(&words)?.good()?;
    let text = fs::read_to_string(&log).unwrap_or_default();
    let lines: Vec<Value> =
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<_>>()?;
    bench.holds("debug lines", lines.iter().any(|line| line["level"] == "debug"), text);
    Ok(())
}

/// The message of a failed command, as an engine gets it: the last line of the JSON log.
fn message(bench: &Bench, words: &[&str]) -> Result<String> {
    let log = bench.path("user/message");
    let _ = fs::remove_file(&log);
    let name = log.to_string_lossy().into_owned();
    let words = [&["--log", &name, "--log-format", "json"], words].concat();
    let done = bench.command(&words)?;
    bench.holds("it fails", done.code != 0, done);
    let text = fs::read_to_string(&log).unwrap_or_default();
    let line = text.lines().last().unwrap_or("{}");
    let value: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {text:?}"))?;
    Ok(value["msg"].as_str().unwrap_or_default().to_string())
}

fn messages(bench: &Bench) -> Result<()> {
    for command in ["state", "start", "kill", "delete"] {
        bench.equal(command, message(bench, &[command, bench.id()])?, "container does not exist");
    }
    running(bench)?;
    let seen = message(bench, &["create", bench.id()])?;
    bench.holds("create twice", seen.contains("container with given ID already exists"), seen);
    let seen = message(bench, &["start", bench.id()])?;
    bench.holds("start twice", seen.contains("cannot start an already running container"), seen);
    let seen = message(bench, &["delete", bench.id()])?;
    bench.holds("delete running", seen.contains("that is not stopped"), seen);
    bench.stop()?;
    let seen = message(bench, &["kill", bench.id()])?;
    bench.holds("kill stopped", seen.contains("container not running"), seen);
    Ok(())
}

fn exec_message(bench: &Bench) -> Result<()> {
    running(bench)?;
    let seen = message(bench, &["exec", bench.id(), "nowhere"])?;
    bench.holds("not in PATH", seen.contains("executable file not found in $PATH"), seen);
    let seen = message(bench, &["exec", bench.id(), "/bin/nowhere"])?;
    bench.holds("not there", seen.contains("no such file or directory"), seen);
    let seen = message(bench, &["exec", bench.id(), "/etc/passwd"])?;
    bench.holds("not executable", seen.contains("permission denied"), seen);
    Ok(())
}
