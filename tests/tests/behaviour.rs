//! Does the window do what its flags say, do errors end with the right code, and does `chapter2
//! unshare` do what the `unshare` of util-linux does?

mod agreement;

use std::fs;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use primitives::{Pid, Signal, kill};
use tests::places::{Place, has_user_namespaces};
use tests::running::{Ran, Run, wait};
use tests::suite;
use trace::Event;

/// A program with a parent, a child and pid 1 of a new pid namespace.
const THREE: [&str; 5] = ["unshare", "-rmpf", "--mount-proc", "--", "true"];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for place in Place::possible() {
        trials.extend(window(place));
        trials.extend(agreement::trials(place));
    }
    suite::run(trials)
}

/// A test of the window, under its name.
type Named = (&'static str, fn(Place));

fn window(place: Place) -> Vec<Trial> {
    let tests: [Named; 26] = [
        ("step-into-pid-1", step_into_pid_1),
        ("step-shows-what-changed", step_shows_what_changed),
        ("break-at-a-call", break_at_a_call),
        ("break-at-a-step", break_at_a_step),
        ("refuse-at-a-stop", refuse_at_a_stop),
        ("abort-at-a-stop", abort_at_a_stop),
        ("end-of-input-at-each-stop", end_of_input_at_each_stop),
        ("interrupted-at-a-stop", interrupted_at_a_stop),
        ("fail-the-nth", fail_the_nth),
        ("explain", explain),
        ("eighty-columns", eighty_columns),
        ("no-trace", no_trace),
        ("json-on-standard-error", json_on_standard_error),
        ("wrong-flags", wrong_flags),
        ("exit-codes", exit_codes),
        ("no-user-namespaces", no_user_namespaces),
        ("long-command-line", long_command_line),
        ("terminated", terminated),
        ("interrupted-program", interrupted_program),
        ("interrupted-pid-1", interrupted_pid_1),
        ("full-disk", full_disk),
        ("no-reader", no_reader),
        ("no-proc", no_proc),
        ("abort-ends-grandchildren", abort_ends_grandchildren),
        ("commands-leave-standard-input", commands_leave_standard_input),
        ("few-files", few_files),
    ];
    let trial = |(name, test): Named| {
        let name = format!("window/{}/{name}", place.name());
        match has_user_namespaces(place) {
            true => suite::test(name, move || test(place)),
            false => suite::skipped(name, "user namespaces"),
        }
    };
    tests.into_iter().map(trial).collect()
}

/// Runs the three processes with these commands at the stops.
fn scripted(place: Place, flags: &[&str], commands: &str) -> Ran {
    let run = Run::new(place, "chapter2").flags(flags).args(THREE);
    let file = run.folder().join("trace.commands");
    fs::write(&file, commands).expect("a file can be made in one's own folder");
    let file = file.to_string_lossy().into_owned();
    let mut ran = run.flags(["--commands", &file]).go();
    ran.left_behind.retain(|what| what != "file trace.commands");
    ran
}

fn nothing_left(ran: &Ran) {
    assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
}

fn step_into_pid_1(place: Place) {
    let ran = scripted(place, &["--step"], &"next\n".repeat(40));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let stops = ran.stderr.matches("[stop] ").count();
    assert_eq!(stops, ran.records().len(), "a stop before each request");
    assert!(ran.stderr.contains("(1 inside) › mount proc\n  about to: mount("), "{}", ran.stderr);
    nothing_left(&ran);
}

fn step_shows_what_changed(place: Place) {
    let ran = scripted(place, &["--step"], &"next\n".repeat(40));
    let changed = |call: &str| changes_after(&ran, call);
    assert!(changed("clone3").contains("child: + pid"), "{}", changed("clone3"));
    let unshare = changed("unshare");
    for part in ["user namespace: user:[", "mnt namespace: mnt:[", "uid map: "] {
        assert!(unshare.contains(part), "{unshare}");
    }
    if place == Place::User {
        assert!(unshare.contains("effective capabilities: none → all"), "{unshare}");
    }
    let writes = changed("write");
    assert!(writes.contains("setgroups: allow → deny"), "{writes}");
    assert!(writes.contains("uid map: \"\" → \"0 "), "{writes}");
    assert!(changed("mount").contains("mount at /proc"), "{}", changed("mount"));
    let about_another = mapped_from_outside(place);
    assert!(about_another.contains("in the process that it is about"), "{about_another}");
    assert!(about_another.contains("uid map: \"\" → \"0 "), "{about_another}");
    assert!(changed("mount").contains("+ proc, rw,nosuid,nodev,noexec"), "{}", changed("mount"));
}

/// In chapter 3 it is the parent that writes the maps of its child.
fn mapped_from_outside(place: Place) -> String {
    let run = Run::new(place, "chapter3").under(["sh", "-c", "yes '' | \"$@\"", "sh"]);
    let ran = run.flags(["--step", "--commands", "-"]).go();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    changes_after(&ran, "write")
}

/// All changes that were seen right after requests of one name, as text.
fn changes_after(ran: &Ran, call: &str) -> String {
    let mut text = String::new();
    let mut wanted = false;
    for event in &ran.events {
        match event {
            Event::Request(record) => wanted = record.call == call,
            Event::State(state) if wanted => {
                let mut pretty = trace::Pretty::new(trace::Style::plain());
                text.push_str(&pretty.render(&Event::State(state.clone())));
            }
            _ => {}
        }
    }
    text
}

fn break_at_a_call(place: Place) {
    let ran = scripted(place, &["--break", "mount"], "state\nnext\nnext\nnext\n");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("[stop] ").count(), 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("uid map: \"0 "), "the state at the stop: {}", ran.stderr);
}

