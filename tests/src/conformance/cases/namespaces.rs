//! config-linux.md, "Namespaces": new ones, joined ones, inherited ones.

use std::fs;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::conformance::{Bench, Case, Fits, case, kernel};

pub(super) const CASES: &[Case] = &[
    case("namespaces/new", "config-linux.md, Namespaces: MUST create", Fits::All, new),
    case(
        "namespaces/inherited",
        "config-linux.md, Namespaces: MUST inherit",
        Fits::Root,
        inherited,
    ),
    case("namespaces/by-path", "config-linux.md, Namespaces: MUST place", Fits::Root, by_path),
    case(
        "namespaces/pid-by-path",
        "config-linux.md, Namespaces: MUST place",
        Fits::Root,
        pid_by_path,
    ),
    case(
        "namespaces/wrong-type",
        "config-linux.md, Namespaces: MUST generate an error",
        Fits::Root,
        wrong_type,
    ),
    case("namespaces/no-such-path", "config-linux.md, Namespaces: path", Fits::Root, no_such_path),
    case(
        "namespaces/relative-path",
        "config-linux.md, Namespaces: MUST be absolute",
        Fits::Root,
        relative,
    ),
    case("namespaces/twice", "config-linux.md, Namespaces: duplicates", Fits::All, twice),
    case("namespaces/unknown", "config-linux.md, Namespaces: type", Fits::All, unknown),
    case("namespaces/cgroup", "config-linux.md, Namespaces: cgroup", Fits::Root, cgroup),
    case("namespaces/time", "config-linux.md, Offset for Time Namespace", Fits::Root, time)
        .needing(kernel::time_namespaces),
    case("namespaces/time-without-rights", "config-linux.md, Time Namespace", Fits::User, time)
        .needing(kernel::time_namespaces),
    case("namespaces/hostname", "config.md, Hostname", Fits::All, hostname),
    case("namespaces/domainname", "config.md, Domainname", Fits::All, domainname),
    case("namespaces/hostname-of-the-host", "config.md, Hostname", Fits::Root, hosts_name),
    case("namespaces/network-has-loopback", "runc: lo is up", Fits::Root, loopback),
];

/// The words of config.json, and the links in `/proc/self/ns`.
const KINDS: [(&str, &str); 8] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("mount", "mnt"),
    ("user", "user"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

fn own(link: &str) -> String {
    let target = fs::read_link(format!("/proc/self/ns/{link}")).unwrap_or_default();
    target.to_string_lossy().into_owned()
}

fn link_of(kind: &str) -> &'static str {
    KINDS.iter().find(|(word, _)| *word == kind).map_or("", |(_, link)| link)
}

fn asked(config: &Value) -> Vec<&str> {
    let list = config["linux"]["namespaces"].as_array();
    list.into_iter().flatten().filter_map(|space| space["type"].as_str()).collect()
}

fn new(bench: &Bench) -> Result<()> {
    let config = bench.config();
    let report = bench.run(&config)?;
    for kind in asked(&config) {
        let seen = report.namespace(link_of(kind));
        bench.holds(kind, !seen.is_empty() && seen != own(link_of(kind)), seen);
    }
    Ok(())
}

fn inherited(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    for kind in ["pid", "network", "ipc", "uts"] {
        let list = config["linux"]["namespaces"].as_array_mut().context("a list")?;
        list.retain(|space| space["type"] != kind);
    }
    config.as_object_mut().map(|config| config.remove("hostname"));
    let report = bench.run(&config)?;
    for (kind, link) in KINDS {
        if kind != "time" || !own(link).is_empty() {
            let right = asked(&config).contains(&kind);
            bench.equal(kind, report.namespace(link) != own(link), right);
        }
    }
    Ok(())
}

/// A process in namespaces of its own.
struct Holder(Child);

impl Holder {
    fn new(bench: &Bench, flags: &[&str]) -> Result<Holder> {
        let (name, value) = bench.mark().split_once('=').context("a mark is a variable")?;
        let mut command = Command::new("unshare");
        command.args(flags).args(["sh", "-c", "echo; exec sleep 100"]).env(name, value);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        use std::io::Read;
        let mut one = [0];
        child.stdout.as_mut().context("its output")?.read_exact(&mut one)?;
        Ok(Holder(child))
    }

    fn path(&self, link: &str) -> String {
        format!("/proc/{}/ns/{link}", self.0.id())
    }

