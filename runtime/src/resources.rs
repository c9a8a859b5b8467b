//! What may a container use, and what does it: pause, resume, update, events, ps.

use std::time::Duration;

use container::{Container, Id, Status as State};
use primitives::{Error, Result, Status, step_giving};
use serde_json::{Map, Value, json};

use crate::bundles;
use crate::cli::{Global, Limits, TableFormat};
use crate::lifecycle::store;

fn find(global: &Global, id: &str) -> Result<Container> {
    store(global).find(&Id::new(id)?)
}

/// `pause`.
pub(crate) fn pause(global: &Global, id: &str) -> Result<Status> {
    let container = find(global, id)?;
    match container.status() {
        State::Running | State::Created => {}
        other => {
            return Err(Error::Unusable(format!("container not running: it is {}", other.word())));
        }
    }
    step_giving("freeze it", || container.remembered.cgroups.freeze())?;
    Ok(Status::Exited(0))
}

/// `resume`.
pub(crate) fn resume(global: &Global, id: &str) -> Result<Status> {
    let container = find(global, id)?;
    match container.status() {
        State::Paused => {}
        other => {
            return Err(Error::Unusable(format!("container not paused: it is {}", other.word())));
        }
    }
    step_giving("let it go on", || container.remembered.cgroups.thaw())?;
    Ok(Status::Exited(0))
}

/// `update`.
pub(crate) fn update(global: &Global, limits: &Limits) -> Result<Status> {
    let container = find(global, &limits.id)?;
    if container.status() == State::Stopped {
        return Err(Error::Unusable("container not running".to_string()));
    }
    let resources = match &limits.resources {
        Some(file) => bundles::read_json(file)?,
        None => in_words_of_config(limits)?,
    };
    let unusable = |error: serde_json::Error| Error::Unusable(format!("config.json: {error}"));
    let mut config: Value = serde_json::from_slice(&container.config()?).map_err(unusable)?;
    config["linux"]["resources"] = resources;
    let shares =
        [("l3CacheSchema", &limits.l3_cache_schema), ("memBwSchema", &limits.mem_bw_schema)];
    let shares = shares.map(|(field, schema)| Some((field, schema.as_ref()?)));
    let has_shares = shares.iter().any(Option::is_some);
    if has_shares {
        // Of a class that has a name the old rules are not asked for again.
        config["linux"]["intelRdt"]["schemata"] = json!([]);
    }
    for (field, schema) in shares.into_iter().flatten() {
        config["linux"]["intelRdt"][field] = json!(schema);
    }
    let text = serde_json::to_vec(&config).map_err(unusable)?;
    let reading = bundle::read(&text, &container.remembered.bundle).map_err(|complaints| {
        Error::Unusable(format!(
            "these limits cannot be set: {}",
            crate::plain(&complaints.to_string())
        ))
    })?;
    container.remembered.cgroups.update(&reading.plan.cgroup)?;
    if has_shares {
        container.share_cache(&reading.plan)?;
    }
    Ok(Status::Exited(0))
}

/// The flags as `linux.resources` would have them.
fn in_words_of_config(limits: &Limits) -> Result<Value> {
    let mut resources = Map::new();
    let mut set = |area: &str, field: &str, value: Value| {
        let area = resources.entry(area).or_insert_with(|| json!({}));
        area[field] = value;
    };
    for (field, value) in [
        ("shares", limits.cpu_share.map(|n| json!(n))),
        ("period", limits.cpu_period.map(|n| json!(n))),
        ("quota", limits.cpu_quota.map(|n| json!(n))),
        ("burst", limits.cpu_burst.map(|n| json!(n))),
        ("idle", limits.cpu_idle.map(|n| json!(n))),
        ("realtimePeriod", limits.cpu_rt_period.map(|n| json!(n))),
        ("realtimeRuntime", limits.cpu_rt_runtime.map(|n| json!(n))),
        ("cpus", limits.cpuset_cpus.as_ref().map(|list| json!(list))),
        ("mems", limits.cpuset_mems.as_ref().map(|list| json!(list))),
    ] {
        value.into_iter().for_each(|value| set("cpu", field, value));
    }
    for (field, text) in [
        ("limit", &limits.memory),
        ("reservation", &limits.memory_reservation),
        ("swap", &limits.memory_swap),
    ] {
        if let Some(text) = text {
            set("memory", field, json!(bytes(text)?));
        }
    }
    limits.pids_limit.iter().for_each(|limit| set("pids", "limit", json!(limit)));
    limits.blkio_weight.iter().for_each(|weight| set("blockIO", "weight", json!(weight)));
    Ok(Value::Object(resources))
}

