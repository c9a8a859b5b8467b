//! What has a run left behind? Only what carries its own mark is looked at, never the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a process may take to die after the one that it is tied to: the kernel tells it at once,
/// but a busy machine lets it wait for its turn.
const GRACE: Duration = Duration::from_secs(3);

/// Files that the harness itself puts into a run's folder.
const OURS: [&str; 4] = ["stdout", "stderr", "trace", "strace"];

/// Everything that carries `mark` or lies in `folder`, after a moment of grace.
pub fn of(mark: &str, folder: &Path) -> Vec<String> {
    let deadline = Instant::now() + GRACE;
    while !processes(mark).is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(2));
    }
    let mut found: Vec<String> = processes(mark).into_iter().map(describe).collect();
    found.extend(files(folder));
    found.extend(mounts(folder));
    found
}

/// The same for a container's folder, whose files are the case's own: processes and mounts.
pub fn of_case(mark: &str, folder: &Path) -> Vec<String> {
    let deadline = Instant::now() + GRACE;
    while !processes(mark).is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(2));
    }
    let found = processes(mark).into_iter().map(describe);
    found.chain(mounts(folder)).collect()
}

/// The processes that have `mark` in their environment. One that has ended and was not waited for has
/// no environment any more, but then its parent has the mark too.
pub fn processes(mark: &str) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids =
        entries.flatten().filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    pids.filter(|pid| carries(*pid, mark)).collect()
}

fn carries(pid: i32, mark: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
}

/// What each process with `mark` waits for in the kernel, for who wants to know why something hangs.
pub fn whereabouts(mark: &str) -> String {
    let read = |pid: i32, file: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        text.trim_end().to_string()
    };
    let one = |pid: i32| {
        format!("{} in {} (call {})", describe(pid), read(pid, "wchan"), read(pid, "syscall"))
    };
    processes(mark).into_iter().map(one).collect::<Vec<_>>().join("; ")
}

fn describe(pid: i32) -> String {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("process {pid}: {}", String::from_utf8_lossy(&command).replace('\0', " "))
}

fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !OURS.contains(&name.as_str())).map(|name| format!("file {name}")).collect()
}

fn mounts(folder: &Path) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let folder = folder.to_string_lossy().into_owned();
    mounts
        .lines()
        .filter(|line| line.contains(&folder))
        .map(|line| format!("mount {line}"))
        .collect()
}

/// The cgroups with `name` in theirs, in every hierarchy, below the cgroups that this process is in.
/// They are removed, so that one failure is not the next one's.
pub fn cgroups(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for root in hierarchies() {
        look_for_cgroups(&root, name, &mut found);
    }
    found.iter().rev().for_each(|path| remove_cgroup(path));
    found.iter().map(|path| format!("cgroup {}", path.display())).collect()
}

/// From the inside out: those below it need not carry the name.
fn remove_cgroup(path: &Path) {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_cgroup(&entry.path());
    }
    let _ = fs::remove_dir(path);
}

/// Where cgroup hierarchies are mounted.
fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let is_one = |line: &&str| line.contains(" - cgroup ") || line.contains(" - cgroup2 ");
    let place = |line: &str| line.split(' ').nth(4).map(PathBuf::from);
    mounts.lines().filter(is_one).filter_map(place).collect()
}

fn look_for_cgroups(directory: &Path, name: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    for path in entries.flatten().filter(is_directory).map(|entry| entry.path()) {
        if path.file_name().is_some_and(|file| file.to_string_lossy().contains(name)) {
            found.push(path.clone());
        }
        look_for_cgroups(&path, name, found);
    }
}
