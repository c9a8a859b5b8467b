//! What is a limit called in each version, and what is written for it?
//!
//! Pure: from words to writes, without touching the machine. What the files hold now is asked for by
//! a function, because in v2 two values of v1 share one file.

use super::Version;
use super::amounts::{limit, number, size, weight_of};

/// One limit as it was asked for: `memory.limit_in_bytes=100M`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Setting {
    pub(crate) fn new(key: &str, value: impl ToString) -> Setting {
        Setting { key: key.to_string(), value: value.to_string() }
    }

    /// As it is typed: `KEY=VALUE`.
    pub(crate) fn parse(text: &str) -> Result<Setting, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                Ok(Setting::new(key.trim(), value.trim()))
            }
            _ => Err("write KEY=VALUE, as in memory.limit_in_bytes=100M".to_string()),
        }
    }

    /// The part before the first point: `memory`, `cgroup`, …
    pub(crate) fn controller(&self) -> &str {
        self.key.split('.').next().unwrap_or_default()
    }
}

/// One write, and the words that it was translated from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) why: &'static str,
    /// The setting of v1 that it stands for, where this is v2.
    pub(crate) from: Option<String>,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Size,
    /// In v1 memory and swap together, in v2 swap alone.
    Swap,
    /// Shares in v1, a weight in v2.
    Shares,
    Quota,
    Period,
    Count,
    State,
    Switch,
    Text,
}

/// One limit under both of its names.
struct Key {
    v1: &'static str,
    v2: &'static str,
    kind: Kind,
    why: &'static str,
}

const fn key(v1: &'static str, v2: &'static str, kind: Kind, why: &'static str) -> Key {
    Key { v1, v2, kind, why }
}

// ANCHOR: keys
/// The same limit in both versions. "Reservation" is `memory.low` for runc and crun alike.
const KEYS: [Key; 16] = [
    key("memory.limit_in_bytes", "memory.max", Kind::Size, "let it have this much memory"),
    key("memory.memsw.limit_in_bytes", "memory.swap.max", Kind::Swap, "not let it evade into swap"),
    key("memory.soft_limit_in_bytes", "memory.low", Kind::Size, "keep this much for it"),
    key("cpu.shares", "cpu.weight", Kind::Shares, "give it its share when processors are short"),
    key("cpu.cfs_period_us", "cpu.max", Kind::Period, "count its time in rounds of this length"),
    key("cpu.cfs_quota_us", "cpu.max", Kind::Quota, "stop it when its time of a round is used up"),
    key("pids.max", "pids.max", Kind::Count, "let it have this many processes"),
    key("freezer.state", "cgroup.freeze", Kind::State, "stop or wake all of it at once"),
    key("cpuset.cpus", "cpuset.cpus", Kind::Text, "let it run on these processors"),
    key("cpuset.mems", "cpuset.mems", Kind::Text, "let it use the memory of these nodes"),
    // What has no counterpart is known under its one name.
    key("", "memory.high", Kind::Size, "slow it down when it has this much memory"),
    key("", "memory.min", Kind::Size, "never take this much from it"),
    key("", "memory.oom.group", Kind::Switch, "let all of it end when one of it must"),
    key("", "cpu.idle", Kind::Switch, "let it run when nobody else wants to"),
    key("memory.swappiness", "", Kind::Text, "say how willingly it is swapped out"),
    key("memory.use_hierarchy", "", Kind::Text, "count those below it too"),
];
// ANCHOR_END: keys

/// Whether a name is that of a limit, in either version.
pub(crate) fn is_known(name: &str) -> bool {
    KEYS.iter().any(|key| key.v1 == name || key.v2 == name)
}

