//! Signals to process 1, exit codes, and who ends with whom.

use std::cell::Cell;
use std::thread::sleep;
use std::time::{Duration, Instant};

use primitives::Signal;
use tests::places::Place;
use tests::programs::program;
use tests::running::{Run, wait};

use super::{LONG, Named, children, field, named, parent, quiet, said, send, until};

pub(super) const TESTS: &[Named] = &[
    ("deaf-from-inside", deaf_from_inside),
    ("deaf-from-outside-but-not-to-kill", deaf_from_outside),
    ("ends-with-process-1", ends_with_process_1),
    ("ends-with-the-program", ends_with_the_program),
    ("ends-with-each-ancestor", ends_with_each_ancestor),
    ("init-alone-ends-what-is-left", init_alone_ends_what_is_left),
    ("handed-on", handed_on),
    ("handed-on-by-everybody", handed_on_by_everybody),
    ("not-handed-on-without-init", not_handed_on_without_init),
    ("stopped-and-continued", stopped_and_continued),
    ("exit-codes", exit_codes),
];

const SLEEPERS: &str = "sleep 60 & (sleep 60 &) ; exec sleep 60";

/// Process 1 has no default actions: in its own namespace nobody can end it, not even with SIGKILL.
fn deaf_from_inside(place: Place) {
    let script = "(kill -TERM 1; kill -KILL 1; kill -STOP 1); kill -KILL $$; echo alive";
    let ran = quiet(place, ["pid", "run", "--", "sh", "-c", script]).go();
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "alive\n"), "{}", ran.stderr);
}

/// From outside SIGTERM does nothing either, and SIGKILL ends it.
fn deaf_from_outside(place: Place) {
    let run = quiet(place, ["pid", "run", "--", "sleep", "60"]);
    let mut first = run.start();
    let init = named(&run, "sleep");
    send(init, Signal::SIGTERM);
    send(init, Signal::SIGUSR1);
    sleep(Duration::from_millis(200));
    assert_eq!(field(init, "State:"), "S (sleeping)");
    send(init, Signal::SIGKILL);
    let status = wait(&mut first, LONG).expect("it ends");
    assert_eq!(run.look(status).code, 137);
}

/// Starts a run, ends one of its processes, and looks whether all others end.
fn all_end(run: &Run, victim: impl Fn(i32) -> i32) {
    let mut first = run.start();
    until("three sleepers", || {
        run.processes().iter().filter(|pid| field(**pid, "Name:") == "sleep").count() == 3
    });
    send(victim(first.id() as i32), Signal::SIGKILL);
    let _ = wait(&mut first, LONG).expect("the first process ends");
    until("all others end", || run.processes().is_empty());
}

fn child(pid: i32) -> i32 {
    *children(pid).first().expect("it has a child")
}

fn ends_with_process_1(place: Place) {
    for words in [&["pid", "run", "--"][..], &["pid", "run", "--init", "--"]] {
        all_end(&quiet(place, words).args(["sh", "-c", SLEEPERS]), child);
        all_end(&quiet(place, words).args(["sh", "-c", SLEEPERS]), |first| first);
    }
}

/// The program ends; who is left in the namespace ends too, and the exit code is the program's.
fn ends_with_the_program(place: Place) {
    let script = "sleep 60 & (sleep 60 &) ; exit 9";
    for words in [&["pid", "run", "--"][..], &["pid", "run", "--init", "--"]] {
        let ran = quiet(place, words).args(["sh", "-c", script]).go();
        assert_eq!(ran.code, 9, "{}", ran.stderr);
        assert!(ran.left_behind.is_empty(), "{:?}", ran.left_behind);
    }
}

/// Two namespaces, one in the other, with an init each: whoever of the five is killed, all end that
/// depend on it; and from the top down that is everybody.
fn ends_with_each_ancestor(place: Place) {
    let chapter = program("chapter7", place).to_string_lossy().into_owned();
    let inner = [chapter.as_str(), "--trace", "off", "pid", "run", "--init", "--"];
    for generation in 0..5 {
        let words = ["pid", "run", "--init", "--"].iter().chain(&inner).copied();
        let run = quiet(place, words).args(["sh", "-c", SLEEPERS]);
        all_end(&run, |first| (0..generation).fold(first, |pid, _| child(pid)));
    }
}

/// Outside of a pid namespace it is not the kernel that ends those who are left.
fn init_alone_ends_what_is_left(place: Place) {
    let script = "sleep 60 & (sleep 60 &) ; exit 9";
    let ran = quiet(place, ["pid", "init", "--", "sh", "-c", script]).go();
    assert_eq!(ran.code, 9, "{}", ran.stderr);
    assert!(ran.left_behind.is_empty(), "{:?}", ran.left_behind);
}

const LISTENS: &str = "for s in HUP INT QUIT USR1 USR2 ALRM TERM WINCH PWR; do trap \"echo $s\" $s; \
    done; echo ready; while :; do sleep 0.02; done";

