//! Which commands of the runtime are held against the kernel, and on what containers?

use anyhow::Result;
use serde_json::{Value, json};

use super::rich::{mapped, rich, shared};
use crate::conformance::Bench;
use crate::faults::{Before, VERBS, Verb};
use crate::places::Place;

/// One command on one container.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its name in the list of tests.
    pub name: &'static str,
    /// The command.
    pub verb: Verb,
    /// Makes the configuration, where it is not the ordinary one.
    making: Option<Making>,
    /// Whether it takes cgroups, which only root can make here.
    needs_root: bool,
}

/// Makes a configuration, and what it needs.
type Making = fn(&Bench) -> Result<Value>;

impl Row {
    /// The configuration of the container.
    ///
    /// # Errors
    /// What it needs cannot be made.
    pub fn config(&self, bench: &Bench) -> Result<Value> {
        self.making.map_or_else(|| Ok(self.verb.config(bench)), |making| making(bench))
    }
}

/// All that somebody in `place` can do. What `create` makes outlives it, and with it strace; what
/// `start` sets going is no child of its. So these two are not among them.
pub fn rows(place: Place) -> impl Iterator<Item = Row> {
    let without_parents = |verb: &Verb| !matches!(verb.name, "create" | "start");
    let row = |verb: Verb| Row { name: verb.name, verb, making: None, needs_root: false };
    let plain = VERBS.into_iter().filter(without_parents).map(row);
    plain.chain(MORE).filter(move |row| place == Place::Root || !row.needs_root)
}

const fn run(name: &'static str, making: Making) -> Row {
    let verb = Verb { name: "run", more: &[], flags: &[], before: Before::Nothing };
    Row { name, verb, making: Some(making), needs_root: false }
}

const fn on_running(name: &'static str, flags: &'static [&'static str]) -> Row {
    let verb = Verb { name, more: &[], flags, before: Before::Running };
    Row { name, verb, making: None, needs_root: true }
}

const MORE: [Row; 7] = [
    run("run-rich", rich),
    run("run-mapped", mapped),
    run("run-shared", shared),
    run("run-terminal", terminal),
    Row {
        verb: Verb { name: "run", more: &[], flags: &["--detach"], before: Before::Nothing },
        ..run("run-detach", short)
    },
    on_running("pause", &[]),
    on_running(
        "update",
        &["--memory", "67108864", "--pids-limit", "30", "--cpu-share", "300", "--cpuset-cpus", "0"],
    ),
];

fn terminal(bench: &Bench) -> Result<Value> {
    let mut config = bench.config();
    config["process"]["terminal"] = json!(true);
    Ok(config)
}

/// strace stays as long as the container does.
fn short(bench: &Bench) -> Result<Value> {
    Ok(bench.config_for(&["report", "nap:100"]))
}
