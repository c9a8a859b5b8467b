//! Do the programs do what their chapters say? What they claim is read from outside, and each attack
//! succeeds before its defence and fails after it.

mod labs;

use std::process::ExitCode;

use tests::places::Place;
use tests::suite;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for place in Place::possible() {
        trials.extend(labs::trials(place));
    }
    suite::run(trials)
}
