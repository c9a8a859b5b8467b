//! Chapter 6: layers.

use crate::checks::Check::{DiesWithParent, EndsWell, Says, SaysAmongOthers};
use crate::checks::{Step, step};

const DIFF: &str =
    "C greeting  (file of 6 bytes)\nA new  (file of 4 bytes)\nD secret  (whiteout)\n";
const COPIED: &str = "lower, the whole file: 8388608 bytes\n\
                      upper, before:         0 bytes\n\
                      upper, after:          8388608 bytes\n";
const SHARED: &str = "one        reads HELLO\nthe other  reads hello\nthe layer  has   hello\n";
const APPLIED: &str = "0755, dated by the layer: cache  (directory)\n\
                       0644, dated by the layer: cache/new  (file of 4 bytes)\n\
                       0644, dated by the layer: greeting  (file of 6 bytes)\n\
                       4755, dated by the layer: program  (file of 10 bytes)\n\
                       0777, dated by the layer: run  (symbolic link to program)\n\
                       4755, dated by the layer: same  (another name of program)\n";

pub(super) const STEPS: &[Step] = &[
    step("make room for the stack", "chapter6", &[], EndsWell),
    step("lay down the layers", "chapter6", &[], EndsWell),
    step("stack the layers", "chapter6", &["layer", "stack", "--", "cat", "greeting"], EndsWell),
    step("change a file", "chapter6", &["layer", "diff"], Says(DIFF)),
    step("delete a file", "chapter6", &["layer", "diff"], Says(DIFF)),
    step("add a file", "chapter6", &["layer", "diff"], Says(DIFF)),
    step("tie to the parent", "chapter6", &["layer", "stack", "--", "sleep", "60"], DiesWithParent),
    step("stand in the stack", "chapter6", &["layer", "stack", "--", "cat", "greeting"], EndsWell),
    step(
        "attach the stack",
        "chapter6",
        &["layer", "stack", "--api", "new", "--", "cat", "greeting"],
        EndsWell,
    ),
    step("name the layer", "chapter6", &["layer", "commit", "-o", "/mnt/layer.tar"], EndsWell),
    step(
        "enter the layer",
        "chapter6",
        &["layer", "attack", "symlink"],
        Says("the canary is unharmed\n"),
    ),
    step("delete what the layer deletes", "chapter6", &["layer", "apply"], Says(APPLIED)),
    step("write what the layer holds", "chapter6", &["layer", "apply"], Says(APPLIED)),
    step("set the times of directories", "chapter6", &["layer", "apply"], Says(APPLIED)),
    step(
        "mark what the layer deletes",
        "chapter6",
        &["layer", "apply", "--overlay"],
        SaysAmongOthers("secret  (whiteout)\n"),
    ),
    step("lay down a big file", "chapter6", &["layer", "copy-up"], Says(COPIED)),
    step("change one byte", "chapter6", &["layer", "copy-up"], Says(COPIED)),
    step("make room for another", "chapter6", &["layer", "share"], Says(SHARED)),
    step("stack the same layers again", "chapter6", &["layer", "share"], Says(SHARED)),
    step("change a file in one", "chapter6", &["layer", "share"], Says(SHARED)),
];
