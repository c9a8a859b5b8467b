//! Chapter 7: trees of processes.

use crate::checks::Check::{DiesWithParent, EndsWell, Says, SaysAmongOthers, SaysLittle};
use crate::checks::{Step, step};

/// A terminal around the program.
const ON_A_TERMINAL: &[&str] =
    &["sh", "-c", r#"script -qec "$(printf '"%s" ' "$@")" /dev/null"#, "sh"];

/// The same, and afterwards somebody else in the group that called it changes the terminal: who has
/// it not is stopped for that, or gets EIO where nobody could wake it.
const BEFORE_ANOTHER: &[&str] = &[
    "sh",
    "-c",
    r#"script -qec "$(printf '"%s" ' "$@"); stty sane && echo it is back" /dev/null"#,
    "sh",
];

pub(super) const STEPS: &[Step] = &[
    step("tie to the parent", "chapter7", &["pid", "run", "--", "sleep", "60"], DiesWithParent),
    step(
        "tie to the parent",
        "chapter7",
        &["pid", "run", "--init", "--", "sleep", "60"],
        DiesWithParent,
    ),
    step("tie to the parent", "chapter7", &["pid", "init", "--", "sleep", "60"], DiesWithParent),
    step(
        "deny setgroups",
        "chapter7",
        &["pid", "run", "--user", "--", "cat", "/proc/self/setgroups"],
        Says("deny\n"),
    ),
    step("map the user", "chapter7", &["pid", "run", "--user", "--", "id", "-u"], Says("0\n")),
    step("map the group", "chapter7", &["pid", "run", "--user", "--", "id", "-g"], Says("0\n")),
    step("let it go on", "chapter7", &["pid", "run", "--user", "--", "true"], EndsWell),
    step(
        "cut the mount ties",
        "chapter7",
        &["pid", "run", "--", "sh", "-c", "grep -c shared: /proc/self/mountinfo || true"],
        Says("0\n"),
    )
    .under(&["unshare", "-rm", "--propagation", "shared"]),
    step("mount proc", "chapter7", &["pid", "run", "--", "readlink", "/proc/self"], SaysLittle(2)),
    step("mount proc", "chapter7", &[], SaysAmongOthers("/proc has the processes 1\n")),
    step("hold signals back", "chapter7", &["pid", "run", "--init", "--", "true"], EndsWell),
    step(
        "have a group of its own",
        "chapter7",
        &["pid", "run", "--init", "--", "cut", "-d ", "-f5", "/proc/self/stat"],
        Says("2\n"),
    ),
    step(
        "let signals through",
        "chapter7",
        &["pid", "init", "--", "grep", "SigBlk", "/proc/self/status"],
        Says("SigBlk:\t0000000000000000\n"),
    ),
    step(
        "offer to adopt",
        "chapter7",
        &[
            "pid",
            "init",
            "--",
            "sh",
            "-c",
            "(sh -c 'sleep 0.2; read p n s pp rest < /proc/$$/stat; cat /proc/$pp/comm' &); sleep 1",
        ],
        Says("chapter7\n"),
    ),
    step(
        "take the terminal",
        "chapter7",
        &["pid", "run", "--init", "--", "cut", "-d ", "-f5,8", "/proc/self/stat"],
        SaysAmongOthers("2 2"),
    )
    .under(ON_A_TERMINAL),
    step(
        "take the terminal back",
        "chapter7",
        &["pid", "run", "--init", "--", "true"],
        SaysAmongOthers("it is back"),
    )
    .under(BEFORE_ANOTHER),
];