/// An amount of memory as runc takes it: bytes, or with k, m, g or t; -1 for no limit.
fn bytes(text: &str) -> Result<i64> {
    let wrong = || Error::Unusable(format!("{text:?} is no amount of memory: write 100M, or -1"));
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let unit = lower.chars().last().and_then(|last| "kmgt".find(last));
    let (number, shift) = match unit {
        Some(index) => (&lower[..lower.len() - 1], 10 * (index + 1)),
        None => (lower, 0),
    };
    let number: i64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// `events`.
pub(crate) fn events(global: &Global, id: &str, stats: bool, interval: &str) -> Result<Status> {
    let container = find(global, id)?;
    let interval = duration(interval)?;
    let mut kills = container.remembered.cgroups.oom_kills();
    loop {
        match container.status() {
            State::Stopped if stats => {
                return Err(Error::Unusable(format!("container with id {id} is not running")));
            }
            State::Stopped => return Ok(Status::Exited(0)),
            _ => {}
        }
        let data = container.remembered.cgroups.statistics()?;
        crate::print_line_of_json(&json!({ "type": "stats", "id": id, "data": data }))?;
        if stats {
            return Ok(Status::Exited(0));
        }
        kills = wait_and_tell_of_kills(&container, id, interval, kills)?;
    }
}

/// Looks every tenth of a second whether the kernel has killed a process for want of memory.
fn wait_and_tell_of_kills(
    container: &Container,
    id: &str,
    interval: Duration,
    mut before: Option<u64>,
) -> Result<Option<u64>> {
    const LOOK: Duration = Duration::from_millis(100);
    let end = std::time::Instant::now() + interval;
    while std::time::Instant::now() < end {
        std::thread::sleep(LOOK.min(end.saturating_duration_since(std::time::Instant::now())));
        let now = container.remembered.cgroups.oom_kills();
        if now > before {
            crate::print_line_of_json(&json!({ "type": "oom", "id": id }))?;
        }
        before = now;
        if container.status() == State::Stopped {
            break;
        }
    }
    Ok(before)
}

/// A time as Go writes it, of one unit: `5s`, `100ms`.
fn duration(text: &str) -> Result<Duration> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let unit = |(unit, millis): &(&str, u64)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*millis).filter(|millis| *millis > 0)
    };
    let millis = units.iter().find_map(unit);
    let wrong = || Error::Unusable(format!("--interval {text:?}: write a time as in 5s or 100ms"));
    millis.map(Duration::from_millis).ok_or_else(wrong)
}

/// `ps`.
pub(crate) fn ps(
    global: &Global,
    id: &str,
    format: TableFormat,
    options: &[String],
) -> Result<Status> {
    let container = find(global, id)?;
    let pids: Vec<i32> =
        container.remembered.cgroups.processes().iter().map(|pid| pid.as_raw()).collect();
    match format {
        TableFormat::Json => crate::print_line_of_json(&pids),
        TableFormat::Table => crate::processes::table(&pids, options),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{bytes, duration};

    #[test]
    fn amounts_and_times() {
        assert_eq!(bytes("100M").unwrap(), 100 << 20);
        assert_eq!(bytes("2gb").unwrap(), 2 << 30);
        assert_eq!(bytes("-1").unwrap(), -1);
        assert_eq!(bytes("12345").unwrap(), 12345);
        assert!(bytes("").is_err() && bytes("M").is_err() && bytes("9999999999t").is_err());
        assert_eq!(duration("5s").unwrap(), Duration::from_secs(5));
        assert_eq!(duration("100ms").unwrap(), Duration::from_millis(100));
        assert!(duration("5").is_err() && duration("0s").is_err() && duration("s").is_err());
    }
}
