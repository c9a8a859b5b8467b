//! Everything that a process can find out about itself by reading.

use std::fs::{self, Metadata};
use std::io::IsTerminal;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use serde_json::{Map, Value, json};

/// The whole report; `answers` are those to what was tried before.
pub(crate) fn everything(answers: &Map<String, Value>) -> Value {
    json!({
        "args": arguments(),
        "cgroup": text("/proc/self/cgroup"),
        "cwd": working_directory(),
        "devices": devices(),
        "domainname": line("/proc/sys/kernel/domainname"),
        "env": environment(),
        "fds": descriptors(),
        "gid_map": text("/proc/self/gid_map"),
        "hostname": line("/proc/sys/kernel/hostname"),
        "keys": text("/proc/keys"),
        "limits": limits(),
        "mounts": mounts(),
        "namespaces": namespaces(),
        "oom_score_adj": line("/proc/self/oom_score_adj"),
        "personality": line("/proc/self/personality"),
        "probes": answers,
        "root": inode("/"),
        "setgroups": line("/proc/self/setgroups"),
        "stat": stat(),
        "status": status(),
        "terminals": terminals(),
        "timens_offsets": text("/proc/self/timens_offsets"),
        "uid_map": text("/proc/self/uid_map"),
        "uptime": line("/proc/uptime"),
    })
}

fn text(path: &str) -> Option<String> {
    fs::read(path).ok().map(|content| String::from_utf8_lossy(&content).into_owned())
}

fn line(path: &str) -> Option<String> {
    text(path).map(|text| text.trim_end_matches('\n').to_string())
}

pub(crate) fn arguments() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// In the order in which they were given, as the kernel has kept it.
pub(crate) fn environment() -> Vec<String> {
    let Some(text) = text("/proc/self/environ") else {
        let shown = |(name, value): (String, String)| format!("{name}={value}");
        return std::env::vars().map(shown).collect();
    };
    text.split_terminator('\0').map(str::to_string).collect()
}

pub(crate) fn working_directory() -> String {
    match std::env::current_dir() {
        Ok(path) => path.to_string_lossy().into_owned(),
        Err(error) => format!("error: {error}"),
    }
}

pub(crate) fn namespaces() -> Map<String, Value> {
    links("/proc/self/ns")
}

/// Device and inode, which no other file has.
pub(crate) fn inode(path: &str) -> Option<String> {
    fs::metadata(path).ok().map(|metadata| format!("{}:{}", metadata.dev(), metadata.ino()))
}

fn descriptors() -> Map<String, Value> {
    let mut all = links("/proc/self/fd");
    // The directory that they are read from is one of them.
    let listing = format!("/proc/{}/fd", std::process::id());
    all.retain(|_, target| target.as_str() != Some(&listing));
    all
}

/// The links in a directory, and where they lead.
fn links(directory: &str) -> Map<String, Value> {
    let mut all = Map::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let name = entry.file_name().to_string_lossy().into_owned();
        all.insert(name, Value::String(target.to_string_lossy().into_owned()));
    }
    all
}

fn devices() -> Map<String, Value> {
    let mut all = Map::new();
    for entry in fs::read_dir("/dev").into_iter().flatten().flatten() {
        let Ok(metadata) = entry.path().symlink_metadata() else { continue };
        let mut seen = about(&metadata);
        if let Ok(target) = fs::read_link(entry.path()) {
            seen["target"] = json!(target.to_string_lossy());
        }
        all.insert(entry.file_name().to_string_lossy().into_owned(), seen);
    }
    all
}

/// Of a file: its type as in `ls -l`, and the rest.
pub(crate) fn about(metadata: &Metadata) -> Value {
    let device = metadata.rdev();
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    json!({
        "type": letter(metadata),
        "mode": format!("{:04o}", metadata.mode() & 0o7777),
        "uid": metadata.uid(),
        "gid": metadata.gid(),
        "rdev": format!("{major}:{minor}"),
    })
}

fn letter(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match kind {
        _ if kind.is_dir() => "d",
        _ if kind.is_symlink() => "l",
        _ if kind.is_char_device() => "c",
        _ if kind.is_block_device() => "b",
        _ if kind.is_fifo() => "p",
        _ if kind.is_socket() => "s",
        _ => "-",
    }
}

/// Both values of each limit, by the words of `/proc/self/limits`.
fn limits() -> Map<String, Value> {
    let text = text("/proc/self/limits").unwrap_or_default();
    let mut all = Map::new();
    for line in text.lines().skip(1) {
        let Some((name, rest)) = line.split_at_checked(26) else { continue };
        let values: Vec<&str> = rest.split_whitespace().take(2).collect();
        all.insert(name.trim_end().to_string(), json!(values));
    }
    all
}

/// proc_pid_mountinfo(5).
fn mounts() -> Vec<Value> {
    let text = text("/proc/self/mountinfo").unwrap_or_default();
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Value> {
    let (before, after) = line.split_once(" - ")?;
    let before: Vec<&str> = before.split(' ').collect();
    let after: Vec<&str> = after.splitn(3, ' ').collect();
    Some(json!({
        "id": before.first()?,
        "root": before.get(3)?,
        "point": before.get(4)?,
        "options": before.get(5)?.split(',').collect::<Vec<_>>(),
        "propagation": before.get(6..)?,
        "type": after.first()?,
        "source": after.get(1)?,
        "super": after.get(2)?.split(',').collect::<Vec<_>>(),
    }))
}

/// Those of the fields in proc_pid_stat(5) that a runtime has a say in.
fn stat() -> Value {
    let text = text("/proc/self/stat").unwrap_or_default();
    let (_, rest) = text.rsplit_once(") ").unwrap_or(("", ""));
    let fields: Vec<&str> = rest.split(' ').collect();
    // The first of them is field 3.
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or_default();
    json!({
        "pid": std::process::id(),
        "pgrp": field(5),
        "session": field(6),
        "tty": field(7),
        "nice": field(19),
        "rt_priority": field(40),
        "policy": field(41).trim_end(),
    })
}

fn status() -> Map<String, Value> {
    let text = text("/proc/self/status").unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_string(), json!(value.trim()))).collect()
}

fn terminals() -> [bool; 3] {
    [
        std::io::stdin().is_terminal(),
        std::io::stdout().is_terminal(),
        std::io::stderr().is_terminal(),
    ]
}
