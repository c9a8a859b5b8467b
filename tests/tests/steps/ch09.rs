//! Chapter 9: less than root.

use crate::checks::Check::{DiesWithParent, Says};
use crate::checks::{Check, Step, step};

pub(super) const STEPS: &[Step] = &[
    step("take a name", "chapter9", &[], Check::SaysAmongOthers("the name is porthole")),
    step("give it up", "chapter9", &[], Check::SaysAmongOthers("it cannot change the name")),
    step("try again", "chapter9", &[], Check::SaysAmongOthers("it cannot change the name")),
    step("take it back", "chapter9", &[], Check::SaysAmongOthers("it cannot take it back")),
    step("let it go on", "chapter9", &["cap", "run", "--", "true"], Check::EndsWell),
    step("tie to the parent", "chapter9", &["cap", "run", "--", "sleep", "60"], DiesWithParent),
    step(
        "deny setgroups",
        "chapter9",
        &["cap", "run", "--", "cat", "/proc/self/setgroups"],
        Says("deny\n"),
    ),
    step("map the users", "chapter9", &["cap", "run", "--", "id", "-u"], Says("0\n")),
    step("map the groups", "chapter9", &["cap", "run", "--", "id", "-g"], Says("0\n")),
    step(
        "shrink the bounding set",
        "chapter9",
        &["cap", "run", "--drop", "all", "--", "grep", "CapEff", "/proc/self/status"],
        Says("CapEff:\t0000000000000000\n"),
    ),
    step(
        "set the secure bits",
        "chapter9",
        &["cap", "run", "--securebits", "noroot", "--", "grep", "CapEff", "/proc/self/status"],
        Says("CapEff:\t0000000000000000\n"),
    ),
    step(
        "set the capabilities",
        "chapter9",
        &["cap", "run", "--inheritable", "NET_RAW", "--", "grep", "CapInh", "/proc/self/status"],
        Says("CapInh:\t0000000000002000\n"),
    ),
    step(
        "raise the ambient set",
        "chapter9",
        &[
            "cap",
            "run",
            "--uid",
            "7",
            "--gid",
            "7",
            "--ambient",
            "NET_RAW",
            "--",
            "grep",
            "CapEff",
            "/proc/self/status",
        ],
        Says("CapEff:\t0000000000002000\n"),
    ),
    step(
        "keep what is permitted",
        "chapter9",
        &["cap", "run", "--uid", "7", "--gid", "7", "--ambient", "NET_RAW", "--", "true"],
        Check::EndsWell,
    )
    .as_root(),
    step(
        "gain nothing any more",
        "chapter9",
        &["cap", "run", "--no-new-privs", "--", "grep", "NoNewPrivs", "/proc/self/status"],
        Says("NoNewPrivs:\t1\n"),
    ),
    step(
        "set the limits",
        "chapter9",
        &[
            "user",
            "run",
            "--uid",
            "7",
            "--gid",
            "7",
            "--rlimit",
            "nofile=64:128",
            "--",
            "sh",
            "-c",
            "ulimit -n; ulimit -Hn",
        ],
        Says("64\n128\n"),
    ),
    step(
        "set the mask",
        "chapter9",
        &["user", "run", "--uid", "7", "--gid", "7", "--umask", "027", "--", "sh", "-c", "umask"],
        Says("0027\n"),
    ),
    step(
        "change the groups",
        "chapter9",
        &["user", "run", "--uid", "7", "--gid", "7", "--groups", "5", "--", "id", "-G"],
        Says("7 5\n"),
    )
    .as_root(),
    step(
        "change the group",
        "chapter9",
        &["user", "run", "--uid", "7", "--gid", "8", "--", "id", "-g"],
        Says("8\n"),
    )
    .as_root(),
    step(
        "change the user",
        "chapter9",
        &["user", "run", "--uid", "7", "--gid", "8", "--", "id", "-u"],
        Says("7\n"),
    )
    .as_root(),
    step(
        "leave what root has",
        "chapter9",
        &["user", "run", "--uid", "7", "--gid", "8"],
        Check::SaysAmongOthers("permitted:    none\n"),
    )
    .as_user(),
    step(
        "tie again",
        "chapter9",
        &["user", "run", "--uid", "7", "--gid", "7", "--", "sleep", "60"],
        DiesWithParent,
    )
    .as_root(),
];