    fn link(&self, link: &str) -> String {
        let target = fs::read_link(self.path(link)).unwrap_or_default();
        target.to_string_lossy().into_owned()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The configuration, where the namespace of this type is another's.
fn with_path(config: &mut Value, kind: &str, path: &str) {
    let list = config["linux"]["namespaces"].as_array_mut().expect("there are namespaces");
    list.retain(|space| space["type"] != kind);
    list.push(json!({"type": kind, "path": path}));
}

fn by_path(bench: &Bench) -> Result<()> {
    let holder = Holder::new(bench, &["--net", "--ipc", "--uts"])?;
    let mut config = bench.config();
    config.as_object_mut().map(|config| config.remove("hostname"));
    for (kind, link) in [("network", "net"), ("ipc", "ipc"), ("uts", "uts")] {
        with_path(&mut config, kind, &holder.path(link));
    }
    let report = bench.run(&config)?;
    for link in ["net", "ipc", "uts"] {
        bench.equal(link, report.namespace(link), holder.link(link));
    }
    Ok(())
}

/// Who joins a pid namespace cannot be in it itself, only its children.
fn pid_by_path(bench: &Bench) -> Result<()> {
    let holder = Holder::new(bench, &["--pid", "--fork", "--kill-child", "--mount-proc"])?;
    let children = format!("/proc/{0}/task/{0}/children", holder.0.id());
    let children = fs::read_to_string(children)?;
    let inner = format!("/proc/{}/ns/pid", children.trim());
    let mut config = bench.config();
    with_path(&mut config, "pid", &inner);
    let report = bench.run(&config)?;
    bench.equal("pid", report.namespace("pid"), link(&inner));
    bench.holds("not its first process", report.0["stat"]["pid"] != json!(1), "pid 1");
    Ok(())
}

fn link(path: &str) -> String {
    fs::read_link(path).unwrap_or_default().to_string_lossy().into_owned()
}

fn wrong_type(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    with_path(&mut config, "network", "/proc/self/ns/ipc");
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn no_such_path(bench: &Bench) -> Result<()> {
    for path in ["/nowhere", "/etc/passwd"] {
        let mut config = bench.config();
        with_path(&mut config, "network", path);
        bench.fails(path, &bench.try_run(&config)?, 1);
    }
    Ok(())
}

fn relative(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    with_path(&mut config, "network", "../../../../../../../../proc/self/ns/net");
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn twice(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let list = config["linux"]["namespaces"].as_array_mut().context("a list")?;
    list.push(json!({"type": "uts"}));
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn unknown(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let list = config["linux"]["namespaces"].as_array_mut().context("a list")?;
    list.push(json!({"type": "weather"}));
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn cgroup(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let list = config["linux"]["namespaces"].as_array_mut().context("a list")?;
    list.retain(|space| space["type"] != "cgroup");
    list.push(json!({"type": "cgroup"}));
    let report = bench.run(&config)?;
    bench.holds("its own", report.namespace("cgroup") != own("cgroup"), "the host's");
    let lines = report.word("cgroup").lines();
    // Hierarchies that the runtime made no cgroup in are as they were.
    let seen: Vec<&str> = lines.filter(|line| line.contains("porthole-conf")).collect();
    bench.equal("its cgroups are roots", seen, Vec::<&str>::new());
    Ok(())
}

fn time(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let list = config["linux"]["namespaces"].as_array_mut().context("a list")?;
    list.push(json!({"type": "time"}));
    config["linux"]["timeOffsets"] = json!({
        "boottime": {"secs": 1_000_000, "nanosecs": 5},
        "monotonic": {"secs": 2000},
    });
    let report = bench.run(&config)?;
    bench.holds("its own", report.namespace("time") != own("time"), "the host's");
    let offsets: Vec<Vec<&str>> = report
        .word("timens_offsets")
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let right = [["monotonic", "2000", "0"], ["boottime", "1000000", "5"]];
    bench.equal("offsets", offsets, right.map(|line| line.to_vec()));
    let uptime: f64 = report.word("uptime").split(' ').next().unwrap_or("0").parse()?;
    bench.holds("uptime", uptime > 1_000_000.0, uptime);
    Ok(())
}

fn hostname(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["hostname"] = json!("inside.example");
    bench.equal("as given", bench.run(&config)?.word("hostname"), "inside.example");
    let host = fs::read_to_string("/proc/sys/kernel/hostname")?;
    bench.holds("not the host's", host.trim() != "inside.example", host);
    Ok(())
}

fn domainname(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["domainname"] = json!("nis.example");
    bench.equal("as given", bench.run(&config)?.word("domainname"), "nis.example");
    Ok(())
}

/// Without a uts namespace it would be the host that is renamed.
fn hosts_name(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let list = config["linux"]["namespaces"].as_array_mut().context("a list")?;
    list.retain(|space| space["type"] != "uts");
    let before = fs::read_to_string("/proc/sys/kernel/hostname")?;
    bench.fails("refused", &bench.try_run(&config)?, 1);
    bench.equal("untouched", fs::read_to_string("/proc/sys/kernel/hostname")?, before);
    Ok(())
}

fn loopback(bench: &Bench) -> Result<()> {
    let report = bench.probe(&bench.config(), &["read:/proc/net/fib_trie"])?;
    let seen = report.answer("read:/proc/net/fib_trie");
    bench.holds("127.0.0.1 is there", seen.contains("127.0.0.1"), seen);
    Ok(())
}
