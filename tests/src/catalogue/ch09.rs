//! Chapter 9: less than root.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("ch9-default", "chapter9", &[]),
    case("ch9-show", "chapter9", &["cap", "show"]).varies(),
    case("ch9-show-other", "chapter9", &["cap", "show", "{target}"]).varies(),
    case("ch9-show-missing", "chapter9", &["cap", "show", "4194304"]).exits(125),
    case("ch9-keep", "chapter9", &["cap", "run", "--keep", "NET_RAW,chown", "--", "true"]),
    case("ch9-keep-shown", "chapter9", &["cap", "run", "--keep", "NET_RAW"]),
    case(
        "ch9-drop-all",
        "chapter9",
        &[
            "cap",
            "run",
            "--drop",
            "all",
            "--no-new-privs",
            "--",
            "grep",
            "Cap",
            "/proc/self/status",
        ],
    ),
    case(
        "ch9-noroot",
        "chapter9",
        &[
            "cap",
            "run",
            "--securebits",
            "noroot,noroot-locked",
            "--",
            "grep",
            "Cap",
            "/proc/self/status",
        ],
    )
    .varies(),
    case(
        "ch9-ambient",
        "chapter9",
        &[
            "cap",
            "run",
            "--uid",
            "1000",
            "--gid",
            "1000",
            "--keep",
            "NET_RAW",
            "--ambient",
            "NET_RAW",
            "--",
            "grep",
            "Cap",
            "/proc/self/status",
        ],
    ),
    case(
        "ch9-inheritable",
        "chapter9",
        &["cap", "run", "--inheritable", "NET_RAW", "--", "grep", "CapInh", "/proc/self/status"],
    ),
    case(
        "ch9-drop-first",
        "chapter9",
        &[
            "cap",
            "run",
            "--uid",
            "1000",
            "--gid",
            "1000",
            "--keep",
            "NET_RAW",
            "--drop-first",
            "--",
            "true",
        ],
    )
    .exits(125)
    .exits_as_user(0),
    case(
        "ch9-lost-with-root",
        "chapter9",
        &[
            "cap",
            "run",
            "--uid",
            "1000",
            "--gid",
            "1000",
            "--keep",
            "NET_RAW",
            "--without",
            "keep what is permitted",
            "--",
            "true",
        ],
    )
    .exits(125)
    .exits_as_user(0),
    case(
        "ch9-user",
        "chapter9",
        &[
            "user",
            "run",
            "--uid",
            "1000",
            "--gid",
            "1001",
            "--umask",
            "027",
            "--rlimit",
            "nofile=64:128",
            "--rlimit",
            "core=0:0",
            "--no-new-privs",
            "--",
            "sh",
            "-c",
            "id -u; id -g; umask; ulimit -n; ulimit -Hn",
        ],
    ),
    case(
        "ch9-user-groups",
        "chapter9",
        &["user", "run", "--uid", "1000", "--gid", "1000", "--groups", "5,7", "--", "id", "-G"],
    )
    .exits_as_user(125),
    case("ch9-user-minus", "chapter9", &["user", "run", "--uid", "-1", "--gid", "0", "--", "true"])
        .exits(125),
];
