//! Where can a command be disturbed?

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use primitives::cards;
use trace::{Event, Record};

use super::verbs::Verb;
use crate::conformance::Bench;
use crate::conformance::runtimes::OURS;
use crate::places::Place;

/// A request of a command, and what is done to it.
#[derive(Clone, Debug)]
pub struct Point {
    /// The command.
    pub verb: Verb,
    /// The process, by the part that it plays, and the number of its request.
    pub at: String,
    /// What would have been asked of the kernel.
    pub record: Record,
    /// What happens instead.
    pub action: Action,
}

/// What happens in place of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is refused with this errno.
    Refuse(String),
    /// The process is killed.
    Kill,
    /// All processes of the command are killed.
    KillAll,
}

impl Point {
    /// The flags of the window that do it.
    pub fn flags(&self) -> Vec<String> {
        match &self.action {
            Action::Refuse(errno) => vec!["--fail-at".into(), format!("{}={errno}", self.at)],
            Action::Kill | Action::KillAll => vec!["--kill-at".into(), self.at.clone()],
        }
    }

    /// A line that says what it is, and how to do it again.
    pub fn name(&self) -> String {
        let what = match &self.action {
            Action::Refuse(errno) => errno.clone(),
            Action::Kill => "kill".to_string(),
            Action::KillAll => "kill all".to_string(),
        };
        let Record { call, step, .. } = &self.record;
        let step = step.last().map_or("", |step| step.as_ref());
        format!("{} {}: {what} ({step}: {call})", self.verb.name, self.at)
    }
}

/// All points of a command, as an undisturbed run of it shows them.
///
/// # Errors
/// The undisturbed run fails, or leaves something behind.
pub fn points(verb: Verb, place: Place) -> Result<Vec<Point>> {
    let bench = Bench::new(OURS, place)?;
    let records = undisturbed(verb, &bench);
    let failures = bench.end(Ok(()));
    ensure!(failures.is_empty(), "the undisturbed {} leaves things: {failures:?}", verb.name);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut all = Vec::new();
    for record in records? {
        let count = counts.entry(record.role.to_string()).or_default();
        *count += 1;
        let at = format!("{}:{count}", record.role);
        let refusals = errnos(&record).into_iter().map(Action::Refuse);
        for action in refusals.chain([Action::Kill, Action::KillAll]) {
            let (at, record) = (at.clone(), record.clone());
            all.push(Point { verb, at, record, action });
        }
    }
    Ok(all)
}

fn undisturbed(verb: Verb, bench: &Bench) -> Result<Vec<Record>> {
    let config = verb.config(bench);
    verb.prepare(bench, &config).context("before it")?;
    let file = bench.path("trace");
    let window = ["--trace", "json", "--trace-file", &file.to_string_lossy()].map(str::to_string);
    bench.command(&verb.words(&window, bench.id()))?.good()?;
    let text = fs::read_to_string(&file)?;
    let events = trace::json::parse_all(&text).map_err(anyhow::Error::msg)?;
    let records = events.into_iter().filter_map(|event| match event {
        Event::Request(record) if !record.cleans_up => Some(record),
        _ => None,
    });
    Ok(records.collect())
}

/// EPERM, and the first other errno on the card of the request: the likeliest, by our own words.
fn errnos(record: &Record) -> Vec<String> {
    let card = cards::find(&record.primitive);
    let others = card.into_iter().flat_map(|card| card.errnos).map(|(errno, _)| errno.to_string());
    let likeliest = others.filter(|errno| errno != "EPERM").take(1);
    ["EPERM".to_string()].into_iter().chain(likeliest).collect()
}