/// What has to be written, in an order that the kernel takes. `now` gives what a file holds, or
/// nothing when there is no such file.
///
/// # Errors
/// Says which value cannot be, or which key is not known and which one is near.
pub(crate) fn writes(
    version: Version,
    settings: &[Setting],
    now: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Write>, String> {
    let mut sorted: Vec<&Setting> = settings.iter().collect();
    // Swap counts from the memory limit, and a quota from the length of a round.
    sorted.sort_by_key(|setting| setting.key.contains("memsw") || setting.key.contains("quota"));
    let mut writes: Vec<Write> = Vec::new();
    for setting in sorted {
        let write = one(version, setting, now, &writes)?;
        // Quota and period are one file in v2, so the second replaces the first.
        if write.file == "cpu.max" {
            writes.retain(|other| other.file != "cpu.max");
        }
        writes.push(write);
    }
    Ok(writes)
}

fn one(
    version: Version,
    setting: &Setting,
    now: &dyn Fn(&str) -> Option<String>,
    before: &[Write],
) -> Result<Write, String> {
    let name = setting.key.as_str();
    let Some(key) = KEYS.iter().find(|key| key.v1 == name || key.v2 == name) else {
        return unknown(version, setting, now);
    };
    let (own, other) = match version {
        Version::V1 => (key.v1, key.v2),
        Version::V2 => (key.v2, key.v1),
    };
    if own.is_empty() || (version == Version::V1 && name != own) {
        let instead = if own.is_empty() { String::new() } else { format!(": {own}") };
        return Err(format!(
            "{name} is a word of cgroup {}, here it is {}{instead}",
            other_version(version),
            version_name(version)
        ));
    }
    let said = own == name;
    // The same file in both versions means the same thing in both.
    let from = (!said && !other.is_empty()).then(|| format!("{}={}", setting.key, setting.value));
    let latest = |file: &str| {
        let written = before.iter().rev().find(|write| write.file == file);
        written.map(|write| write.text.clone()).or_else(|| now(file))
    };
    let text =
        value(version, key, said, &setting.value, &latest).map_err(|e| format!("{name}: {e}"))?;
    Ok(Write { file: own.to_string(), text, why: key.why, from })
}

// ANCHOR: value
/// The text that is written. `said` is false when a word of v1 is being translated.
fn value(
    version: Version,
    key: &Key,
    said: bool,
    value: &str,
    now: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let none = if version == Version::V1 { "-1" } else { "max" };
    let or_none = |amount: Option<u64>| amount.map_or(none.to_string(), |n| n.to_string());
    match key.kind {
        Kind::Size => size(value).map(or_none),
        Kind::Swap if said => size(value).map(or_none),
        Kind::Swap => Ok(or_none(match size(value)? {
            None => None,
            Some(total) => Some(swap_alone(total, now("memory.max"))?),
        })),
        Kind::Shares if version == Version::V2 && said => weight(value),
        Kind::Shares => {
            let shares = number(value, 2, 262_144, "shares")?;
            Ok(if version == Version::V1 { shares } else { weight_of(shares) }.to_string())
        }
        Kind::Quota | Kind::Period => bandwidth(version, key.kind, said, value, now),
        Kind::Count if value == "max" => Ok("max".to_string()),
        Kind::Count => number(value, 0, 4_194_304, "a number of processes").map(|n| n.to_string()),
        Kind::State => state(version, value),
        Kind::Switch => number(value, 0, 1, "a switch").map(|n| n.to_string()),
        Kind::Text => Ok(value.to_string()),
    }
}
// ANCHOR_END: value

fn weight(value: &str) -> Result<String, String> {
    number(value, 1, 10_000, "a weight").map(|weight| weight.to_string())
}

/// v1 limits memory and swap together; v2 swap alone.
fn swap_alone(total: u64, memory: Option<String>) -> Result<u64, String> {
    let memory = memory.unwrap_or_default();
    let memory = limit(memory.trim())
        .map_err(|_| "this is memory and swap together: set memory.limit_in_bytes as well")?;
    total.checked_sub(memory).ok_or_else(|| {
        format!("{total} is memory and swap together, and less than the memory alone ({memory})")
    })
}

const SECOND: u64 = 1_000_000;

/// Time in each round, in microseconds: two files in v1, `QUOTA PERIOD` in one of v2.
fn bandwidth(
    version: Version,
    kind: Kind,
    said: bool,
    value: &str,
    now: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let quota = |text: &str| match text {
        "-1" | "max" => Ok(None),
        _ => number(text, 1000, u64::MAX / 2000, "a quota in microseconds, or -1").map(Some),
    };
    let period = |text: &str| number(text, 1000, SECOND, "a period in microseconds");
    let whole = |quota: Option<u64>, period: u64| match quota {
        Some(quota) => format!("{quota} {period}"),
        None => format!("max {period}"),
    };
    if version == Version::V2 && said {
        let mut parts = value.split_whitespace();
        let first = quota(parts.next().unwrap_or_default())?;
        return Ok(whole(first, parts.next().map_or(Ok(100_000), period)?));
    }
    if version == Version::V1 {
        return match kind {
            Kind::Period => period(value).map(|us| us.to_string()),
            _ => Ok(quota(value)?.map_or("-1".to_string(), |us| us.to_string())),
        };
    }
    let now = now("cpu.max").unwrap_or_default();
    let mut parts = now.split_whitespace();
    let old_quota = parts.next().map_or(Ok(None), quota)?;
    let old_period = parts.next().map_or(Ok(100_000), period)?;
    match kind {
        Kind::Period => Ok(whole(old_quota, period(value)?)),
        _ => Ok(whole(quota(value)?, old_period)),
    }
}

fn state(version: Version, value: &str) -> Result<String, String> {
    let frozen = match value.to_uppercase().as_str() {
        "FROZEN" | "1" => true,
        "THAWED" | "0" => false,
        _ => return Err(format!("{value:?} is no state: FROZEN or THAWED")),
    };
    Ok(match (version, frozen) {
        (Version::V1, true) => "FROZEN",
        (Version::V1, false) => "THAWED",
        (Version::V2, true) => "1",
        (Version::V2, false) => "0",
    }
    .to_string())
}

/// A key that the table does not have: a file of this machine is taken at its word, anything else is
/// a typing error.
fn unknown(
    version: Version,
    setting: &Setting,
    now: &dyn Fn(&str) -> Option<String>,
) -> Result<Write, String> {
    let file = setting.key.clone();
    if !file.contains('/') && now(&file).is_some() {
        let why = "set what was asked for, as it was typed";
        return Ok(Write { file, text: setting.value.clone(), why, from: None });
    }
    let names = KEYS.iter().flat_map(|key| match version {
        Version::V1 => [key.v1, ""],
        Version::V2 => [key.v1, key.v2],
    });
    let near = names.filter(|name| !name.is_empty()).min_by_key(|name| distance(name, &file));
    Err(format!("there is no {file}; did you mean {}?", near.unwrap_or_default()))
}

fn version_name(version: Version) -> &'static str {
    match version {
        Version::V1 => "v1",
        Version::V2 => "v2",
    }
}

