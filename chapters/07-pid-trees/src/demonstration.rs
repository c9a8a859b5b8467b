//! How can one process have two numbers?

use std::fs;
use std::path::Path;

use primitives::{
    Birth, Error, MsFlags, Namespaces, Pid, Result, Status, ToParent, getpid, getppid, mount_new,
    read_small, spawn, step, step_giving,
};

// ANCHOR: demonstration
/// Makes a process in a pid namespace of its own, and asks on both sides which number it has.
pub(crate) fn two_numbers() -> Result<Status> {
    let birth = Birth { namespaces: namespaces(), cgroup: None };
    let mut child = step_giving("make the first process", || {
        spawn("init", birth, "have a process whose numbers begin again at 1", look_around)
    })?;
    child.watch_it_end()?;
    println!("outside: it was process {}, to the kernel {}", child.pid(), numbers(child.pid())?);
    step_giving("take its status", || child.finish("wait until it has looked"))
}

fn look_around(_: &ToParent) -> Result<u8> {
    step("mount proc", || mount_proc("let /proc show the processes in here"))?;
    println!("inside:  I am process {}, my parent is process {}", getpid(), getppid());
    println!("inside:  /proc has the processes {}", processes());
    Ok(0)
}
// ANCHOR_END: demonstration

/// With the user namespace nobody needs root; and a mount in here cannot spread to views that belong
/// to another one (mount_namespaces(7)).
fn namespaces() -> Namespaces {
    Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWPID | Namespaces::CLONE_NEWNS
}

// ANCHOR: mount_proc
/// A proc shows the pid namespace of the process that mounts it, to everybody who looks at it.
pub(crate) fn mount_proc(why: &'static str) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_new("proc", Path::new("/proc"), "proc", flags, None, why)
}
// ANCHOR_END: mount_proc

fn processes() -> String {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let numbers: Vec<String> = names.filter(|name| name.parse::<u32>().is_ok()).collect();
    numbers.join(", ")
}

/// All numbers of a process that has ended and whose status was not taken: `4711 and 1`.
fn numbers(pid: Pid) -> Result<String> {
    let path = format!("/proc/{pid}/status");
    let status = read_small(path.as_ref())
        .map_err(|e| Error::Unusable(format!("{path} cannot be read: {e}")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    Ok(line.split_whitespace().collect::<Vec<_>>().join(" and "))
}
