//! Chapter 12: the contract.

use crate::checks::Check::{EndsWell, Says};
use crate::checks::{Check, Step, step};

/// What a program finds in a container that was led through its whole life.
const fn tried(name: &'static str, args: &'static [&'static str], check: Check) -> Step {
    step(name, "chapter12", args, check)
}

pub(super) const STEPS: &[Step] = &[
    tried("live on without the command", &["oci", "try", "--", "true"], EndsWell),
    tried(
        "mount what the configuration lists",
        &["oci", "try", "--", "test", "-e", "/proc/1/comm"],
        EndsWell,
    ),
    tried("make devices", &["oci", "try", "--", "test", "-c", "/dev/null"], EndsWell),
    tried("enter the root", &["oci", "try", "--", "test", "!", "-e", "/tmp/state"], EndsWell),
    tried("name the machine", &["oci", "try", "--", "hostname"], Says("box\n")),
    tried("go to the working directory", &["oci", "try", "--", "pwd"], Says("/tmp\n")),
    tried(
        "bound the capabilities",
        &["oci", "try", "--", "grep", "CapBnd", "/proc/self/status"],
        Says("CapBnd:\t0000000000000020\n"),
    ),
    tried("become the user", &["oci", "try", "--", "sh", "-c", "umask"], Says("0077\n")),
    tried(
        "give up gaining rights",
        &["oci", "try", "--", "grep", "NoNewPrivs", "/proc/self/status"],
        Says("NoNewPrivs:\t1\n"),
    ),
    tried(
        "cut the capabilities",
        &["oci", "try", "--", "grep", "CapAmb", "/proc/self/status"],
        Says("CapAmb:\t0000000000000020\n"),
    ),
    tried(
        "let go of all files",
        &["oci", "try", "--", "test", "!", "-e", "/proc/self/fd/7"],
        EndsWell,
    )
    .under(&["sh", "-c", "exec \"$0\" \"$@\" 7< /"]),
];
