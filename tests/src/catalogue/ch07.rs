//! Chapter 7: trees of processes.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("ch7-default", "chapter7", &[]).varies(),
    case("ch7-run", "chapter7", &["pid", "run", "--", "sh", "-c", "echo $$; ls -d /proc/[0-9]*"]),
    case("ch7-run-user", "chapter7", &["pid", "run", "--user", "--", "id", "-u"]),
    case("ch7-run-no-proc", "chapter7", &["pid", "run", "--no-proc", "--", "sh", "-c", "echo $$"]),
    case(
        "ch7-run-deaf",
        "chapter7",
        &["pid", "run", "--", "sh", "-c", "kill -TERM $$; kill -KILL $$; echo 'still here'"],
    ),
    case("ch7-run-exit", "chapter7", &["pid", "run", "--", "sh", "-c", "exit 7"]).exits(7),
    case("ch7-run-missing", "chapter7", &["pid", "run", "--init", "--", "no-such-program"])
        .exits(127),
    case("ch7-init", "chapter7", &["pid", "run", "--init", "--", "sh", "-c", "echo $$"]),
    case(
        "ch7-init-orphan",
        "chapter7",
        &[
            "pid",
            "run",
            "--init",
            "--",
            "sh",
            "-c",
            "(sh -c 'sleep 0.1; exit 5' &); sleep 0.3; test -d /proc/4 || echo 'pid 4 is gone'",
        ],
    ),
    case(
        "ch7-init-signal",
        "chapter7",
        &[
            "pid",
            "run",
            "--init",
            "--",
            "sh",
            "-c",
            "trap 'exit 42' USR1; kill -USR1 1; while :; do :; done",
        ],
    )
    .exits(42),
    case("ch7-init-alone", "chapter7", &["pid", "init", "--", "true"]),
    case("ch7-init-alone-signal", "chapter7", &["pid", "init", "--", "sh", "-c", "kill -TERM $$"])
        .exits(143),
    case("ch7-map", "chapter7", &["pid", "map"]).varies(),
    case("ch7-map-other", "chapter7", &["pid", "map", "{target}"]).varies(),
    case("ch7-map-missing", "chapter7", &["pid", "map", "4194304"]).exits(125),
];
