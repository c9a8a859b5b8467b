//! Where is a container's cgroup on the host, and what stands in its files?

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::places::has_unified_cgroups;

/// The directory of a process's cgroup. With v2 alone every controller is in the one hierarchy.
///
/// # Errors
/// It is in none, or the hierarchy is not mounted here.
pub fn directory(pid: i64, controller: &str) -> Result<PathBuf> {
    let controller = if has_unified_cgroups() { "" } else { controller };
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let path = path_in(&own, controller).with_context(|| format!("no {controller} in {own}"))?;
    let (point, root) = mounted(controller).context("the hierarchy is not mounted")?;
    let below = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path);
    Ok(point.join(below.trim_start_matches('/')))
}

/// What stands in a file of a process's cgroup.
///
/// # Errors
/// There is no such file.
pub fn value(pid: i64, controller: &str, file: &str) -> Result<String> {
    let path = directory(pid, controller)?.join(file);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(text.trim_end().to_string())
}

/// The path that a line of `/proc/PID/cgroup` gives for a controller; the empty one is that of v2.
fn path_in<'a>(text: &'a str, controller: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|name| name == controller).then_some(path)
    })
}

/// Where a controller's hierarchy is mounted, and which part of it.
fn mounted(controller: &str) -> Option<(PathBuf, String)> {
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    text.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let mut fields = after.split(' ');
        let (kind, data) = (fields.next()?, fields.nth(1)?);
        let is_it = match controller {
            "" => kind == "cgroup2",
            name => kind == "cgroup" && data.split(',').any(|word| word == name),
        };
        is_it.then(|| (PathBuf::from(point), root.to_string()))
    })
}
