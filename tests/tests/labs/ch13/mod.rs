//! Chapter 13: joining and talking.

mod joining;
mod keeping;
mod talking;

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use primitives::{Pid, Signal, kill};
use tests::places::{Place, has_user_namespaces};
use tests::running::{Ran, Run, wait};
use tests::suite;

/// A test of this chapter, under its name.
type Named = (&'static str, fn(Place));

/// What is seen of this chapter's programs from outside, and its attacks before and after their defence.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let all = [joining::TESTS, talking::TESTS, keeping::TESTS];
    let needs_root = |name: &str| matches!(name, "in-the-same-cgroups");
    let trial = |(name, test): Named| {
        let title = format!("ch13/{}/{name}", place.name());
        match has_user_namespaces(place) {
            false => suite::skipped(title, "user namespaces"),
            true => suite::test(title, move || test(place)),
        }
    };
    let tests = all.into_iter().flatten().copied();
    tests.filter(|(name, _)| place == Place::Root || !needs_root(name)).map(trial).collect()
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

fn quiet<S: AsRef<str>>(place: Place, words: impl IntoIterator<Item = S>) -> Run {
    Run::new(place, "chapter13").untraced().flags(["--trace", "off"]).args(words)
}

/// A run to its end, with nothing left behind.
fn chapter13(place: Place, words: &[&str]) -> Ran {
    let ran = quiet(place, words).go();
    assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
    ran
}

/// A box with a script in it; it is told to end when this is dropped.
struct Room {
    run: Run,
    keeper: Child,
}

impl Room {
    /// Starts it, and waits until the script has said "ready" at the end of a line.
    fn start(place: Place, script: &str) -> Room {
        let run = quiet(place, ["run", "box", "--", "sh", "-c", script]);
        let keeper = run.start();
        let room = Room { run, keeper };
        until("the box is ready", || room.log().contains("ready\n"));
        room
    }

    fn directory(&self) -> PathBuf {
        self.run.folder().join("box")
    }

    /// The directory as an argument.
    fn name(&self) -> String {
        self.directory().to_string_lossy().into_owned()
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.directory().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The first process in there, by its number out here.
    fn first(&self) -> i32 {
        let keeper = self.keeper.id() as i32;
        *children(keeper).first().expect("the keeper has a child")
    }

    /// What a visitor says.
    fn visit(&self, place: Place, words: &[&str]) -> Ran {
        chapter13(place, &[&["exec", &self.name(), "--"], words].concat())
    }

    fn end(mut self) -> Ran {
        tell_to_end(&self.keeper);
        let status = wait(&mut self.keeper, LONG).expect("the keeper ends");
        self.run.look(status)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if matches!(self.keeper.try_wait(), Ok(None)) {
            tell_to_end(&self.keeper);
            let _ = wait(&mut self.keeper, LONG);
        }
    }
}

fn tell_to_end(keeper: &Child) {
    let pid = Pid::from_raw(keeper.id() as i32);
    let _ = kill(pid, Signal::SIGTERM, "do what a shell does with a job");
}

fn children(of: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children"));
    children.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// A field of `/proc/PID/status`; empty when the process is gone.
fn field(pid: i32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The process of a run that is the program of this name, once it is there.
fn named(run: &Run, name: &str) -> i32 {
    let find = || run.processes().into_iter().find(|pid| field(*pid, "Name:") == name);
    until(&format!("a process {name}"), || find().is_some());
    find().expect("it was there a moment ago")
}