fn break_at_a_step(place: Place) {
    let ran = scripted(place, &["--break", "mount-proc"], "continue\n");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("[stop] ").count(), 1, "{}", ran.stderr);
}

fn refuse_at_a_stop(place: Place) {
    let ran = scripted(place, &["--break", "mount-proc"], "fail EPREM\nfail ENODEV\n");
    assert_eq!(ran.code, 125);
    assert!(ran.stderr.contains("\"EPREM\" is no errno"), "{}", ran.stderr);
    assert!(ran.error().contains("init could not mount proc: mount("), "{}", ran.stderr);
    assert!(ran.error().contains("ENODEV"), "{}", ran.stderr);
    nothing_left(&ran);
}

fn abort_at_a_stop(place: Place) {
    let ran = scripted(place, &["--step"], "next\nnext\nabort\n");
    assert_eq!(ran.code, 125);
    assert!(ran.error().contains("stopped at a pause"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("[stop] ").count(), 3, "nothing is asked after it");
    nothing_left(&ran);
}

fn end_of_input_at_each_stop(place: Place) {
    for stops in 0..12 {
        let ran = scripted(place, &["--step"], &"next\n".repeat(stops));
        assert_eq!(ran.code, 125, "after {stops} stops: {}", ran.stderr);
        nothing_left(&ran);
    }
}

/// The reader presses Ctrl-C at a stop: the terminal sends SIGINT to all processes of the program.
fn interrupted_at_a_stop(place: Place) {
    let under = ["sh", "-c", "sleep 20 | \"$@\"", "sh"];
    let run = Run::new(place, "chapter2").under(under).flags(["--step", "--commands", "-"]);
    let run = run.args(THREE);
    let mut shell = run.start();
    let deadline = Instant::now() + Duration::from_secs(10);
    let stopped = || {
        let said = fs::read_to_string(run.folder().join("stderr")).unwrap_or_default();
        said.contains("[stop] ")
    };
    while !stopped() {
        assert!(Instant::now() < deadline, "it does not come to a stop");
        sleep(Duration::from_millis(2));
    }
    for pid in run.processes().into_iter().filter(|pid| *pid != shell.id() as i32) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGINT, "do what a terminal does");
    }
    let status = wait(&mut shell, Duration::from_secs(5)).expect("it ends");
    nothing_left(&run.look(status));
}

fn fail_the_nth(place: Place) {
    let ran = Run::new(place, "chapter2").flags(["--fail", "prctl:2=EINVAL"]).args(THREE).go();
    assert_eq!(ran.code, 125);
    assert!(ran.error().contains("init could not tie to the parent: prctl("), "{}", ran.stderr);
    nothing_left(&ran);
    let ran = Run::new(place, "chapter2").flags(["--fail", "prctl:9=EINVAL"]).args(THREE).go();
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("there were only 2 such requests"), "{}", ran.stderr);
    let run = Run::new(place, "chapter2").flags(["--break", "mont", "--commands", "/dev/null"]);
    let ran = run.args(THREE).go();
    assert!(ran.stderr.contains("--break mont: there was no such request"), "{}", ran.stderr);
}

fn explain(place: Place) {
    let run = Run::new(place, "chapter2").untraced();
    let ran = run.flags(["--explain", "--fail", "unshare=EPERM"]).args(THREE).go();
    assert!(ran.stderr.contains("man unshare(2), namespaces(7) · since Linux 2.6.16"));
    assert!(ran.stderr.contains("EPERM here: only root may"), "{}", ran.stderr);
}

fn eighty_columns(place: Place) {
    let ran = Run::new(place, "chapter2").untraced().flags(["--explain"]).args(THREE).go();
    assert!(ran.stderr.lines().count() > 30, "{}", ran.stderr);
    for line in ran.stderr.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        assert!(!line.contains('\u{1b}'), "colour where there is no terminal: {line:?}");
    }
}

