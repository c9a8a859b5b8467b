//! Is the log of every program exactly what the kernel saw?

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use tests::catalogue::{Case, cases};
use tests::conformance::{self, Bench};
use tests::places::{Place, has_program};
use tests::pty::Terminal;
use tests::running::Run;
use tests::truth::Row;
use tests::{strace, suite, truth};

/// Each lie, and what the check must say of it.
const LIES: [(&str, &str); 13] = [
    ("honest", ""),
    ("wrong-argument", "the kernel saw chroot(\"/\")"),
    ("wrong-result", "the kernel answered chroot(\"/nowhere\") = -1 ENOENT"),
    ("wrong-errno", "the kernel answered chroot(\"/nowhere\") = -1 ENOENT"),
    ("wrong-text", "the kernel saw no such call"),
    ("no-call", "the kernel saw no such call"),
    ("no-record", "no record of chroot(\"/\")"),
    ("no-record-of-write", "/proc/self/oom_score_adj"),
    ("no-record-of-process", "clone"),
    ("no-lock", "the kernel saw no such call"),
    ("wrong-socket", "the kernel saw connect("),
    ("no-record-of-socket", "no record of bind("),
    ("wrong-file", "the kernel saw no such call"),
];

/// All processes, with the numbers that they have out here, and texts as long as they are.
const STRACE: [&str; 8] =
    ["strace", "-f", "-q", "--pidns-translation", "-s", "65536", "-e", "signal=none"];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for place in Place::possible() {
        let name = |case: &Case| format!("truth/{}/{}", place.name(), case.name);
        let strace = (!has_program("strace")).then_some("strace (Debian: apt-get install strace)");
        let watched = cases().filter(Case::can_be_watched);
        trials.extend(watched.map(|case| match strace.or(case.missing(place)) {
            None => suite::test(name(&case), move || is_true(case, place)),
            Some(missing) => suite::skipped(name(&case), missing),
        }));
        trials.extend(truth::rows(place).map(|row| {
            let name = format!("truth/{}/runtime-{}", place.name(), row.name);
            match strace.or(conformance::runtimes::OURS.lacks(place)) {
                None => suite::test(name, move || command_is_true(row, place)),
                Some(missing) => suite::skipped(name, missing),
            }
        }));
    }
    trials.extend(LIES.iter().map(|(how, says)| {
        let name = format!("lie/{how}");
        match has_program("strace") && tests::places::is_root() {
            true => suite::test(name, move || is_caught(how, says)),
            false => suite::skipped(name, "strace, and root for a chroot to lie about"),
        }
    }));
    let code = suite::run(trials);
    conformance::clean_up();
    code
}

fn is_true(case: Case, place: Place) {
    let (run, target) = case.prepare(place);
    let by_root = place.is_other_user() && case.hides();
    let wrong = under_strace(run, case.exit_code(place), by_root);
    drop(target);
    assert!(wrong.is_empty(), "the trace and the kernel disagree:\n  {}", wrong.join("\n  "));
}

/// A command on a container.
fn command_is_true(row: Row, place: Place) {
    let bench = Bench::new(conformance::runtimes::OURS, place).expect("a bench can be made");
    let result = disagreements_of(row, &bench);
    let failures = bench.end(Ok(()));
    assert!(failures.is_empty(), "{failures:?}");
    let wrong = result.expect("the command can be run under strace");
    assert!(wrong.is_empty(), "the trace and the kernel disagree:\n  {}", wrong.join("\n  "));
}

fn disagreements_of(row: Row, bench: &Bench) -> anyhow::Result<Vec<String>> {
    row.verb.prepare(bench, &row.config(bench)?)?;
    let (trace, seen) = (bench.path("trace"), bench.path("strace"));
    let filter = format!("trace={}", truth::strace_filter());
    let under = STRACE.into_iter().chain(["-e", &filter, "-o"]);
    let seen_path = seen.to_string_lossy().into_owned();
    // Only root can read what stands in the memory of a process that is not dumpable; strace gives
    // its rights up in the child alone.
    let other = bench.place().is_other_user();
    let user: &[&str] = if other { &["-u", "nobody"] } else { &[] };
    let under: Vec<&str> = under.chain([seen_path.as_str()]).chain(user.iter().copied()).collect();
    let window = ["--trace", "json", "--trace-file", &trace.to_string_lossy()].map(str::to_string);
    let mut command = bench.ready_under(&under, &row.verb.words(&window, bench.id()));
    if other {
        command.uid(0).gid(0);
    }
    // A container that wants a terminal wants somebody to sit at it.
    let keyboard = Terminal::default();
    command.stdin(keyboard.end());
    bench.finish(command)?.good()?;
    let events = trace::json::parse_all(&fs::read_to_string(trace)?).map_err(anyhow::Error::msg)?;
    Ok(truth::disagreements(&events, &strace::parse(&fs::read_to_string(seen)?)))
}

fn is_caught(how: &str, says: &str) {
    let wrong = under_strace(Run::new(Place::Root, "liar").args([how]), 0, false);
    match says {
        "" => assert!(wrong.is_empty(), "an honest program was called a liar: {wrong:?}"),
        says => assert!(wrong.iter().any(|line| line.contains(says)), "not caught: {wrong:?}"),
    }
}

/// Runs a program under strace, and returns in what its trace and the kernel disagree.
fn under_strace(run: Run, code: i32, by_root: bool) -> Vec<String> {
    let output = run.folder().join("strace");
    let output = output.to_string_lossy().into_owned();
    let filter = format!("trace={}", truth::strace_filter());
    let words = STRACE.into_iter().chain(["-e", &filter, "-o", &output]);
    let words: Vec<&str> = words.collect();
    let run = match by_root {
        true => run.under_by_root(words.into_iter().chain(["-u", "nobody"])),
        false => run.under(words),
    };
    let (ran, folder) = run.go_and_keep();
    assert_eq!(ran.code, code, "the exit code under strace; {}", ran.stderr);
    let seen = fs::read_to_string(folder.path().join("strace")).expect("strace writes its file");
    truth::disagreements(&ran.events, &strace::parse(&seen))
}
