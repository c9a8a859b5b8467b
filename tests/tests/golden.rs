//! Does every program do, in every run, exactly what its golden trace says?

use std::process::ExitCode;

use insta::{Settings, assert_snapshot};
use libtest_mimic::Trial;
use tests::catalogue::{Case, Stdout, cases};
use tests::places::Place;
use tests::running::Ran;
use tests::{programs, suite};
use trace::{Arg, Event, Outcome};

/// How often each program runs, to be seen to do the same each time.
const RUNS: usize = 20;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for place in Place::possible() {
        trials.extend(cases().map(|case| golden(case, place)));
        trials.extend(cases().map(|case| stable(case, place)));
    }
    suite::run(trials)
}

fn golden(case: Case, place: Place) -> Trial {
    let name = format!("golden/{}/{}", place.name(), case.name);
    if let Some(missing) = case.missing(place) {
        return suite::skipped(name, missing);
    }
    suite::test(name, move || {
        let ran = run(&case, place);
        let mut settings = Settings::clone_current();
        settings.set_snapshot_path(programs::workspace().join("tests/golden").join(place.name()));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| assert_snapshot!(case.golden_name(), text(&case, &ran)));
        assert_eq!(ran.code, case.exit_code(place), "the exit code; {}", ran.stderr);
        let left = case.unwanted(&ran.left_behind);
        assert!(left.is_empty(), "left behind: {left:?}");
    })
}

fn stable(case: Case, place: Place) -> Trial {
    let name = format!("stable/{}/{}", place.name(), case.name);
    if let Some(missing) = case.missing(place) {
        return suite::skipped(name, missing);
    }
    suite::test(name, move || {
        let first = text(&case, &run(&case, place));
        for _ in 1..RUNS {
            let again = text(&case, &run(&case, place));
            assert_eq!(first, again, "two runs of the same program differ");
        }
    })
}

fn run(case: &Case, place: Place) -> Ran {
    let (run, target) = case.prepare(place);
    let ran = run.go();
    drop(target);
    ran
}

/// Everything that must be the same: the command, its end, its output, what it said, its trace.
fn text(case: &Case, ran: &Ran) -> String {
    let mut text = format!("$ {} {}\n", case.program, case.args.join(" "));
    text.push_str(&format!("exit code {}\n", ran.code));
    if case.stdout == Stdout::Same {
        text.push_str(&section("standard output", &ran.stdout));
    }
    text.push_str(&section("standard error", &without_pids(ran)));
    text.push_str(&section("trace", &trace::golden::text(&without_states(&ran.events))));
    if let Some(bundle) = &ran.bundle {
        text = text.replace(&*bundle.to_string_lossy(), "{…}");
    }
    let text = text.replace(&ran.id, "{id}");
    let text = text.replace(&ran.id.replace("porthole-", "held-"), "{cgroup}");
    // On a host with cgroup v1 and v2 the second one lies a floor deeper.
    text.replace("/sys/fs/cgroup/unified/", "/sys/fs/cgroup/")
}

/// What is remembered of a container is who it is in this run.
fn without_states(events: &[Event]) -> Vec<Event> {
    let mut events = events.to_vec();
    for event in &mut events {
        if let Event::Request(record) = event
            && let [Arg::Path(path), content, _] = record.args.as_mut_slice()
            && path.ends_with("/state.json.new")
        {
            *content = Arg::Hidden("state".into());
        }
    }
    events
}

fn section(name: &str, content: &str) -> String {
    match content.is_empty() {
        true => String::new(),
        false => format!("--- {name}\n{content}"),
    }
}

/// Messages name processes by the numbers that the trace has for them.
fn without_pids(ran: &Ran) -> String {
    let mut text = ran.stderr.clone();
    for record in ran.records() {
        let Outcome::Result(Arg::Pid(pid)) = &record.outcome else {
            continue;
        };
        text = text.replace(&format!("/proc/{pid}/"), "/proc/PID/");
        text = text.replace(&format!("pid {pid}"), "pid PID");
    }
    text
}
