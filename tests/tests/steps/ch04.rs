//! Chapter 4: a view of files.

use crate::checks::Check::{DiesWithParent, EndsWell, Says, SaysAmongOthers};
use crate::checks::{Step, step};

const NOBODY: &str = "mounted inside,  seen outside: no\nmounted outside, seen inside:  no\n";
const ONE_WAY: &str = "mounted inside,  seen outside: no\nmounted outside, seen inside:  yes\n";
const BOTH_WAYS: &str = "mounted inside,  seen outside: yes\nmounted outside, seen inside:  yes\n";

/// Around it is a host whose mounts spread, as most are, and where nobody else is bothered.
const SHARED: &[&str] = &["unshare", "-rm", "--propagation", "shared"];
const PRIVATE: &[&str] = &["unshare", "-rm", "--propagation", "private"];

const COUNT: &str = "grep -c -e shared: -e master: /proc/self/mountinfo || true";
const TRY: &str = "touch /mnt/new 2>&- && echo written || echo read-only";

const SLAVE: &[&str] = &["mnt", "spread", "--propagation", "slave"];
const PEER: &[&str] = &["mnt", "spread", "--propagation", "shared"];

pub(super) const STEPS: &[Step] = &[
    step(
        "cover a directory",
        "chapter4",
        &[],
        SaysAmongOthers("inside:          /etc/passwd is not there\n"),
    ),
    step("tie to the parent", "chapter4", &["mnt", "run", "--", "sleep", "60"], DiesWithParent),
    step("map root", "chapter4", &["mnt", "spread"], Says(NOBODY)),
    step("make private", "chapter4", &["mnt", "run", "--", "sh", "-c", COUNT], Says("0\n"))
        .under(SHARED),
    step("make private", "chapter4", &["mnt", "spread"], Says(NOBODY)),
    step("make slave", "chapter4", SLAVE, Says(ONE_WAY)),
    step(
        "make slave",
        "chapter4",
        &[
            "mnt",
            "run",
            "--propagation",
            "slave",
            "--",
            "sh",
            "-c",
            "! grep shared: /proc/self/mountinfo",
        ],
        EndsWell,
    )
    .under(SHARED),
    step(
        "make shared",
        "chapter4",
        &["mnt", "run", "--propagation", "shared", "--", "grep", "shared:", "/proc/self/mountinfo"],
        EndsWell,
    )
    .under(PRIVATE),
    step("share the place", "chapter4", SLAVE, Says(ONE_WAY)),
    step("mount inside", "chapter4", PEER, Says(BOTH_WAYS)),
    step("mount outside", "chapter4", PEER, Says(BOTH_WAYS)),
    step("let it look", "chapter4", &["mnt", "spread"], EndsWell),
    step(
        "bind it",
        "chapter4",
        &["mnt", "bind", "/etc", "/mnt", "--", "test", "-e", "/mnt/passwd"],
        EndsWell,
    ),
    step(
        "make it read-only",
        "chapter4",
        &["mnt", "bind", "--read-only", ".", "/mnt", "--", "sh", "-c", TRY],
        Says("read-only\n"),
    ),
    step(
        "see it as the root",
        "chapter4",
        &["chroot", "/usr", "--", "/bin/ls", "/include/linux/../../lib/os-release"],
        EndsWell,
    ),
    step("enter it", "chapter4", &["chroot", "/usr", "--", "/bin/pwd"], Says("/\n")),
    step("fill it", "chapter4", &["chroot", "--", "sh", "-c", "exit 0"], EndsWell),
    step("walk out", "chapter4", &["escape", "--by", "open-directory"], EndsWell),
    step("take the root back", "chapter4", &["escape", "--by", "open-directory"], EndsWell),
    step("make a jail in the jail", "chapter4", &["escape", "--by", "double-chroot"], EndsWell),
    step("climb", "chapter4", &["escape", "--by", "double-chroot"], EndsWell),
    step("take the root back", "chapter4", &["escape", "--by", "double-chroot"], EndsWell),
];
