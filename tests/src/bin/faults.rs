//! The whole sweep as one command: every point of every command, with its figures.
//!
//! `faults [VERB…]`: only these commands. `faults --sample N`: every Nth point.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tests::conformance;
use tests::faults::{Point, Tally, VERBS, attempt, points};
use tests::places::Place;

/// More at once would only wait for each other.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let mut verbs: Vec<String> = std::env::args().skip(1).collect();
    let sample = match verbs.iter().position(|word| word == "--sample") {
        Some(at) => {
            let number = verbs
                .drain(at..(at + 2).min(verbs.len()))
                .nth(1)
                .and_then(|text| text.parse().ok());
            number.unwrap_or(1)
        }
        None => 1,
    };
    let mut clean = true;
    for place in Place::possible() {
        clean &= sweep(place, &verbs, sample);
    }
    conformance::clean_up();
    tests::programs::clean_up();
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn sweep(place: Place, verbs: &[String], sample: usize) -> bool {
    let mut all: Vec<Point> = Vec::new();
    let wanted = |name: &str| verbs.is_empty() || verbs.iter().any(|verb| verb == name);
    for verb in VERBS.into_iter().filter(|verb| wanted(verb.name)) {
        match points(verb, place) {
            Ok(points) => all.extend(points.into_iter().step_by(sample)),
            Err(error) => {
                println!("{} as {}: {error:#}", verb.name, place.name());
                return false;
            }
        }
    }
    let (next, tally) = (AtomicUsize::new(0), Mutex::new((Tally::default(), true)));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(point) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let wrong = attempt(point, place);
                    let mut tally = tally.lock().expect("no worker panics");
                    wrong.iter().for_each(|line| println!("{line}"));
                    tally.0.count(point, !wrong.is_empty());
                    tally.1 &= wrong.is_empty();
                }
            });
        }
    });
    let (tally, clean) = tally.into_inner().expect("no worker panics");
    println!("as {}\n{}", place.name(), tally.table());
    clean
}