fn no_trace(place: Place) {
    let ran = Run::new(place, "chapter2").untraced().flags(["--trace", "off"]).args(THREE).go();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

fn json_on_standard_error(place: Place) {
    let ran = Run::new(place, "chapter2").untraced().flags(["--trace", "json"]).args(THREE).go();
    let events = trace::json::parse_all(&ran.stderr).expect("every line is an event");
    assert!(events.len() > 10);
    assert!(ran.stderr.lines().all(|line| line.starts_with("{\"v\":1,\"kind\":\"request\"")));
}

fn wrong_flags(place: Place) {
    let cases: [(&[&str], &str); 9] = [
        (&["--commands", "/dev/null"], "add --step or --break"),
        (&["--trace", "off", "--trace-file", "x"], "there is no trace to write"),
        (&["--step", "--trace", "json", "--commands", "/dev/null"], "add --trace-file"),
        (&["--fail", "mount"], "it ends with the errno to refuse with"),
        (&["--fail", "mount=ENOTHING"], "is no errno"),
        (&["--kill-at", "child"], "name the process and count"),
        (&["--step"], "give the answers with --commands FILE"),
        (&["--break", "mount", "--commands", "/nowhere"], "--commands /nowhere"),
        (&["--trase", "off"], "unexpected argument '--trase'"),
    ];
    for (flags, says) in cases {
        // A session of its own has no terminal to ask on.
        let run = Run::new(place, "chapter2").untraced().under(["setsid", "--wait"]);
        let ran = run.flags(flags).go();
        assert_eq!(ran.code, 125, "{flags:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{flags:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "nothing was done: {}", ran.stdout);
    }
}

fn exit_codes(place: Place) {
    let cases: [(&[&str], i32); 8] = [
        (&["true"], 0),
        (&["sh", "-c", "kill -40 $$"], 168),
        (&[""], 127),
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["no-such-program"], 127),
        (&["/etc/passwd"], 126),
        (&["/etc"], 126),
    ];
    let programs: [(&str, &[&str]); 4] = [
        ("chapter1", &["spawn", "--"]),
        ("chapter1", &["spawn", "--by", "fork", "--"]),
        ("chapter2", &["unshare", "-r", "--"]),
        ("chapter3", &["userns", "run", "--"]),
    ];
    for (program, before) in programs {
        for (command, code) in cases {
            let run = Run::new(place, program).untraced().flags(["--trace", "off"]);
            let ran = run.args(before).args(command).go();
            assert_eq!(ran.code, code, "{program} {before:?} {command:?}: {}", ran.stderr);
            let lines = usize::from(matches!(code, 126 | 127));
            assert_eq!(ran.stderr.lines().count(), lines, "{:?}", ran.stderr);
        }
    }
}

/// A kernel without user namespaces, or one that forbids them: one message, and what to do.
fn no_user_namespaces(place: Place) {
    let errno = if place == Place::Root { "ENOSPC" } else { "EPERM" };
    let fail = format!("unshare={errno}");
    let ran = Run::new(place, "chapter2").flags(["--fail", &fail]).args(THREE).go();
    assert_eq!(ran.code, 125);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    // The real thing: in a user namespace whose own limit of user namespaces is 0.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let run = Run::new(place, "chapter3").under(["unshare", "-r", "sh", "-c", script, "sh"]);
    let ran = run.args(["userns", "run", "--", "true"]).go();
    assert_eq!(ran.code, 125, "{}", ran.stderr);
    assert!(ran.error().contains("ENOSPC (user or pid namespaces are nested too deeply"));
    assert!(ran.error().contains("/proc/sys/user"), "{}", ran.stderr);
}

fn long_command_line(place: Place) {
    let many: Vec<String> = (1..40_000).map(|n| n.to_string()).collect();
    let run = Run::new(place, "chapter1").args(["spawn", "--", "true"]).args(many);
    let ran = run.go();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let golden = trace::golden::text(&ran.events);
    assert!(golden.contains("... 39744 more]"), "what is left out is counted");
}

const CLEANS_UP: &str =
    "trap 'echo cleaning up; exit 3' INT TERM; echo ready; while :; do sleep 0.05; done";

/// Starts a program that says when it is ready, sends a signal, and waits for the end.
fn signalled(run: Run, signal: Signal, everybody: bool) -> Ran {
    let mut first = run.start();
    let deadline = Instant::now() + Duration::from_secs(10);
    let output = run.folder().join("stdout");
    while !fs::read_to_string(&output).is_ok_and(|text| text.contains("ready")) {
        assert!(Instant::now() < deadline, "it does not start");
        sleep(Duration::from_millis(2));
    }
    // The program is ready a moment before all that started it are back to waiting.
    sleep(Duration::from_millis(200));
    let first_pid = i32::try_from(first.id()).expect("pids fit into an i32");
    let pids = if everybody { run.processes() } else { vec![first_pid] };
    for pid in pids {
        let _ = kill(Pid::from_raw(pid), signal, "do what a terminal or a manager does");
    }
    let status = wait(&mut first, Duration::from_secs(5)).expect("it ends");
    run.look(status)
}

/// SIGTERM to the one who waits is for the program it waits for.
fn terminated(place: Place) {
    for args in [&["unshare", "-r"][..], &["unshare", "-rpf"], &["unshare", "-rf"]] {
        let run = Run::new(place, "chapter2").args(args).args(["sh", "-c", CLEANS_UP]);
        let ran = signalled(run, Signal::SIGTERM, false);
        assert!(ran.stdout.contains("cleaning up"), "{args:?}: {}", ran.stdout);
        assert_eq!(ran.code, 3, "{args:?}: {}", ran.stderr);
        nothing_left(&ran);
    }
}

/// Ctrl-C goes to everybody; a program that handles it is not ended by its watchers.
fn interrupted_program(place: Place) {
    for args in [&["unshare", "-r"][..], &["unshare", "-rpf"]] {
        let run = Run::new(place, "chapter2").args(args).args(["sh", "-c", CLEANS_UP]);
        let ran = signalled(run, Signal::SIGINT, true);
        assert!(ran.stdout.contains("cleaning up"), "{args:?}: {}", ran.stdout);
        nothing_left(&ran);
    }
}

/// Pid 1 does not feel a signal that it has no handler for; Ctrl-C ends it all the same.
fn interrupted_pid_1(place: Place) {
    let script = "echo ready; exec sleep 60";
    let run = Run::new(place, "chapter2").args(["unshare", "-rpf", "sh", "-c", script]);
    let ran = signalled(run, Signal::SIGINT, true);
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    nothing_left(&ran);
}

fn full_disk(place: Place) {
    let run = Run::new(place, "chapter1").untraced().flags(["--trace-file", "/dev/full"]);
    let ran = run.go();
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("note: the trace is incomplete"), "{}", ran.stderr);
}

