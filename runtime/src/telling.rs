//! How is a plan told to somebody who wants to see whether it is what was meant?
//!
//! In sections, and these in the order in which things would be done. A section that would be empty
//! is not there: then nothing is done about it.

mod filters;
mod limits;
mod mounts;
mod process;

use std::fmt::Write;
use std::path::PathBuf;

use bundle::{Hook, IdRange, Kind, Origin, Plan};

/// The lines of a section; the first word of each is what it is about.
pub(crate) type Lines = Vec<String>;

/// The whole plan.
pub(crate) fn text(plan: &Plan) -> String {
    let version = &plan.oci_version;
    let mut text = format!("{} (runtime-spec {version})\n", plan.bundle.display());
    for (title, lines) in [
        ("namespaces", namespaces(plan)),
        ("cgroup", limits::cgroup(&plan.cgroup)),
        ("devices that may be used, the last rule that fits counts", limits::devices(&plan.cgroup)),
        ("outside of the container", outside(plan)),
        ("mounts", mounts::mounts(plan)),
        ("device files and links", mounts::devices(plan)),
        ("masked", paths(&plan.guarded_paths.masked)),
        ("read-only", paths(&plan.guarded_paths.readonly)),
        ("kernel", kernel(plan)),
        ("process", process::process(plan)),
        ("seccomp", filters::seccomp(plan)),
        ("hooks", hooks(plan)),
        ("annotations, which nothing here acts on", annotations(plan)),
    ] {
        section(&mut text, title, &lines);
    }
    text
}

fn section(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    // Writing into a string cannot fail.
    let _ = writeln!(text, "\n{title}");
    for line in lines {
        let _ = writeln!(text, "  {}", crate::plain(line));
    }
}

/// A line: what it is about, in a column of its own, and what is said of it.
pub(crate) fn line(about: &str, what: impl std::fmt::Display) -> String {
    format!("{about:<12} {what}").trim_end().to_string()
}

/// A table with columns as wide as their widest entry and three blanks, at least twelve, as Go's
/// tabwriter has them in runc.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        (widest + 3).max(12)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (column, entry) in row.iter().enumerate() {
            match column + 1 == N {
                true => line.push_str(entry),
                false => line.push_str(&format!("{entry:<0$}", widths[column])),
            }
        }
        line.push('\n');
        line
    };
    rows.iter().map(line).collect()
}

fn kind_name(kind: Kind) -> String {
    format!("{kind:?}").to_lowercase()
}

fn namespaces(plan: &Plan) -> Lines {
    let of = |wanted: &Origin| {
        let fits = |(kind, origin): (Kind, &Origin)| (origin == wanted).then(|| kind_name(kind));
        plan.namespaces.iter().filter_map(fits).collect::<Vec<_>>().join(", ")
    };
    let mut lines = Vec::new();
    for (about, kinds) in [("new", of(&Origin::New)), ("inherited", of(&Origin::Inherited))] {
        if !kinds.is_empty() {
            lines.push(line(about, kinds));
        }
    }
    for (kind, origin) in plan.namespaces.iter() {
        if let Origin::Joined(path) = origin {
            lines.push(line("joined", format!("{} {}", kind_name(kind), path.display())));
        }
    }
    lines.extend(plan.id_maps.uids.iter().map(|range| line("uids", id_range(range))));
    lines.extend(plan.id_maps.gids.iter().map(|range| line("gids", id_range(range))));
    for offset in &plan.time_offsets {
        let clock = format!("{:?}", offset.clock).to_lowercase();
        lines.push(line(
            "clock",
            format!("{clock} {} s {} ns ahead", offset.seconds, offset.nanoseconds),
        ));
    }
    lines
}

pub(crate) fn id_range(range: &IdRange) -> String {
    let IdRange { inside, host, size } = range;
    match size {
        1 => format!("{inside} is {host} on the host"),
        _ => format!("{inside} is {host} on the host, and so on, {size} in all"),
    }
}

fn outside(plan: &Plan) -> Lines {
    let mut lines = Vec::new();
    for device in &plan.network_devices {
        lines.push(line("network", format!("{} moves in as {}", device.host_name, device.name)));
    }
    if let Some(rdt) = &plan.intel_rdt {
        let class = rdt.class.as_deref().unwrap_or("(the container's id)");
        lines.push(line("intel rdt", format!("class {class} {}", rdt.schemata.join(" "))));
    }
    lines
}

fn paths(paths: &[PathBuf]) -> Lines {
    paths.iter().map(|path| path.display().to_string()).collect()
}

fn kernel(plan: &Plan) -> Lines {
    let mut lines = Vec::new();
    let names = [("hostname", &plan.hostname), ("domainname", &plan.domainname)];
    let names = names.into_iter().filter_map(|(about, name)| Some(line(about, name.as_ref()?)));
    lines.extend(names);
    for sysctl in &plan.sysctls {
        lines.push(line(
            "sysctl",
            format!("/proc/sys/{} {:?}", sysctl.path.display(), sysctl.value),
        ));
    }
    if let Some(personality) = plan.personality {
        lines.push(line("personality", format!("{personality:?}").to_lowercase()));
    }
    if let Some(policy) = &plan.memory_policy {
        let flags = policy.flags.join(" ");
        lines.push(line("memory", format!("{} {} {flags}", policy.mode, policy.nodes)));
    }
    if let Some(label) = &plan.mount_label {
        lines.push(line("mount label", label));
    }
    lines
}

fn hooks(plan: &Plan) -> Lines {
    let hooks = &plan.hooks;
    let mut lines = Vec::new();
    for (about, list) in [
        ("prestart", &hooks.prestart),
        ("createRuntime", &hooks.create_runtime),
        ("createContainer", &hooks.create_container),
        ("startContainer", &hooks.start_container),
        ("poststart", &hooks.poststart),
        ("poststop", &hooks.poststop),
    ] {
        lines.extend(list.iter().map(|hook| format!("{about:<16} {}", told(hook))));
    }
    lines
}

fn told(hook: &Hook) -> String {
    let limit = hook.timeout.map(|seconds| format!(", {seconds} s at most")).unwrap_or_default();
    format!("{} {:?}{limit}", hook.path.display(), hook.args)
}

fn annotations(plan: &Plan) -> Lines {
    plan.annotations.iter().map(|(name, value)| format!("{name} {value:?}")).collect()
}
