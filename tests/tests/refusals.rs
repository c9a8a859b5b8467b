//! What happens when a request is refused, or the process killed in its place?
//!
//! Every program, every process of it, every request that it makes: once refused with EPERM, once
//! with the errno that a learner most likely meets there, once killed. There must be one message that
//! names the step and the call, and nothing may be left behind.

use std::collections::BTreeMap;
use std::process::ExitCode;

use primitives::cards;
use tests::catalogue::{Case, cases};
use tests::places::Place;
use tests::running::Ran;
use tests::suite;
use trace::{Event, Fate, Record};

/// Processes that one role is played by in turn are counted together, so one program may have many.
const MOST: usize = 200;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for place in Place::possible() {
        for case in cases().filter(|case| case.exit_code(place) == 0) {
            let name = format!("refusals/{}/{}", place.name(), case.name);
            trials.push(match case.missing(place) {
                None => suite::test(name, move || sweep(case, place)),
                Some(missing) => suite::skipped(name, missing),
            });
        }
    }
    trials.push(suite::test("refusals/there-are-enough", there_are_enough));
    suite::run(trials)
}

/// The catalogue itself could be empty, or its programs make no requests: then nothing was tested.
fn there_are_enough() {
    let place = Place::possible()[0];
    let requests = |case: &Case| -> usize {
        if case.exit_code(place) == 0 && case.missing(place).is_none() {
            by_role(&run(case, place, &[])).values().map(Vec::len).sum()
        } else {
            0
        }
    };
    let all: usize = cases().map(|case| requests(&case)).sum();
    assert!(all > 100, "only {all} requests to refuse: is the trace empty?");
}

/// Refuses and kills at each request in turn.
fn sweep(case: Case, place: Place) {
    let normal = run(&case, place, &[]);
    let mut wrong = Vec::new();
    for (role, records) in by_role(&normal) {
        for (index, record) in records.iter().take(MOST).enumerate() {
            let at = format!("{role}:{}", index + 1);
            for errno in errnos(record) {
                let flag = format!("{at}={errno}");
                let ran = run(&case, place, &["--fail-at", &flag]);
                wrong.extend(
                    refused(record, &errno, &ran).into_iter().map(|w| format!("{flag}: {w}")),
                );
            }
            let ran = run(&case, place, &["--kill-at", &at]);
            wrong.extend(
                killed(&case, &role, &ran).into_iter().map(|w| format!("killed at {at}: {w}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn run(case: &Case, place: Place, flags: &[&str]) -> Ran {
    let (run, target) = case.prepare(place);
    let ran = run.flags(flags).go();
    drop(target);
    ran
}

/// The requests that can be refused, by the process that makes them. Those that clean up cannot.
fn by_role(ran: &Ran) -> BTreeMap<String, Vec<Record>> {
    let mut roles: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for record in ran.records().into_iter().filter(|record| !record.cleans_up) {
        roles.entry(record.role.to_string()).or_default().push(record.clone());
    }
    roles
}

/// EPERM, and the first other errno on the card of the request: the likeliest, by our own words.
fn errnos(record: &Record) -> Vec<String> {
    let card = cards::find(&record.primitive);
    assert!(card.is_some(), "{} has no card", record.primitive);
    let others = card.into_iter().flat_map(|card| card.errnos).map(|(errno, _)| errno.to_string());
    let likeliest = others.filter(|errno| errno != "EPERM").take(1);
    ["EPERM".to_string()].into_iter().chain(likeliest).collect()
}

fn refused(record: &Record, errno: &str, ran: &Ran) -> Vec<String> {
    let mut wrong = left_behind(ran);
    // Outside of any step the message names the call alone.
    let step = record.step.last().map_or("", |step| step.as_ref());
    if ran.code == 0 {
        wrong.push("the program says that all went well".to_string());
    }
    let message = ran.error();
    for part in [step, record.call.as_ref(), errno] {
        if !message.contains(part) {
            wrong.push(format!("the message does not name {part:?}: {:?}", ran.stderr));
        }
    }
    if ran.stderr.lines().count() != 1 {
        wrong.push(format!("there is more than one message: {:?}", ran.stderr));
    }
    let empty = |event: &&Event| matches!(event, Event::Step(note) if note.fate == Fate::Empty);
    wrong.extend(ran.events.iter().filter(empty).map(|event| format!("an empty step: {event:?}")));
    wrong
}

/// Nobody needs the keeper but when the others are killed: without it all may go well.
const SPARE: &str = "keeper";

fn killed(case: &Case, role: &str, ran: &Ran) -> Vec<String> {
    let mut wrong = named(&case.unwanted(&ran.left_behind));
    if ran.code == 0 && role != SPARE {
        wrong.push("the program says that all went well".to_string());
    }
    if ran.stderr.contains("panicked") {
        wrong.push(format!("there was a panic: {}", ran.stderr));
    }
    wrong
}

fn left_behind(ran: &Ran) -> Vec<String> {
    named(&ran.left_behind)
}

fn named(left_behind: &[String]) -> Vec<String> {
    left_behind.iter().map(|what| format!("left behind: {what}")).collect()
}
