//! Chapter 10: fewer doors.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("ch10-default", "chapter10", &[]),
    case("ch10-run", "chapter10", &["sec", "run", "--deny", "chroot", "--", "echo", "open"]),
    case(
        "ch10-run-container",
        "chapter10",
        &["sec", "run", "--allow-file", "container", "--", "echo", "open"],
    ),
    case(
        "ch10-run-arguments",
        "chapter10",
        &["sec", "run", "--deny", "umask:0=0x7f", "--", "sh", "-c", "umask 177; umask"],
    ),
    case(
        "ch10-run-kill",
        "chapter10",
        &["sec", "run", "--kill", "--deny", "getppid", "--", "sh", "-c", "echo never"],
    )
    .exits(159),
    case("ch10-run-log", "chapter10", &["sec", "run", "--log", "--deny", "umask", "--", "true"]),
    case("ch10-run-no-execve", "chapter10", &["sec", "run", "--deny", "execve", "--", "true"])
        .exits(126),
    case(
        "ch10-run-no-way-out",
        "chapter10",
        &["sec", "run", "--deny", "execve,sendmsg,sendto", "--", "true"],
    )
    .exits(126),
    case("ch10-run-missing", "chapter10", &["sec", "run", "--deny", "chroot", "--", "/nowhere"])
        .exits(127),
    case(
        "ch10-run-no-profile",
        "chapter10",
        &["sec", "run", "--allow-file", "/nowhere", "--", "true"],
    )
    .exits(125),
    case("ch10-explain", "chapter10", &["sec", "explain"]).varies(),
    case("ch10-explain-container", "chapter10", &["sec", "explain", "container"]).varies(),
    case(
        "ch10-explain-ask",
        "chapter10",
        &["sec", "explain", "container", "--ask", "socket", "--args", "40"],
    )
    .varies(),
    case("ch10-record", "chapter10", &["sec", "record", "--", "true"]).varies(),
    case(
        "ch10-notify",
        "chapter10",
        &["sec", "notify", "--", "sh", "-c", "mknod null c 1 3; echo x > null; stat -c %F null"],
    ),
    case(
        "ch10-notify-nothing",
        "chapter10",
        &["sec", "notify", "--", "sh", "-c", "mkfifo pipe; ls"],
    ),
    case("ch10-land-show", "chapter10", &["land", "show"]).varies(),
    case(
        "ch10-land-run",
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
            "echo x > /dev/null; echo x 2>/dev/null > file || echo closed",
        ],
    ),
];
