//! Chapter 2: names are per namespace.

use crate::checks::Check::{DiesWithParent, Says};
use crate::checks::{Check, Step, step};

pub(super) const STEPS: &[Step] = &[
    // Around it is a namespace in which even an ordinary user could change the name, and where
    // nobody else is bothered.
    step("leave the shared name", "chapter2", &[], Check::KeepsTheHostName)
        .under(&["unshare", "-ru"]),
    step("take a name", "chapter2", &[], Check::SaysAmongOthers("inside:          porthole")),
    step("tie to the parent", "chapter2", &["unshare", "-r", "sleep", "60"], DiesWithParent),
    step("tie to the parent", "chapter2", &["unshare", "-rpf", "sleep", "60"], DiesWithParent),
    step("tie again", "chapter2", &["unshare", "-S", "7", "sleep", "60"], DiesWithParent).as_root(),
    step("tie again", "chapter2", &["unshare", "-f", "-G", "7", "sleep", "60"], DiesWithParent)
        .as_root(),
    step(
        "tie to the parent",
        "chapter2",
        &["ns", "enter", "{target}", "--", "sleep", "60"],
        DiesWithParent,
    ),
    step(
        "join its namespaces",
        "chapter2",
        &["ns", "enter", "{target}", "--", "hostname"],
        Says("target\n"),
    ),
    step(
        "leave what is shared",
        "chapter2",
        &["unshare", "-rpf", "sh", "-c", "echo $$"],
        Says("1\n"),
    ),
    step(
        "deny setgroups",
        "chapter2",
        &["unshare", "-r", "cat", "/proc/self/setgroups"],
        Says("deny\n"),
    ),
    step("map the user", "chapter2", &["unshare", "-r", "id", "-u"], Says("0\n")),
    step("map the group", "chapter2", &["unshare", "-r", "id", "-g"], Says("0\n")),
    step(
        "cut the mount ties",
        "chapter2",
        &["unshare", "-m", "sh", "-c", "grep -c shared: /proc/self/mountinfo || true"],
        Says("0\n"),
    )
    .under(&["unshare", "-rm", "--propagation", "shared"]),
    step(
        "mount proc",
        "chapter2",
        &["unshare", "-rpf", "--mount-proc", "readlink", "/proc/self"],
        Check::SaysLittle(2),
    ),
    step(
        "change the root",
        "chapter2",
        &["unshare", "-r", "-R", "/usr", "/bin/ls", "/include/linux/../../lib/os-release"],
        Check::EndsWell,
    ),
    step("enter the root", "chapter2", &["unshare", "-r", "-R", "/usr", "/bin/pwd"], Says("/\n")),
    step("change the directory", "chapter2", &["unshare", "-w", "/proc", "pwd"], Says("/proc\n")),
    step("drop the groups", "chapter2", &["unshare", "-G", "5", "id", "-G"], Says("5\n"))
        .under(&["setpriv", "--groups", "7"])
        .as_root(),
    step("change the group", "chapter2", &["unshare", "-G", "5", "id", "-g"], Says("5\n"))
        .as_root(),
    step("change the user", "chapter2", &["unshare", "-S", "7", "id", "-u"], Says("7\n")).as_root(),
];
