//! Is every step needed? Each is left out, and then its check must fail: a step that nobody misses is
//! a hole in the tests, or should not be there.

mod checks;
mod steps;

use std::collections::BTreeSet;
use std::process::ExitCode;

use libtest_mimic::Trial;
use tests::catalogue::{Case, cases};
use tests::places::{Place, missing};
use tests::suite;

use steps::steps;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for place in Place::possible() {
        for (index, step) in steps().enumerate().filter(|(_, step)| step.possible(place)) {
            let name = format!("omissions/{}/{}/{index}-{}", place.name(), step.program, step.name);
            trials.push(match missing(step.args, place) {
                None => suite::test(name, move || step.is_missed(place)),
                Some(missing) => suite::skipped(name, missing),
            });
        }
    }
    // Leaving two steps out at once says nothing of either, and the tour is no lesson.
    let complete = |case: &Case| {
        case.missing(Place::possible()[0]).is_none()
            && case.exit.0 == 0
            && !case.args.contains(&"--without")
            && case.program != "tour"
            // What the process of a container says stands where its own output goes.
            && case.can_be_watched()
    };
    trials.extend(cases().filter(complete).map(whole));
    suite::run(trials)
}

/// Whether every step of a program either stands in the list above, or cannot be left out.
fn whole(case: Case) -> Trial {
    suite::test(format!("omissions/all-steps-of/{}", case.name), move || {
        let place = Place::possible()[0];
        let (run, _target) = case.prepare(place);
        let ran = run.go();
        let names = ran.records().into_iter().flat_map(|record| record.step.clone());
        for name in names.map(|step| step.to_string()).collect::<BTreeSet<String>>() {
            let listed = steps().any(|step| step.program == case.program && step.name == name);
            assert!(listed || cannot_be_left_out(&case, place, &name), "nobody misses {name:?}");
        }
    })
}

fn cannot_be_left_out(case: &Case, place: Place, step: &str) -> bool {
    let (run, _target) = case.prepare(place);
    let ran = run.flags(["--without", step]).go();
    // A program that sits at a terminal says it there.
    [ran.stderr, ran.stdout].iter().any(|text| text.contains("cannot be left out"))
}
