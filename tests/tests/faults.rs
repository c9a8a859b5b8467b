//! Does the runtime survive what is done to it, and leave nothing behind?
//!
//! A sample of all points: at each request one of the things that can be done there. The whole sweep is
//! a command of its own: `cargo run -p tests --bin faults`.

use std::process::ExitCode;

use tests::faults::{Point, VERBS, Verb, attempt, points};
use tests::places::Place;
use tests::{conformance, suite};

/// Every so many points: each verb is met at most of its requests, in one way each.
const STEP: usize = 7;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for place in Place::possible() {
        for verb in VERBS {
            let name = format!("faults/{}/{}", place.name(), verb.name);
            trials.push(match conformance::runtimes::OURS.lacks(place) {
                None => suite::test(name, move || sweep(verb, place)),
                Some(reason) => suite::skipped(name, reason),
            });
        }
    }
    let code = suite::run(trials);
    conformance::clean_up();
    code
}

fn sweep(verb: Verb, place: Place) {
    let all = points(verb, place).expect("the undisturbed command works");
    assert!(all.len() >= 4, "{} has only {} points", verb.name, all.len());
    let sample: Vec<&Point> = all.iter().step_by(STEP).collect();
    let wrong: Vec<String> = sample.into_iter().flat_map(|point| attempt(point, place)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
