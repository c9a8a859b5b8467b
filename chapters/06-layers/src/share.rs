//! Can two containers stand on the same files?

use std::fs;
use std::path::Path;

use primitives::{Result, Status, mkdir, step, write};

use crate::stack::Place;
use crate::{sample, view};

// ANCHOR: share
/// Puts two stacks on the same lower layers, changes a file in one, and looks at it from everywhere.
pub(crate) fn share() -> Result<Status> {
    view::of_our_own()?;
    let one = Place::empty(&[])?;
    let lowers = sample::lay_down(&one.root)?;
    let [upper, work, merged] =
        ["other-upper", "other-work", "other-merged"].map(|name| one.root.join(name));
    let two = Place { root: one.root.clone(), upper, work, merged };
    step("make room for another", || {
        mkdir(&two.upper, 0o755, "have a second layer that takes changes")?;
        mkdir(&two.work, 0o755, "have a second place where they are prepared")?;
        mkdir(&two.merged, 0o755, "have a second place where a stack is seen")
    })?;
    one.stack(&lowers)?;
    step("stack the same layers again", || two.stack_here(&lowers))?;
    step("change a file in one", || {
        write(&one.merged.join("greeting"), "HELLO", "see who notices")
    })?;
    for (who, directory) in [("one", &one.merged), ("the other", &two.merged)] {
        println!("{who:<10} reads {}", read(directory));
    }
    println!("{:<10} has   {}", "the layer", read(&one.root.join("base")));
    Ok(Status::Exited(0))
}
// ANCHOR_END: share

fn read(directory: &Path) -> String {
    fs::read_to_string(directory.join("greeting")).unwrap_or_default().trim().to_string()
}
