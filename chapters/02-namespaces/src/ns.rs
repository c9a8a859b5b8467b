//! Which namespaces are there, and who is in them? Everything here is read from `/proc`.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use primitives::{
    Error, KINDS, Namespace, Pid, Result, Status, inode_of, namespaces_of, open_namespace,
    owner_uid, parent_of, read_small,
};
use trace::escape;

const HOLDS: [(&str, &str); 8] = [
    ("cgroup", "which cgroup looks like the root"),
    ("ipc", "System V IPC, POSIX message queues"),
    ("mnt", "mount points: the view of files"),
    ("net", "network devices, addresses, ports"),
    ("pid", "process numbers"),
    ("time", "boot and monotonic clocks"),
    ("user", "users, groups, capabilities"),
    ("uts", "host name and domain name"),
];

// ANCHOR: show
/// Prints the namespaces of a process, and which of them it shares with its parent.
pub(crate) fn show(pid: Option<Pid>) -> Result<Status> {
    let of = namespaces(pid)?;
    let parent = parent_process(pid).and_then(|parent| namespaces_of(Some(parent)).ok());
    println!("{:<8} {:<12} {:<16} what it holds", "KIND", "INODE", "WITH ITS PARENT");
    for (kind, _) in KINDS {
        let Some(namespace) = of.iter().find(|namespace| namespace.name == kind) else {
            continue;
        };
        let shared = shared(namespace, parent.as_deref());
        let (_, holds) = HOLDS.iter().find(|(name, _)| *name == kind).expect("all kinds are there");
        println!("{kind:<8} {:<12} {shared:<16} {holds}", namespace.inode);
    }
    Ok(Status::Exited(0))
}
// ANCHOR_END: show

fn namespaces(pid: Option<Pid>) -> Result<Vec<Namespace>> {
    namespaces_of(pid).map_err(|e| {
        let who = pid.map_or("this process".to_string(), |pid| format!("process {pid}"));
        Error::Unusable(format!("the namespaces of {who} cannot be read: {e}"))
    })
}

fn shared(namespace: &Namespace, parent: Option<&[Namespace]>) -> &'static str {
    match parent {
        None => "not readable",
        Some(parent) if parent.contains(namespace) => "shared",
        Some(_) => "its own",
    }
}

fn parent_process(pid: Option<Pid>) -> Option<Pid> {
    let pid = pid.unwrap_or_else(primitives::getpid);
    field(pid, "PPid:").and_then(|text| text.parse().ok()).map(Pid::from_raw)
}

fn field(pid: Pid, name: &str) -> Option<String> {
    let status = read_small(format!("/proc/{pid}/status").as_ref()).ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_string())
}

/// One namespace of a kind that nests.
struct Node {
    parent: Option<u64>,
    owner: Option<u32>,
    processes: Vec<Pid>,
}

// ANCHOR: tree
/// Prints the two kinds of namespaces that nest, with the processes in each.
pub(crate) fn tree() -> Result<Status> {
    for kind in ["user", "pid"] {
        let nodes = nodes(kind);
        println!("{kind} namespaces");
        for root in nodes.keys().filter(|inode| is_root(&nodes, **inode)) {
            branch(kind, &nodes, *root, 1);
        }
    }
    Ok(Status::Exited(0))
}
// ANCHOR_END: tree

fn is_root(nodes: &BTreeMap<u64, Node>, inode: u64) -> bool {
    nodes[&inode].parent.is_none_or(|parent| !nodes.contains_key(&parent))
}

fn branch(kind: &str, nodes: &BTreeMap<u64, Node>, inode: u64, depth: usize) {
    let node = &nodes[&inode];
    let owner = node.owner.map(|uid| format!(", made by uid {uid}")).unwrap_or_default();
    println!("{}{kind}:[{inode}]{owner}: {}", "  ".repeat(depth), people(&node.processes));
    for child in
        nodes.iter().filter(|(_, node)| node.parent == Some(inode)).map(|(child, _)| *child)
    {
        branch(kind, nodes, child, depth + 1);
    }
}

fn people(processes: &[Pid]) -> String {
    let Some(first) = processes.first() else {
        return "no process, kept by those below".into();
    };
    let name = escape(&field(*first, "Name:").unwrap_or_else(|| "ended".into()));
    match processes.len() {
        1 => format!("{first} {name}"),
        count => format!("{first} {name} and {} more", count - 1),
    }
}

/// All namespaces of a kind that some process is in, and those above them that we may see.
fn nodes(kind: &str) -> BTreeMap<u64, Node> {
    let mut nodes: BTreeMap<u64, Node> = BTreeMap::new();
    for pid in processes() {
        let Ok(namespace) = open_namespace(Path::new(&format!("/proc/{pid}/ns/{kind}"))) else {
            continue;
        };
        if let Some(inode) = add(&mut nodes, namespace) {
            nodes.entry(inode).and_modify(|node| node.processes.push(pid));
        }
    }
    nodes
}

/// Adds a namespace and all above it.
fn add(nodes: &mut BTreeMap<u64, Node>, namespace: OwnedFd) -> Option<u64> {
    let inode = inode_of(namespace.as_fd()).ok()?;
    if nodes.contains_key(&inode) {
        return Some(inode);
    }
    let owner = owner_uid(namespace.as_fd()).ok();
    let above = parent_of(namespace.as_fd()).ok();
    nodes.insert(inode, Node { parent: None, owner, processes: Vec::new() });
    let parent = above.and_then(|above| add(nodes, above));
    nodes.entry(inode).and_modify(|node| node.parent = parent);
    Some(inode)
}

fn processes() -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut pids: Vec<i32> = names.filter_map(|name| name.to_string_lossy().parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter().map(Pid::from_raw).collect()
}
