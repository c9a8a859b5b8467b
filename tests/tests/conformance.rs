//! Does each runtime of this machine do what the runtime specification says?
//!
//! One test for each case, runtime and place. What a runtime does otherwise is listed, with what
//! decides it, in `tests::conformance::differences`; everything else that differs fails.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use tests::conformance::runtimes::{OURS, PEERS, Runtime};
use tests::conformance::verdict::judge;
use tests::conformance::{Case, cases, clean_up, differences, host};
use tests::places::Place;
use tests::{programs, suite};

/// More at once would only wait for each other, and hangs are told by the clock.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(arguments.test_threads.unwrap_or(WORKERS).min(WORKERS));
    let mut trials = vec![suite::test("conformance/each-difference-has-its-case", has_its_case)];
    for place in Place::possible() {
        for runtime in [OURS].into_iter().chain(PEERS) {
            trials.extend(of(runtime, place));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    clean_up();
    programs::clean_up();
    conclusion.exit_code()
}

fn of(runtime: Runtime, place: Place) -> Vec<Trial> {
    let prefix = format!("conformance/{}/{}", host(place), runtime.name);
    if let Some(reason) = runtime.lacks(place) {
        return vec![suite::skipped(prefix, reason)];
    }
    let cases = cases::all().into_iter().filter(|case| case.is_for(place));
    cases.map(|case| trial(format!("{prefix}/{}", case.name), case, runtime, place)).collect()
}

fn trial(name: String, case: Case, runtime: Runtime, place: Place) -> Trial {
    if let Some(reason) = (case.lacks)() {
        return suite::skipped(name, reason);
    }
    suite::test(name, move || {
        if let Some(complaint) = judge(&case, runtime, place).complaint() {
            panic!("{}\n{complaint}", case.section);
        }
    })
}

/// A line about a case that is not there would never be held against anything.
fn has_its_case() {
    for line in differences::all() {
        let known = cases::all().iter().any(|case| case.name == line.case);
        assert!(known, "there is no case {}", line.case);
        assert!(Runtime::of_name(line.runtime).is_some(), "there is no runtime {}", line.runtime);
    }
}