fn other_version(version: Version) -> &'static str {
    match version {
        Version::V1 => "v2",
        Version::V2 => "v1",
    }
}

/// How many letters must be put in, taken out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::{Setting, Version, distance, writes};

    fn texts(version: Version, lines: &[&str]) -> Result<Vec<String>, String> {
        let settings: Vec<Setting> =
            lines.iter().map(|line| Setting::parse(line).unwrap()).collect();
        let now = |file: &str| (file == "cpu.max").then(|| "max 100000\n".to_string());
        let writes = writes(version, &settings, &now)?;
        Ok(writes.iter().map(|write| format!("{} {}", write.file, write.text)).collect())
    }

    #[test]
    fn v1_is_written_as_it_is_said() {
        let lines = ["cpu.cfs_quota_us=2000000", "cpu.cfs_period_us=1000000", "cpu.shares=512"];
        let wanted = ["cpu.cfs_period_us 1000000", "cpu.shares 512", "cpu.cfs_quota_us 2000000"];
        assert_eq!(texts(Version::V1, &lines).unwrap(), wanted);
        assert_eq!(
            texts(Version::V1, &["memory.limit_in_bytes=-1"]).unwrap(),
            ["memory.limit_in_bytes -1"]
        );
        let error = texts(Version::V1, &["memory.max=5M"]).unwrap_err();
        assert!(error.contains("cgroup v2") && error.contains("memory.limit_in_bytes"), "{error}");
    }

    #[test]
    fn v2_is_a_translation() {
        let lines =
            ["memory.limit_in_bytes=100M", "memory.memsw.limit_in_bytes=100M", "cpu.shares=512"];
        let wanted = ["memory.max 104857600", "cpu.weight 59", "memory.swap.max 0"];
        assert_eq!(texts(Version::V2, &lines).unwrap(), wanted);
        let lines = ["cpu.cfs_quota_us=2000000", "cpu.cfs_period_us=1000000"];
        assert_eq!(texts(Version::V2, &lines).unwrap(), ["cpu.max 2000000 1000000"]);
        assert_eq!(
            texts(Version::V2, &["cpu.cfs_quota_us=50000"]).unwrap(),
            ["cpu.max 50000 100000"]
        );
        assert_eq!(texts(Version::V2, &["cpu.max=max"]).unwrap(), ["cpu.max max 100000"]);
        assert_eq!(texts(Version::V2, &["cpu.weight=100"]).unwrap(), ["cpu.weight 100"]);
        assert_eq!(texts(Version::V2, &["freezer.state=FROZEN"]).unwrap(), ["cgroup.freeze 1"]);
        assert!(texts(Version::V2, &["memory.memsw.limit_in_bytes=5M"]).is_err());
    }

    #[test]
    fn a_typing_error_names_what_is_near() {
        let error = texts(Version::V1, &["memory.limit_in_byte=5M"]).unwrap_err();
        assert!(error.contains("did you mean memory.limit_in_bytes?"), "{error}");
        let error = texts(Version::V2, &["cpu.wieght=5"]).unwrap_err();
        assert!(error.contains("did you mean cpu.weight?"), "{error}");
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn impossible_values_are_refused() {
        for line in [
            "memory.limit_in_bytes=5X",
            "cpu.shares=1",
            "cpu.cfs_period_us=10",
            "pids.max=-2",
            "freezer.state=COLD",
            "cpu.cfs_quota_us=999",
        ] {
            assert!(texts(Version::V1, &[line]).is_err(), "{line}");
        }
    }
}
