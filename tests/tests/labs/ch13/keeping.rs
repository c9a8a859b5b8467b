//! The one who stays: what it writes down, whom it tells, and what it leaves.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use primitives::{Pid, Signal, kill};
use tests::places::Place;
use tests::running::{Run, wait};

use super::{LONG, Named, Room, chapter13, field, quiet, until};

pub(super) const TESTS: &[Named] = &[
    ("follows-without-a-byte-lost", follows),
    ("does-not-wait-for-the-slow", does_not_wait_for_the_slow),
    ("many-knock", many_knock),
    ("ends-as-the-program-ends", ends_as_the_program_ends),
    ("told-to-end", told_to_end),
    ("nobody-else-may-come", nobody_else_may_come),
    ("refused-anywhere", refused_anywhere),
    ("killed-anywhere", killed_anywhere),
];

const NUMBERS: &str = "echo ready; read go; i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); \
                       done; exit 4";

/// Whoever follows from the start, and whoever comes in the middle, has what the log has.
fn follows(place: Place) {
    let mut room = Room::start(place, &format!("stty -echo; {NUMBERS}"));
    let follow = || quiet(place, ["logs", "--follow", &room.name()]);
    let early = follow();
    let mut first = early.start();
    until("it listens", || said(&early).contains("ready"));
    let typed = quiet(place, ["attach", &room.name()]).under([
        "sh",
        "-c",
        "{ echo; sleep 0.1; } | \"$@\"",
        "sh",
    ]);
    let _ = typed.go();
    let late = follow();
    let mut second = late.start();
    let status = wait(&mut room.keeper, LONG).expect("the box ends by itself");
    assert_eq!(status.code(), Some(4));
    let log = room.log();
    assert_eq!(log.lines().count(), 3001, "{} bytes", log.len());
    assert!(log.ends_with("line 2999\n"));
    assert!(wait(&mut first, LONG).expect("it ends").success());
    assert_eq!(said(&early), log);
    // It may have come when all was over: then it was told so.
    if wait(&mut second, LONG).expect("it ends").success() {
        assert_eq!(said(&late), log);
    }
}

fn said(run: &Run) -> String {
    std::fs::read_to_string(run.folder().join("stdout")).unwrap_or_default()
}

/// Somebody listens and reads nothing, while ten megabytes are said.
fn does_not_wait_for_the_slow(place: Place) {
    let script = "stty -echo; echo ready; read go; head -c 10000000 /dev/zero | tr '\\0' x; echo; \
                  echo done; read end";
    let room = Room::start(place, script);
    let mut slow = UnixStream::connect(room.directory().join("door")).expect("the door is open");
    let go = quiet(place, ["attach", &room.name()]).under([
        "sh",
        "-c",
        "{ echo; sleep 0.1; } | \"$@\"",
        "sh",
    ]);
    let _ = go.go();
    until("all is said", || room.log().ends_with("done\n"));
    assert_eq!(room.log().len(), "ready\n".len() + 10_000_000 + "\ndone\n".len());
    // It was sent away, and finds an end.
    slow.set_read_timeout(Some(LONG)).expect("a socket can have a time limit");
    let mut text = Vec::new();
    slow.read_to_end(&mut text).expect("there is an end");
    assert!(text.len() < 5_000_000, "{} bytes were kept for it", text.len());
}

/// More than are let in, and all of them gone again: nothing of them stays.
fn many_knock(place: Place) {
    let room = Room::start(place, "echo ready; exec sleep 70");
    let keeper = room.keeper.id() as i32;
    let open = || std::fs::read_dir(format!("/proc/{keeper}/fd")).map_or(0, |all| all.count());
    let before = open();
    for _ in 0..3 {
        let door = room.directory().join("door");
        let all: Vec<UnixStream> =
            (0..40).filter_map(|_| UnixStream::connect(&door).ok()).collect();
        assert!(all.len() >= 16, "only {} could knock", all.len());
        drop(all);
    }
    until("all are seen off", || open() <= before);
    assert_eq!(room.visit(place, &["hostname"]).stdout, "box\n", "and the next one is let in");
}

fn ends_as_the_program_ends(place: Place) {
    for (script, code) in [("exit 3", 3), ("kill -KILL $$; exit 4", 4), ("no-such-program", 127)] {
        let ran = quiet(place, ["run", "--rm", "box", "--", "sh", "-c", script]).go();
        assert_eq!(ran.code, code, "{script}: {}", ran.stderr);
        assert!(ran.left_behind.is_empty(), "{:?}", ran.left_behind);
    }
}

/// Process 1 of a box is deaf to SIGTERM; who keeps it is not.
fn told_to_end(place: Place) {
    let room = Room::start(place, "echo ready; exec sleep 70");
    let directory = room.directory();
    let ran = room.end();
    assert_eq!(ran.code, 137, "{}", ran.stderr);
    assert_eq!(ran.left_behind, ["file box"], "the log is kept");
    assert!(!directory.join("door").exists());
}

/// The one at the terminal is the one at the keyboard.
fn nobody_else_may_come(place: Place) {
    let room = Room::start(place, "echo ready; exec sleep 70");
    let mode = |name: &str| {
        let path = room.directory().join(name);
        path.metadata().expect("it is there").permissions().mode() & 0o777
    };
    assert_eq!((mode(""), mode("log")), (0o700, 0o600));
}

/// Each request of each process refused: one message, and nothing stays.
fn refused_anywhere(place: Place) {
    let mut tried = 0;
    for role in ["parent", "box"] {
        for number in 1.. {
            let at = format!("{role}:{number}=EPERM");
            let ran = Run::new(place, "chapter13")
                .flags(["--fail-at", &at])
                .args(["run", "box", "--", "true"])
                .go();
            if ran.code == 0 {
                break;
            }
            tried += 1;
            assert_eq!(ran.stderr.lines().count(), 1, "{at}: {}", ran.stderr);
            assert!(ran.error().contains("EPERM"), "{at}: {}", ran.stderr);
            // When the program has run, what it has said is kept.
            let late = ran.left_behind.iter().all(|what| what == "file box");
            let program_ran = ran.records().iter().any(|record| record.call == "execve");
            assert!(
                ran.left_behind.is_empty() || late && program_ran,
                "{at}: {:?}",
                ran.left_behind
            );
        }
    }
    assert!(tried > 25, "only {tried} requests");
}

/// Killed at each moment of its life, the keeper leaves no process; its log can be read, and its
/// directory removed.
fn killed_anywhere(place: Place) {
    for millis in 0..12 {
        let run = quiet(place, ["run", "box", "--", "sh", "-c", "echo ready; exec sleep 70"]);
        let mut keeper = run.start();
        std::thread::sleep(Duration::from_millis(millis));
        let pid = Pid::from_raw(keeper.id() as i32);
        let _ = kill(pid, Signal::SIGKILL, "do the worst");
        let _ = wait(&mut keeper, LONG);
        until("nobody is left", || run.processes().is_empty());
        assert_eq!(field(pid.as_raw(), "Name:"), "");
        let place_of = run.folder().join("box").to_string_lossy().into_owned();
        let attach = chapter13(place, &["attach", &place_of]);
        assert_eq!(attach.code, 125, "{millis} ms: {}", attach.stderr);
    }
}
