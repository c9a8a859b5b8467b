//! What does the kernel show of a process to somebody outside of it?

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use primitives::{Pid, inode_of, namespaces_of, open_namespace, parent_of};

use crate::place::{Said, ready};

/// A process, as `/proc/PID` shows it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) pid: i32,
    /// `NAME=value`, as the process was started with them.
    pub(crate) environment: Vec<String>,
    /// What is behind each descriptor, as the kernel names it.
    pub(crate) descriptors: BTreeMap<u32, String>,
    /// What can be read through those above 2.
    pub(crate) contents: BTreeMap<u32, String>,
    /// Inodes, by the names in `/proc/PID/ns`.
    pub(crate) namespaces: BTreeMap<String, u64>,
    /// As they look from the grader's own user namespace.
    pub(crate) uid_map: Vec<[u32; 3]>,
    pub(crate) gid_map: Vec<[u32; 3]>,
    pub(crate) setgroups: String,
    /// How many user namespaces it is below that of the grader.
    pub(crate) depth: Option<usize>,
    pub(crate) mounts: Vec<Mount>,
    /// Its root directory, as a path out here.
    pub(crate) root: Option<PathBuf>,
    pub(crate) said: Said,
}

/// A line of `/proc/PID/mountinfo`.
#[derive(Debug)]
pub(crate) struct Mount {
    /// What of the file system is mounted: for a namespace its name, `uts:[4026532183]`.
    pub(crate) root: String,
    pub(crate) place: String,
    /// Of this mount: `ro`, `nosuid`.
    pub(crate) options: Vec<String>,
    /// How it is tied to others: `shared:7`, `master:2`.
    pub(crate) ties: Vec<String>,
    pub(crate) kind: String,
    /// As the kernel writes it, with its escapes.
    pub(crate) source: String,
}

/// Looks at the process that was started by these words and has said in `folder` that it is there.
pub(crate) fn look(words: &[String], folder: &Path) -> Result<Seen> {
    let said = serde_json::from_slice(&fs::read(ready(folder))?)?;
    let pid = started_as(words).context("the process that said it is there cannot be found")?;
    let proc = format!("/proc/{pid}");
    let text = |file: &str| fs::read_to_string(format!("{proc}/{file}")).unwrap_or_default();
    let descriptors = descriptors(&proc);
    Ok(Seen {
        pid,
        environment: split(&text("environ")),
        contents: contents(&proc, &descriptors),
        descriptors,
        namespaces: namespaces(pid),
        uid_map: map(&text("uid_map")),
        gid_map: map(&text("gid_map")),
        setgroups: text("setgroups").trim().to_string(),
        depth: depth(&proc),
        mounts: text("mountinfo").lines().filter_map(mount).collect(),
        root: fs::read_link(format!("{proc}/root")).ok(),
        said,
    })
}

/// The process with exactly this command line.
fn started_as(words: &[String]) -> Option<i32> {
    let wanted = words.join("\0") + "\0";
    processes().into_iter().find(|pid| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == wanted.as_bytes())
    })
}

/// Every process that can be seen from here.
pub(crate) fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).collect()
}

/// The processes whose parent is this one, also those that have ended and were not waited for.
pub(crate) fn own_children() -> Vec<i32> {
    let me = std::process::id().to_string();
    let mut children = processes();
    children.retain(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The second field is a name and may hold blanks and brackets; the fourth is the parent.
        let rest = stat.rsplit_once(") ").map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split(' ').nth(1)) == Some(me.as_str())
    });
    children
}

/// The processes that are in a namespace, as far as they can be read.
pub(crate) fn members(kind: &str, inode: u64) -> Vec<i32> {
    let mut members = processes();
    members.retain(|pid| namespace(*pid, kind) == Some(inode));
    members
}

/// The processes that are in another namespace of the kind, as far as they can be read.
pub(crate) fn strangers(kind: &str, inode: u64) -> Vec<i32> {
    let mut strangers = processes();
    strangers.retain(|pid| namespace(*pid, kind).is_some_and(|other| other != inode));
    strangers
}

