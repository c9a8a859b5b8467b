//! Chapter 1: a container is a process.

use crate::checks::Check::{DiesWithParent, Says};
use crate::checks::{Check, Step, step};

pub(super) const STEPS: &[Step] = &[
    step("tie to the parent", "chapter1", &["spawn", "--", "sleep", "60"], DiesWithParent),
    step(
        "close the rest",
        "chapter1",
        &["leak"],
        Says("descriptor 3 is closed: nothing to read\n"),
    ),
    step(
        "take its status",
        "chapter1",
        &["zombie"],
        Says("it has ended:          Z (zombie)\nits status was taken:  gone\n"),
    ),
    step("offer to adopt", "chapter1", &["orphan"], Check::EndsWell),
];
