//! Ten thousand orphans.

use std::time::{Duration, Instant};

use tests::places::Place;

use super::{Named, children, field, quiet, said, until};

pub(super) const TESTS: &[Named] = &[
    ("storm", storm),
    ("storm-while-watched", storm_while_watched),
    ("storm-without-init", storm_without_init),
];

/// A shell that makes orphans, one after the other: what stands in brackets is a shell of its own, which
/// starts one and ends at once.
fn orphans(count: u32) -> String {
    format!(
        "i=0; while [ $i -lt {count} ]; do (: &); i=$((i+1)); done; \
         (i=0; while [ $i -lt 200 ]; do sleep 1 & i=$((i+1)); done); echo done; exec sleep 60"
    )
}

/// Those of a process's children that have ended and were not waited for.
fn zombies(of: i32) -> usize {
    let entries = std::fs::read_dir("/proc").expect("there is a /proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    pids.filter(|pid: &i32| {
        field(*pid, "PPid:") == of.to_string() && field(*pid, "State:").starts_with('Z')
    })
    .count()
}

/// Everybody is swept up while the program still runs, in little time and with no more memory.
fn storm(place: Place) {
    let script = orphans(10_000);
    let run = quiet(place, ["pid", "run", "--init", "--", "sh", "-c", &script]);
    let start = Instant::now();
    let mut first = run.start();
    until("the storm is over", || said(&run).contains("done"));
    let init = children(first.id() as i32)[0];
    // The last two hundred end at the same time.
    until("only the program is left", || children(init).len() == 1);
    assert_eq!(zombies(init), 0);
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    let program = children(init)[0];
    assert_eq!(field(program, "Name:"), "sleep", "the program still runs");
    let peak: u32 = field(init, "VmHWM:").split(' ').next().unwrap_or("").parse().expect("in kB");
    assert!(peak < 16 * 1024, "init has used {peak} kB");
    let _ = first.kill();
    let _ = first.wait();
}

/// The same with each request written down: the window keeps up, and nothing of it is lost.
fn storm_while_watched(place: Place) {
    let script = orphans(500).replace("exec sleep 60", "sleep 2; exit 3");
    let run = tests::running::Run::new(place, "chapter7");
    let ran = run.args(["pid", "run", "--init", "--", "sh", "-c", &script]).go();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let takes = |record: &&trace::Record| record.primitive == "wait_any_changed";
    let taken = ran.records().into_iter().filter(takes);
    let taken = taken.filter(|record| record.outcome.to_string().contains("si_pid")).count();
    assert_eq!(taken, 701, "700 orphans and the program");
}

/// A program that is process 1 and knows nothing of it: everybody stays.
fn storm_without_init(place: Place) {
    let script = orphans(0);
    let run = quiet(place, ["pid", "run", "--", "sh", "-c", &script]);
    let mut first = run.start();
    until("the storm is over", || said(&run).contains("done"));
    let program = children(first.id() as i32)[0];
    until("two hundred zombies", || zombies(program) == 200);
    let _ = first.kill();
    let _ = first.wait();
}
