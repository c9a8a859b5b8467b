//! The root, what is mounted in it, and what is made below `/dev`.

use bundle::{Device, Mount, Node, Owners, Plan, Propagation, What};

use super::{Lines, id_range, line};

pub(super) fn mounts(plan: &Plan) -> Lines {
    let root = &plan.root;
    let readonly = if root.readonly { ", read-only" } else { "" };
    let propagation = propagation(&root.propagation);
    let told = format!("is {} of the host, {propagation}{readonly}", root.path.display());
    let mut lines = vec![line("/", told)];
    for mount in &plan.mounts {
        let destination = mount.destination.display().to_string();
        let told = format!("{}{}", what(&mount.what), options(mount));
        lines.push(line(&destination, told));
        lines.extend(owners(&mount.owners));
    }
    lines
}

fn what(what: &What) -> String {
    match what {
        What::Cgroup => "is the container's cgroup".to_string(),
        What::FileSystem { kind, .. } => format!("is a new {kind}"),
        What::Bind { source, recursive: true } => {
            format!("is {} of the host and all below it", source.display())
        }
        What::Bind { source, recursive: false } => format!("is {} of the host", source.display()),
    }
}

fn options(mount: &Mount) -> String {
    let names = |list: Vec<String>| list.join(" ").to_lowercase();
    let mut parts = Vec::new();
    let mut part = |what: &str, list: Vec<String>| {
        if !list.is_empty() {
            parts.push(format!("{what}{}", names(list)));
        }
    };
    part("", mount.set.iter().map(|flag| format!("{flag:?}")).collect());
    part("not ", mount.cleared.iter().map(|flag| format!("{flag:?}")).collect());
    part("recursively ", mount.set_recursively.iter().map(|it| format!("{it:?}")).collect());
    part(
        "recursively not ",
        mount.cleared_recursively.iter().map(|it| format!("{it:?}")).collect(),
    );
    part("", mount.propagation.iter().map(propagation).collect());
    if !mount.data.is_empty() {
        parts.push(mount.data.join(","));
    }
    if mount.copy_up {
        parts.push("with a copy of what it hides".to_string());
    }
    parts.iter().map(|part| format!(", {part}")).collect()
}

fn propagation(propagation: &Propagation) -> String {
    let recursive = if propagation.recursive { "r" } else { "" };
    format!("{recursive}{:?}", propagation.peers).to_lowercase()
}

fn owners(owners: &Owners) -> Lines {
    match owners {
        Owners::AsTheyAre => Vec::new(),
        Owners::AsInContainer { .. } => vec![line("", "with owners as in the user namespace")],
        Owners::ByMaps { maps, .. } => {
            let uids = maps.uids.iter().map(|range| line("", format!("uid {}", id_range(range))));
            let gids = maps.gids.iter().map(|range| line("", format!("gid {}", id_range(range))));
            uids.chain(gids).collect()
        }
    }
}

pub(super) fn devices(plan: &Plan) -> Lines {
    let mut lines: Lines = plan.devices.iter().map(device).collect();
    for link in &plan.links {
        lines.push(line(&link.path.display().to_string(), format!("-> {}", link.target.display())));
    }
    lines
}

fn device(device: &Device) -> String {
    let node = match device.node {
        Node::Character { major, minor } => format!("c {major}:{minor}"),
        Node::Block { major, minor } => format!("b {major}:{minor}"),
        Node::Fifo => "p".to_string(),
    };
    let Device { mode, uid, gid, .. } = device;
    line(&device.path.display().to_string(), format!("{node} {mode:04o} {uid}:{gid}"))
}
