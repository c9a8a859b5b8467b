//! Chapter 4: a view of files.

use super::{Case, case};

/// Asks and makes no file, which would stay when it is killed half-way.
const TRY: &str = "test -w /mnt && echo writable || echo read-only";

pub(super) const CASES: &[Case] = &[
    case("ch4-default", "chapter4", &[]),
    case("ch4-show", "chapter4", &["mnt", "show"]).varies(),
    case("ch4-show-other", "chapter4", &["mnt", "show", "{target}", "--under", "/proc"]).varies(),
    case("ch4-show-missing", "chapter4", &["mnt", "show", "4194304"]).exits(125),
    case("ch4-run", "chapter4", &["mnt", "run", "--", "sh", "-c", "exit 7"]).exits(7),
    case("ch4-run-slave", "chapter4", &["mnt", "run", "--propagation", "slave", "--", "true"]),
    case("ch4-run-shared", "chapter4", &["mnt", "run", "--propagation", "shared", "--", "true"]),
    case("ch4-spread", "chapter4", &["mnt", "spread"]),
    case("ch4-spread-slave", "chapter4", &["mnt", "spread", "--propagation", "slave"]),
    case("ch4-spread-shared", "chapter4", &["mnt", "spread", "--propagation", "shared"]),
    case("ch4-spread-uncut", "chapter4", &["mnt", "spread", "--without", "make-private"]),
    case(
        "ch4-bind",
        "chapter4",
        &["mnt", "bind", "/etc", "/mnt", "--", "test", "-e", "/mnt/passwd"],
    ),
    case(
        "ch4-bind-read-only",
        "chapter4",
        &["mnt", "bind", "--read-only", ".", "/mnt", "--", "sh", "-c", TRY],
    ),
    case(
        "ch4-bind-one-call",
        "chapter4",
        &[
            "mnt",
            "bind",
            "--read-only",
            "--without",
            "make-it-read-only",
            ".",
            "/mnt",
            "--",
            "sh",
            "-c",
            TRY,
        ],
    ),
    case("ch4-bind-missing", "chapter4", &["mnt", "bind", "no-such", "/mnt", "--", "true"])
        .exits(125),
    case("ch4-chroot", "chapter4", &["chroot", "/usr", "--", "/bin/pwd"]),
    case("ch4-chroot-missing", "chapter4", &["chroot", "/usr", "--", "no-such-program"]).exits(127),
    case("ch4-escape-directory", "chapter4", &["escape", "--by", "open-directory"]),
    case("ch4-escape-chroot", "chapter4", &["escape", "--by", "double-chroot"]),
    case(
        "ch4-escape-program",
        "chapter4",
        &["escape", "--by", "double-chroot", "--", "cat", "/mnt/secret"],
    ),
];