/// The inode of a process's namespace.
pub(crate) fn namespace(pid: i32, kind: &str) -> Option<u64> {
    namespaces(pid).remove(kind)
}

fn namespaces(pid: i32) -> BTreeMap<String, u64> {
    let all = namespaces_of(Some(Pid::from_raw(pid))).unwrap_or_default();
    all.into_iter().map(|namespace| (namespace.name, namespace.inode)).collect()
}

fn split(text: &str) -> Vec<String> {
    let parts = text.split('\0').filter(|part| !part.is_empty());
    parts.map(str::to_string).collect()
}

fn descriptors(proc: &str) -> BTreeMap<u32, String> {
    let entries = fs::read_dir(format!("{proc}/fd")).into_iter().flatten();
    let described = entries.flatten().filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let target = fs::read_link(entry.path()).ok()?;
        Some((number, target.to_string_lossy().into_owned()))
    });
    described.collect()
}

/// What is in the ordinary files behind descriptors that should not be there. A pipe or a device
/// would keep us waiting.
fn contents(proc: &str, descriptors: &BTreeMap<u32, String>) -> BTreeMap<u32, String> {
    let others = descriptors.keys().filter(|number| **number > 2);
    let read = others.filter_map(|number| {
        let path = format!("{proc}/fd/{number}");
        fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        let mut text = String::new();
        let file = File::open(path).ok()?;
        file.take(4096).read_to_string(&mut text).ok()?;
        Some((*number, text))
    });
    read.collect()
}

fn map(text: &str) -> Vec<[u32; 3]> {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some([next()?, next()?, next()?])
    };
    text.lines().filter_map(line).collect()
}

fn depth(proc: &str) -> Option<usize> {
    let open = |path: &str| open_namespace(Path::new(path)).ok();
    let ours = inode_of(open("/proc/self/ns/user")?.as_fd()).ok()?;
    let mut namespace: OwnedFd = open(&format!("{proc}/ns/user"))?;
    let mut depth = 0;
    while inode_of(namespace.as_fd()).ok()? != ours {
        namespace = parent_of(namespace.as_fd()).ok()?;
        depth += 1;
    }
    Some(depth)
}

/// A line of mountinfo (proc_pid_mountinfo(5)).
fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3).map(str::to_string);
    let mut right = right.split(' ').map(str::to_string);
    Some(Mount {
        root: left.next()?,
        place: left.next()?,
        options: left.next()?.split(',').map(str::to_string).collect(),
        ties: left.collect(),
        kind: right.next()?,
        source: right.next()?,
    })
}

/// The inode in the kernel's name of a namespace, `uts:[4026532183]`.
pub(crate) fn inode_in(name: &str, kind: &str) -> Option<u64> {
    let rest = name.trim().strip_prefix(kind)?;
    rest.strip_prefix(":[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{depth, inode_in, map, mount, namespace, own_children};

    #[test]
    fn proc_is_read_as_the_kernel_writes_it() {
        assert_eq!(map("         0       1000          1\n"), [[0, 1000, 1]]);
        let line = "85 65 0:4 uts:[4026532183] /tmp/held rw - nsfs nsfs rw";
        let mount = mount(line).unwrap();
        assert_eq!((mount.place.as_str(), mount.kind.as_str()), ("/tmp/held", "nsfs"));
        assert_eq!((mount.options[0].as_str(), mount.ties.len()), ("rw", 0));
        assert_eq!(inode_in(&mount.root, "uts"), Some(4_026_532_183));
        assert_eq!(inode_in("ipc:[4026532183]", "uts"), None);
    }

    #[test]
    fn this_process_is_in_its_own_namespaces_and_at_no_depth() {
        assert_eq!(depth("/proc/self"), Some(0));
        assert!(namespace(std::process::id() as i32, "uts").is_some());
    }

    #[test]
    fn a_process_is_found_by_its_parent() {
        let mut child = std::process::Command::new("sleep").arg("9").spawn().unwrap();
        assert!(own_children().contains(&(child.id() as i32)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
