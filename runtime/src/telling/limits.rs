//! The cgroup and its limits.

use bundle::{BlockIo, Cgroup, Cpu, DeviceRule, Limit, Memory, Place, RuleKind};

use super::{Lines, line};

pub(super) fn cgroup(cgroup: &Cgroup) -> Lines {
    let mut lines = vec![line("place", place(&cgroup.place))];
    lines.extend(memory(&cgroup.memory));
    lines.extend(cpu(&cgroup.cpu));
    lines.extend(cgroup.pids.limit.map(|limit| line("pids", amount(limit, ""))));
    lines.extend(block_io(&cgroup.block_io));
    for pages in &cgroup.huge_pages {
        lines.push(line("huge pages", format!("of {} at most {} bytes", pages.size, pages.limit)));
    }
    lines.extend(cgroup.network_class.map(|class| line("network", format!("class {class}"))));
    for priority in &cgroup.network_priorities {
        let told = format!("{} priority {}", priority.interface, priority.priority);
        lines.push(line("network", told));
    }
    for rdma in &cgroup.rdma {
        let handles = rdma.handles.map(|n| format!(" {n} handles")).unwrap_or_default();
        let objects = rdma.objects.map(|n| format!(" {n} objects")).unwrap_or_default();
        lines.push(line("rdma", format!("{}{handles}{objects}", rdma.device)));
    }
    for unified in &cgroup.unified {
        lines.push(line("file", format!("{} {:?}", unified.file, unified.value)));
    }
    lines
}

fn place(place: &Place) -> String {
    match place {
        Place::Default => "chosen by the runtime, named after the container's id".to_string(),
        Place::FromMount(path) => format!("/{} from the mount point on", path.display()),
        Place::FromRuntime(path) => format!("{} below one of the runtime's", path.display()),
        Place::Unit { slice, prefix, name } => format!("unit {prefix}:{name} in slice {slice:?}"),
    }
}

fn amount(limit: Limit, unit: &str) -> String {
    match limit {
        Limit::Of(amount) => format!("at most {amount}{unit}"),
        Limit::None => "without limit".to_string(),
    }
}

fn memory(memory: &Memory) -> Lines {
    let mut lines = Vec::new();
    for (about, limit) in [
        ("memory", memory.limit),
        ("with swap", memory.with_swap),
        ("reservation", memory.reservation),
    ] {
        lines.extend(limit.map(|limit| line(about, amount(limit, " bytes"))));
    }
    lines.extend(memory.swappiness.map(|value| line("swappiness", value)));
    if memory.disable_oom_killer {
        lines.push(line("memory", "waits where it would be killed"));
    }
    if memory.check_before_update {
        lines.push(line("memory", "no limit below what is in use"));
    }
    lines
}

fn cpu(cpu: &Cpu) -> Lines {
    let mut lines = Vec::new();
    lines.extend(cpu.shares.map(|shares| line("cpu", format!("{shares} shares"))));
    lines.extend(cpu.quota.map(|quota| line("cpu", amount(quota, " µs in each period"))));
    for (what, value) in [
        ("period", cpu.period),
        ("burst", cpu.burst),
        ("real-time", cpu.realtime_runtime),
        ("real-time period", cpu.realtime_period),
    ] {
        lines.extend(value.map(|value| line("cpu", format!("{what} {value} µs"))));
    }
    if cpu.idle == Some(true) {
        lines.push(line("cpu", "only when nobody else wants it"));
    }
    for (about, list) in [("cpus", &cpu.cpus), ("nodes", &cpu.nodes)] {
        if !list.ranges().is_empty() {
            lines.push(line(about, list));
        }
    }
    lines
}

fn block_io(block_io: &BlockIo) -> Lines {
    let mut lines = Vec::new();
    lines.extend(block_io.weight.map(|weight| line("disks", format!("weight {weight}"))));
    lines.extend(block_io.leaf_weight.map(|weight| line("disks", format!("leaf weight {weight}"))));
    for disk in &block_io.weights {
        let weight = disk.weight.map(|n| format!(" weight {n}")).unwrap_or_default();
        let leaf = disk.leaf_weight.map(|n| format!(" leaf weight {n}")).unwrap_or_default();
        lines.push(line("disk", format!("{}:{}{weight}{leaf}", disk.major, disk.minor)));
    }
    for (what, rates) in [
        ("bytes read", &block_io.read_bytes),
        ("bytes written", &block_io.write_bytes),
        ("reads", &block_io.read_requests),
        ("writes", &block_io.write_requests),
    ] {
        for disk in rates {
            let told =
                format!("{}:{} at most {} {what} a second", disk.major, disk.minor, disk.rate);
            lines.push(line("disk", told));
        }
    }
    lines
}

/// In the form of cgroup v1's `devices.list`, which administrators know.
pub(super) fn devices(cgroup: &Cgroup) -> Lines {
    cgroup.devices.iter().map(rule).collect()
}

fn rule(rule: &DeviceRule) -> String {
    let kind = match rule.kind {
        RuleKind::All => 'a',
        RuleKind::Character => 'c',
        RuleKind::Block => 'b',
    };
    let number = |number: Option<u32>| number.map_or("*".to_string(), |number| number.to_string());
    let (major, minor) = (number(rule.major), number(rule.minor));
    line(
        if rule.allow { "allow" } else { "deny" },
        format!("{kind} {major}:{minor} {}", rule.access),
    )
}