/// Whoever reads the trace goes away: the program does not.
fn no_reader(place: Place) {
    let under = ["bash", "-c", "exec 2> >(exec true); sleep 0.1; exec \"$@\"", "bash"];
    let ran = Run::new(place, "chapter1").untraced().under(under).args(["zombie"]).go();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("its status was taken:  gone"), "{}", ran.stdout);
}

/// Where /proc shows another pid namespace, what cannot be known is not said.
fn no_proc(place: Place) {
    let under = ["unshare", "-rpf"];
    let ran = Run::new(place, "chapter1").under(under).args(["spawn", "--", "true"]).go();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let golden = trace::golden::text(&ran.events);
    assert!(golden.contains("[\"true\"], environ) = ?"), "{golden}");
    let flags = ["--step", "--commands", "/dev/null"];
    let ran = Run::new(place, "chapter1").under(under).flags(flags).args(["zombie"]).go();
    assert_eq!(ran.code, 125);
    assert!(ran.error().contains("mount proc first"), "{}", ran.stderr);
}

fn abort_ends_grandchildren(place: Place) {
    let under = ["sh", "-c", "{ sleep 0.5; echo abort; } | \"$@\"", "sh"];
    let run = Run::new(place, "chapter2").under(under);
    let run = run.flags(["--break", "waitid", "--commands", "-"]);
    let ran = run.args(["unshare", "-rf", "--", "sh", "-c", "sleep 55; :"]).go();
    assert_eq!(ran.code, 125, "{}", ran.stderr);
    nothing_left(&ran);
}

fn commands_leave_standard_input(place: Place) {
    let under = ["sh", "-c", "printf 'continue\\nfor the program\\n' | \"$@\"", "sh"];
    let run = Run::new(place, "chapter1").under(under).flags(["--step", "--commands", "-"]);
    let ran = run.args(["spawn", "--", "cat"]).go();
    assert_eq!(ran.stdout, "for the program\n", "{}", ran.stderr);
}

/// Few files may be open: what a chapter shows stays the same.
fn few_files(place: Place) {
    for limit in ["40", "300"] {
        let under = ["sh", "-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"];
        let run = Run::new(place, "chapter1").under(under);
        let ran = run.args(["leak", "--without", "close-the-rest"]).go();
        assert_eq!(ran.stdout, "the key is under the mat\n", "{limit}: {}", ran.stderr);
        let run = Run::new(place, "chapter2").under(under).args(THREE);
        assert_eq!(run.go().code, 0, "with {limit} files");
    }
}
