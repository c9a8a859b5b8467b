//! Chapter 3: being root somewhere.

use crate::checks::Check::{DiesWithParent, Says};
use crate::checks::{Check, Step, step};

pub(super) const STEPS: &[Step] = &[
    step("tie to the parent", "chapter3", &["userns", "run", "--", "sleep", "60"], DiesWithParent),
    step(
        "wait for the maps",
        "chapter3",
        &["userns", "run", "--late", "200", "--", "id", "-u"],
        Says("0\n"),
    ),
    step("let it go on", "chapter3", &["userns", "run", "--", "true"], Check::EndsWell),
    step(
        "deny setgroups",
        "chapter3",
        &["userns", "run", "--", "cat", "/proc/self/setgroups"],
        Says("deny\n"),
    ),
    step("map the users", "chapter3", &["userns", "run", "--", "id", "-u"], Says("0\n")),
    step("map the groups", "chapter3", &["userns", "run", "--", "id", "-g"], Says("0\n")),
    step("map root", "chapter3", &["userns", "nest", "2"], Says("root of the innermost: user 0\n")),
];
