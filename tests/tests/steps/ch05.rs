//! Chapter 5: changing the floor.

use crate::checks::Check::{DiesWithParent, EndsWell, Says};
use crate::checks::{Step, step};

/// What the demonstration finds in there.
const GONE: &str = "outside, before: /etc/passwd is there, /../etc/passwd is there\n\
    inside:          /etc/passwd is not there, /../etc/passwd is not there\n\
    outside, after:  /etc/passwd is there, /../etc/passwd is there\n";

const LEAK: &[&str] = &["sh", "-c", "exec 3</; exec \"$@\"", "sh"];

pub(super) const STEPS: &[Step] = &[
    step("lay a floor", "chapter5", &[], Says(GONE)),
    step("stand on it", "chapter5", &[], Says(GONE)),
    step("change the floor", "chapter5", &[], Says(GONE)),
    step("drop the old floor", "chapter5", &[], Says(GONE)),
    step("tie to the parent", "chapter5", &["root", "run", "--", "sleep", "60"], DiesWithParent),
    step("bind itself", "chapter5", &["root", "run", "--", "true"], EndsWell),
    step("mount proc", "chapter5", &["root", "run", "--", "readlink", "/proc/self"], Says("1\n")),
    step("mount sys", "chapter5", &["root", "run", "--", "test", "-d", "/sys/kernel"], EndsWell),
    step("mount tmp", "chapter5", &["root", "run", "--", "grep", "-q", " /tmp ", MOUNTS], EndsWell),
    step("make devices", "chapter5", &["root", "run", "--", "test", "-c", "/dev/null"], EndsWell),
    step("mount pts", "chapter5", &["root", "run", "--", "test", "-c", "/dev/pts/ptmx"], EndsWell),
    step("mount shm", "chapter5", &["root", "run", "--", "test", "-k", "/dev/shm"], EndsWell),
    step(
        "mount mqueue",
        "chapter5",
        &["root", "run", "--", "grep", "-q", " /dev/mqueue ", MOUNTS],
        EndsWell,
    ),
    step(
        "link descriptors",
        "chapter5",
        &["root", "run", "--", "sh", "-c", "readlink /dev/fd; readlink /dev/ptmx"],
        Says("/proc/self/fd\npts/ptmx\n"),
    ),
    step(
        "mask paths",
        "chapter5",
        &["root", "run", "--mask", "/etc/passwd", "--", "cat", "/etc/passwd"],
        Says(""),
    ),
    step(
        "protect paths",
        "chapter5",
        &["root", "run", "--readonly-path", "/etc", "--", "sh", "-c", WRITES, "sh", "/etc/new"],
        Says("refused\n"),
    ),
    step(
        "make it read-only",
        "chapter5",
        &["root", "run", "--read-only", "--", "sh", "-c", WRITES, "sh", "/new"],
        Says("refused\n"),
    ),
    step(
        "drop the old floor",
        "chapter5",
        // The machine has such a directory, and our root has none.
        &["root", "run", "--", "sh", "-c", "test ! -e /../mnt"],
        EndsWell,
    ),
    step(
        "close the rest",
        "chapter5",
        &["root", "run", "--", "sh", "-c", "test ! -e /proc/self/fd/3"],
        EndsWell,
    )
    .under(LEAK),
];

const MOUNTS: &str = "/proc/self/mounts";
const WRITES: &str = "touch $1 2>/dev/null && echo written || echo refused";