/// Sends a signal until it was heard. A shell loses one that comes while it starts a program (dash takes
/// no note of signals around its vfork), which is no fault of whoever hands it on.
fn insist(pid: i32, signal: Signal, what: &str, heard: impl Fn() -> bool) {
    let last = Cell::new(None::<Instant>);
    until(what, || {
        let due = last.get().is_none_or(|sent| sent.elapsed() > Duration::from_millis(500));
        if due && !heard() {
            last.set(Some(Instant::now()));
            send(pid, signal);
        }
        heard()
    });
}

/// Every signal that is sent to init from outside reaches the program.
fn handed_on(place: Place) {
    // What was ignored before a shell started, as under nohup, it cannot listen to.
    let run = quiet(place, ["pid", "run", "--init", "--", "sh", "-c", LISTENS])
        .under(["env", "--default-signal"]);
    let mut first = run.start();
    until("it is ready", || said(&run).contains("ready"));
    let init = child(first.id() as i32);
    let signals = [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGALRM,
        Signal::SIGTERM,
        Signal::SIGWINCH,
        Signal::SIGPWR,
    ];
    for signal in signals {
        let name = &signal.as_str()[3..];
        insist(init, signal, name, || said(&run).lines().any(|line| line == name));
    }
    send(init, Signal::SIGKILL);
    let status = wait(&mut first, LONG).expect("it ends");
    assert_eq!(run.look(status).code, 137);
}

/// SIGTERM to our own process outside: it hands it to init, and init to the program.
fn handed_on_by_everybody(place: Place) {
    for words in [&["pid", "run", "--init", "--"][..], &["pid", "init", "--"]] {
        let script = "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.02; done";
        let run = quiet(place, words).args(["sh", "-c", script]);
        let mut first = run.start();
        until("it is ready", || said(&run).contains("ready"));
        let ours = first.id() as i32;
        insist(ours, Signal::SIGTERM, "caught", || said(&run).contains("caught"));
        let status = wait(&mut first, LONG).expect("it ends");
        let ran = run.look(status);
        assert_eq!((ran.code, ran.stdout.as_str()), (3, "ready\ncaught\n"), "{words:?}");
    }
}

/// Why `docker stop` takes ten seconds: the program is process 1 and has no handler.
fn not_handed_on_without_init(place: Place) {
    let run = quiet(place, ["pid", "run", "--", "sleep", "60"]);
    let mut first = run.start();
    let program = named(&run, "sleep");
    send(first.id() as i32, Signal::SIGTERM);
    assert!(wait_a_little(&mut first).is_none(), "SIGTERM has ended process 1");
    send(program, Signal::SIGKILL);
    assert!(first.wait().is_ok());
    let run = quiet(place, ["pid", "run", "--init", "--", "sleep", "60"]);
    let mut first = run.start();
    named(&run, "sleep");
    send(first.id() as i32, Signal::SIGTERM);
    let status = wait(&mut first, LONG).expect("with an init it ends");
    assert_eq!(run.look(status).code, 143);
}

fn wait_a_little(first: &mut std::process::Child) -> Option<std::process::ExitStatus> {
    sleep(Duration::from_millis(300));
    first.try_wait().expect("one's own child can be waited for")
}

/// SIGTSTP to init stops the program, SIGCONT lets it go on; init itself sleeps as before.
fn stopped_and_continued(place: Place) {
    let run = quiet(place, ["pid", "run", "--init", "--", "sleep", "60"]);
    let mut first = run.start();
    let program = named(&run, "sleep");
    let init = parent(program);
    send(init, Signal::SIGTSTP);
    until("the program is stopped", || field(program, "State:").starts_with('T'));
    until("init goes on looking after it", || field(init, "State:").starts_with('S'));
    send(init, Signal::SIGCONT);
    until("it goes on", || field(program, "State:").starts_with('S'));
    let _ = first.kill();
    let _ = first.wait();
}

fn exit_codes(place: Place) {
    let cases: [(&[&str], i32); 7] = [
        (&["true"], 0),
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["sh", "-c", "kill -40 $$"], 168),
        (&["no-such-program"], 127),
        (&["/etc/passwd"], 126),
        (&["/etc"], 126),
    ];
    for before in
        [&["pid", "run", "--"][..], &["pid", "run", "--init", "--"], &["pid", "init", "--"]]
    {
        for (command, code) in cases {
            // Process 1 cannot end itself by a signal; the shell goes on to its end.
            let code = if before.len() == 3 && before[1] == "run" && code > 128 { 0 } else { code };
            let ran = quiet(place, before).args(command).go();
            assert_eq!(ran.code, code, "{before:?} {command:?}: {}", ran.stderr);
            let lines = usize::from(matches!(code, 126 | 127));
            assert_eq!(ran.stderr.lines().count(), lines, "{:?}", ran.stderr);
        }
    }
}
