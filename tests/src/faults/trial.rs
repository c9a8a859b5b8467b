//! A command is disturbed, and then one looks.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use primitives::{Pid, Signal};
use serde_json::Value;

use super::points::{Action, Point};
use crate::conformance::Bench;
use crate::conformance::runtimes::OURS;
use crate::leftovers;
use crate::places::Place;

/// Does what the point says, and gives everything that is wrong afterwards.
pub fn attempt(point: &Point, place: Place) -> Vec<String> {
    let bench = match Bench::new(OURS, place) {
        Ok(bench) => bench,
        Err(error) => return vec![format!("no bench: {error:#}")],
    };
    let result = disturb(point, &bench);
    let failures = bench.end(result);
    failures.into_iter().map(|failure| format!("{}: {failure:?}", point.name())).collect()
}

fn disturb(point: &Point, bench: &Bench) -> Result<()> {
    let config = point.verb.config(bench);
    point.verb.prepare(bench, &config).context("before it")?;
    let words = point.verb.words(&point.flags(), bench.id());
    let done = bench.command(&words)?;
    ensure!(!done.stderr.contains("panicked"), "a panic: {done:?}");
    match &point.action {
        Action::Refuse(errno) => judge_refusal(point, errno, &done, bench)?,
        Action::Kill => {}
        Action::KillAll => kill_the_rest(bench),
    }
    for time in ["once", "twice"] {
        let deleted = bench.command(&["delete", "--force", bench.id()])?;
        ensure!(deleted.code == 0, "delete --force, {time}: {deleted:?}");
    }
    again(bench, &config)
}

/// An error that names everything; or none, and then a program that sees what it should.
fn judge_refusal(
    point: &Point,
    errno: &str,
    done: &crate::conformance::Done,
    bench: &Bench,
) -> Result<()> {
    if done.code == 0 {
        // The payload of `run` and `exec` tells what it sees: what was refused must not be missing.
        let tells = matches!(point.verb.name, "run" | "exec");
        return match tells {
            true => same_as_undisturbed(point, &done.stdout, bench),
            false => Ok(()),
        };
    }
    let step = point.record.step.last().map_or("", |step| step.as_ref());
    for part in [step, point.record.call.as_ref(), errno] {
        ensure!(done.stderr.contains(part), "the error does not name {part:?}: {done:?}");
    }
    if matches!(point.verb.name, "run" | "create") {
        let state = bench.command(&["state", bench.id()])?;
        ensure!(state.code != 0, "a container is left that was not made: {state:?}");
    }
    Ok(())
}

/// What a payload sees of its rights and its surroundings, however the command went.
fn same_as_undisturbed(point: &Point, told: &str, bench: &Bench) -> Result<()> {
    let told = essence(told).context("what the payload tells")?;
    bench.command(&["delete", "--force", bench.id()])?;
    let config = point.verb.config(bench);
    point.verb.prepare(bench, &config)?;
    let undisturbed = bench.command(&point.verb.words(&[], bench.id()))?.good()?;
    let right = essence(&undisturbed.stdout)?;
    let Value::Object(fields) = &right else { bail!("no report: {right}") };
    for (name, value) in fields {
        let seen = &told[name.as_str()];
        ensure!(seen == value, "what runs has {name} {seen} instead of {value}");
    }
    Ok(())
}

/// Without what differs from run to run: numbers of namespaces, processes and mounts.
fn essence(report: &str) -> Result<Value> {
    let mut report: Value = serde_json::from_str(report.trim())?;
    let Value::Object(fields) = &mut report else { bail!("no report: {report}") };
    let kept = [
        "status",
        "rlimits",
        "umask",
        "cwd",
        "environment",
        "args",
        "hostname",
        "devices",
        "fds",
        "capabilities",
        "user",
        "groups",
    ];
    fields.retain(|name, _| kept.contains(&name.as_str()));
    // Where they lead to has the name of the run in it.
    if let Some(Value::Object(fds)) = fields.get_mut("fds") {
        fds.values_mut().for_each(|target| *target = Value::Null);
    }
    if let Some(Value::Object(status)) = fields.get_mut("status") {
        let kept = [
            "CapInh",
            "CapPrm",
            "CapEff",
            "CapBnd",
            "CapAmb",
            "NoNewPrivs",
            "Seccomp",
            "Uid",
            "Gid",
            "Groups",
            "Umask",
        ];
        status.retain(|name, _| kept.contains(&name.as_str()));
    }
    Ok(report)
}

/// Whoever still works for the command; not the container's own program, which `delete` has to find.
fn kill_the_rest(bench: &Bench) {
    for pid in leftovers::processes(bench.mark()) {
        let _ = primitives::kill(Pid::from_raw(pid), Signal::SIGKILL, "leave nobody to clean up");
    }
    sleep(Duration::from_millis(2));
}

/// The same name, as if nothing had been.
fn again(bench: &Bench, config: &Value) -> Result<()> {
    bench.write(config)?;
    let made = bench.command(&["create", bench.id()])?;
    ensure!(made.code == 0, "the same name cannot be used again: {made:?}");
    Ok(())
}
