//! What is left of a process that has ended?
//!
//! Its number, its exit status and a line in the table of processes: the kernel keeps them until the
//! parent has asked. Until then the process is a zombie. It uses no memory and no time, but numbers
//! are limited, and a parent that never asks uses them up.

use primitives::{Child, Pid, Result, Status, read_small, step, step_giving};

use crate::spawning::small;

// ANCHOR: zombie
/// Makes a process that ends at once, and looks at it before and after its status is taken.
pub(crate) fn zombie() -> Result<Status> {
    let mut child = step_giving("make a child", make)?;
    child.watch_it_end()?;
    println!("it has ended:          {}", state(child.pid()));
    let pid = child.pid();
    let mut left = Some(child);
    step("take its status", || {
        let child = left.take().expect("this step is done once");
        child.finish("let the kernel forget it").map(drop)
    })?;
    let became = if left.is_none() { "its status was taken: " } else { "its status was left:  " };
    println!("{became} {}", state(pid));
    Ok(Status::Exited(0))
}
// ANCHOR_END: zombie

fn make() -> Result<Child> {
    small("child", "have a process that ends before anybody asks for its status", |_| Ok(7))
}

/// What the kernel says of a process, in its own words: `Z (zombie)`.
fn state(pid: Pid) -> String {
    let Ok(status) = read_small(format!("/proc/{pid}/status").as_ref()) else {
        return "gone".to_string();
    };
    let line = status.lines().find_map(|line| line.strip_prefix("State:"));
    line.unwrap_or("unknown").trim().to_string()
}
