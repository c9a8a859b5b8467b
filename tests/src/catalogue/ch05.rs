//! Chapter 5: changing the floor.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("ch5-default", "chapter5", &[]),
    case("ch5-old-floor-stays", "chapter5", &["--without", "drop-the-old-floor"]),
    // The folder of a test holds its trace already.
    case("ch5-make-not-empty", "chapter5", &["root", "make", "."]).exits(125),
    case("ch5-make-from-nothing", "chapter5", &["root", "make", ".", "--from-tar", "nothing.tar"])
        .exits(125),
    case("ch5-run-classic", "chapter5", &["root", "run", "--", "true"]),
    case("ch5-run-new", "chapter5", &["root", "run", "--api", "new", "--", "true"]),
    case(
        "ch5-run-restricted-classic",
        "chapter5",
        &[
            "root",
            "run",
            "--read-only",
            "--mask",
            "/etc",
            "--mask",
            "/proc/version",
            "--mask",
            "/proc/none",
            "--readonly-path",
            "/proc/sys",
            "--readonly-path",
            "/dev/shm",
            "--",
            "sh",
            "-c",
            "ls /etc; cat /proc/version; test -w /proc/sys; echo $?",
        ],
    ),
    case(
        "ch5-run-restricted-new",
        "chapter5",
        &[
            "root",
            "run",
            "--api",
            "new",
            "--read-only",
            "--mask",
            "/etc",
            "--mask",
            "/proc/version",
            "--readonly-path",
            "/proc/sys",
            "--",
            "sh",
            "-c",
            "exit 0",
        ],
    ),
    case("ch5-run-missing", "chapter5", &["root", "run", "--", "no-such-program"]).exits(127),
    case("ch5-run-no-root", "chapter5", &["root", "run", "nowhere", "--", "true"]).exits(125),
    case(
        "ch5-run-not-bound",
        "chapter5",
        &["root", "run", "--without", "bind-itself", "--", "true"],
    )
    .exits(125),
    case("ch5-escape-chroot", "chapter5", &["escape", "--by", "double-chroot", "--from", "chroot"]),
    case("ch5-escape-by-open-directory", "chapter5", &["escape", "--by", "open-directory"])
        .exits(1),
    case("ch5-escape-by-double-chroot", "chapter5", &["escape", "--by", "double-chroot"]).exits(1),
    case(
        "ch5-escape-chroot-by-open-directory",
        "chapter5",
        &["escape", "--by", "open-directory", "--from", "chroot"],
    ),
];
