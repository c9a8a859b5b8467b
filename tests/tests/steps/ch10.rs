//! Chapter 10: fewer doors.

use crate::checks::Check::{DiesWithParent, EndsWell, Says, SaysAmongOthers};
use crate::checks::{Step, step};

/// A file that says what the kernel thinks of this process.
const NO_NEW_PRIVS: &str = "grep NoNewPrivs /proc/self/status";
const GIVEN_UP: &str = "NoNewPrivs:\t1\n";

pub(super) const STEPS: &[Step] = &[
    step(
        "tie to the parent",
        "chapter10",
        &["sec", "run", "--deny", "chroot", "--", "sleep", "60"],
        DiesWithParent,
    ),
    step(
        "give up gaining rights",
        "chapter10",
        &["sec", "run", "--deny", "chroot", "--", "sh", "-c", NO_NEW_PRIVS],
        Says(GIVEN_UP),
    ),
    step("shut the doors", "chapter10", &[], SaysAmongOthers("mkdir: closed")),
    step(
        "give up gaining rights",
        "chapter10",
        &["sec", "record", "--", "sh", "-c", NO_NEW_PRIVS],
        SaysAmongOthers(GIVEN_UP),
    ),
    step("let them pass", "chapter10", &["sec", "record", "--", "true"], EndsWell),
    step("tie to the parent", "chapter10", &["sec", "notify", "--", "sleep", "60"], DiesWithParent),
    step("map root", "chapter10", &["sec", "notify", "--", "id", "-u"], Says("0\n")),
    step("let it go on", "chapter10", &["sec", "notify", "--", "true"], EndsWell),
    step(
        "have a place of its own",
        "chapter10",
        &["sec", "notify", "--", "sh", "-c", "pwd; ls"],
        Says("/tmp\n"),
    ),
    step(
        "give up gaining rights",
        "chapter10",
        &["sec", "notify", "--", "sh", "-c", NO_NEW_PRIVS],
        Says(GIVEN_UP),
    ),
    step(
        "go where it was asked",
        "chapter10",
        &["sec", "notify", "--", "sh", "-c", "mknod null c 1 3; stat -c %F null"],
        Says("character special file\n"),
    ),
    step(
        "put the device there",
        "chapter10",
        &["sec", "notify", "--", "sh", "-c", "mknod null c 1 3; stat -c %F null"],
        Says("character special file\n"),
    ),
    step(
        "tie to the parent",
        "chapter10",
        &["land", "run", "--read", "/", "--", "sleep", "60"],
        DiesWithParent,
    ),
    step(
        "give up gaining rights",
        "chapter10",
        &["land", "run", "--read", "/", "--", "sh", "-c", NO_NEW_PRIVS],
        Says(GIVEN_UP),
    ),
    step("keep what is read", "chapter10", &["land", "run", "--read", "/", "--", "true"], EndsWell),
    step(
        "keep what is written",
        "chapter10",
        &[
            "land",
            "run",
            "--read",
            "/",
            "--write",
            "/dev/null",
            "--",
            "sh",
            "-c",
            "echo x > /dev/null && echo kept",
        ],
        Says("kept\n"),
    ),
    step(
        "give it up",
        "chapter10",
        &["land", "run", "--read", "/", "--", "sh", "-c", "echo x 2>&- > /dev/null || echo closed"],
        Says("closed\n"),
    ),
];
