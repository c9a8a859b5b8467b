//! Chapter 7: trees of processes.

mod numbers;
mod signals;
mod storm;
mod terminal;

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use primitives::{Pid, Signal, kill};
use tests::places::{Place, has_user_namespaces};
use tests::running::Run;
use tests::suite;

/// A test under its name.
type Named = (&'static str, fn(Place));

/// What is seen of this chapter's programs from outside, and its attacks before and after their defence.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let tests = [numbers::TESTS, signals::TESTS, storm::TESTS, terminal::TESTS].concat();
    let trial = |(name, test): Named| {
        let name = format!("chapter7/{}/{name}", place.name());
        match has_user_namespaces(place) {
            true => suite::test(name, move || test(place)),
            false => suite::skipped(name, "user namespaces"),
        }
    };
    tests.into_iter().map(trial).collect()
}

/// The chapter's program, quiet, with these words.
fn quiet<S: AsRef<str>>(place: Place, words: impl IntoIterator<Item = S>) -> Run {
    Run::new(place, "chapter7").untraced().flags(["--trace", "off"]).args(words)
}

/// No program takes longer than this for what is asked of it here; who does, hangs.
const LONG: Duration = Duration::from_secs(30);

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(2));
    }
}

/// The process of a run that is the program of this name, once it is there.
fn named(run: &Run, name: &str) -> i32 {
    let find = || {
        let mut pids = run.processes();
        pids.sort_unstable();
        pids.into_iter().rfind(|pid| field(*pid, "Name:") == name)
    };
    until(&format!("a process {name}"), || find().is_some());
    find().expect("it was there a moment ago")
}

/// A field of `/proc/PID/status`; empty when the process is gone.
fn field(pid: i32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parent(pid: i32) -> i32 {
    field(pid, "PPid:").parse().expect("the process is there")
}

/// The children of a process, also those that have ended and were not waited for.
fn children(of: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children"));
    let children = children.unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal, "do what somebody outside does").expect("it can be signalled");
}

fn said(run: &Run) -> String {
    fs::read_to_string(run.folder().join("stdout")).unwrap_or_default()
}
