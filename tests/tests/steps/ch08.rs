//! Chapter 8: limits.

use crate::checks::Check::{DiesWithAll, EndsWell, EndsWith, Says};
use crate::checks::{Check, Step, step};

/// A container that runs a script.
const fn contained(name: &'static str, args: &'static [&'static str], check: Check) -> Step {
    step(name, "chapter8", args, check)
}

pub(super) const STEPS: &[Step] = &[
    contained(
        "set the limits",
        &["container", "--pids", "1", "--hostname", "{id}", "--", "sh", "-c", "(true); true"],
        EndsWith(2),
    )
    .as_root(),
    contained(
        "enter the cgroup",
        &["container", "--pids", "1", "--hostname", "{id}", "--", "sh", "-c", "(true); true"],
        EndsWith(2),
    )
    .as_root()
    .on_v1(),
    step(
        "enter the cgroup",
        "chapter8",
        &["exec", "{cgroup}", "grep", "-q", "memory:.*held-\\|^0::.*held-", "/proc/self/cgroup"],
        EndsWell,
    )
    .as_root(),
    step(
        "tie to the parent",
        "chapter8",
        &["exec", "{cgroup}", "sleep", "60"],
        Check::DiesWithParent,
    )
    .as_root(),
    contained(
        "tie to the parent",
        &["container", "--hostname", "{id}", "--", "sleep", "60"],
        DiesWithAll,
    ),
    contained(
        "hide the cgroups above",
        &["container", "--pids", "50", "--hostname", "{id}", "--", "sh", "-c", SEES_NO_CGROUP],
        EndsWell,
    )
    .as_root(),
    contained(
        "take the name",
        &[
            "container",
            "--hostname",
            "{id}",
            "--",
            "sh",
            "-c",
            "case $(hostname) in porthole-*) ;; *) exit 1; esac",
        ],
        EndsWell,
    ),
    contained("mount proc", &["container", "--", "sh", "-c", "read x < /proc/1/comm"], EndsWell),
    contained("give it a dev", &["container", "--", "sh", "-c", "test -c /dev/null"], EndsWell),
    contained("change the root", &["container", "--", "true"], EndsWell),
    contained("drop the old root", &["container", "--", "sh", "-c", SEES_ONE_ROOT], EndsWell),
    contained("let it go on", &["container", "--", "true"], EndsWell),
    contained(
        "deny setgroups",
        &["container", "--", "sh", "-c", "read x < /proc/self/setgroups; echo $x"],
        Says("deny\n"),
    ),
    contained("map the user", &["container", "--", "id", "-u"], Says("0\n")),
    contained("map the group", &["container", "--", "id", "-g"], Says("0\n")),
];

const SEES_NO_CGROUP: &str =
    "while read line; do case $line in *porthole-*) exit 1; esac; done < /proc/self/cgroup";

/// The old one, with all that was mounted in it, would still be there below the new one.
const SEES_ONE_ROOT: &str =
    "while read line; do case $line in *\" - cgroup\"*) exit 1; esac; done < /proc/self/mountinfo";
