//! config.md, "Linux Process": capabilities, all five sets.

use anyhow::Result;
use serde_json::{Value, json};

use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("capabilities/default", "config.md, Linux Process: capabilities", Fits::All, default),
    case("capabilities/five-sets", "config.md, Linux Process: capabilities", Fits::All, five),
    case("capabilities/none", "config.md, Linux Process: capabilities", Fits::All, none),
    case("capabilities/as-another-user", "capabilities(7)", Fits::Root, other_user),
    case("capabilities/ambient", "capabilities(7)", Fits::Root, ambient),
    case("capabilities/unknown", "config.md: MUST log a warning", Fits::All, unknown),
    case("capabilities/inheritable-stays-empty", "CVE-2022-29162", Fits::All, no_inheritable),
];

const NAMES: [(&str, u64); 6] = [
    ("CAP_CHOWN", 0),
    ("CAP_KILL", 5),
    ("CAP_SETUID", 7),
    ("CAP_NET_BIND_SERVICE", 10),
    ("CAP_NET_RAW", 13),
    ("CAP_AUDIT_WRITE", 29),
];

/// The sets of config.json, and their lines in `/proc/self/status`.
const SETS: [(&str, &str); 5] = [
    ("bounding", "CapBnd"),
    ("effective", "CapEff"),
    ("permitted", "CapPrm"),
    ("inheritable", "CapInh"),
    ("ambient", "CapAmb"),
];

/// The bits of a list of names, as the kernel writes them.
fn bits(list: &Value) -> String {
    let names = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    let known = names.map(|name| NAMES.iter().find(|(known, _)| *known == name));
    let bits =
        known.map(|found| 1 << found.map_or(63, |(_, number)| *number)).fold(0_u64, |a, b| a | b);
    format!("{bits:016x}")
}

fn compare(bench: &Bench, config: &Value) -> Result<()> {
    let report = bench.run(config)?;
    for (set, line) in SETS {
        let right = bits(&config["process"]["capabilities"][set]);
        bench.equal(set, report.status(line), right);
    }
    Ok(())
}

fn default(bench: &Bench) -> Result<()> {
    compare(bench, &bench.config())
}

fn five(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["process"]["capabilities"] = json!({
        "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_NET_RAW", "CAP_SETUID"],
        "permitted": ["CAP_KILL", "CAP_CHOWN", "CAP_NET_RAW", "CAP_SETUID"],
        "effective": ["CAP_KILL", "CAP_CHOWN", "CAP_NET_RAW", "CAP_SETUID"],
        "inheritable": ["CAP_KILL", "CAP_CHOWN"],
        "ambient": ["CAP_KILL"],
    });
    compare(bench, &config)
}

fn none(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    for value in [json!({}), json!({"bounding": []})] {
        config["process"]["capabilities"] = value;
        compare(bench, &config)?;
    }
    Ok(())
}

/// Who is not root has after `execve` only what is ambient.
fn other_user(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    let report = bench.run(&config)?;
    bench.equal("effective", report.status("CapEff"), "0000000000000000");
    bench.equal("permitted", report.status("CapPrm"), "0000000000000000");
    let right = bits(&config["process"]["capabilities"]["bounding"]);
    bench.equal("bounding", report.status("CapBnd"), right);
    Ok(())
}

fn ambient(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    let one = json!(["CAP_NET_BIND_SERVICE"]);
    config["process"]["capabilities"] = json!({"bounding": one, "permitted": one,
        "effective": one, "inheritable": one, "ambient": one});
    compare(bench, &config)
}

/// "Any value which cannot be mapped to a relevant kernel interface … MUST be logged as a warning by
/// the runtime. Runtimes SHOULD NOT fail."
fn unknown(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let list = json!(["CAP_KILL", "CAP_LEVITATE"]);
    config["process"]["capabilities"] =
        json!({"bounding": list, "permitted": list, "effective": list});
    let done = bench.try_run(&config)?;
    bench.equal("it runs", done.code, 0);
    bench.holds("a warning", done.stderr.contains("CAP_LEVITATE"), &done.stderr);
    if done.code == 0 {
        let report = crate::conformance::report::Report::read(&done.stdout)?;
        bench.equal("the known one", report.status("CapEff"), "0000000000000020");
    }
    Ok(())
}

fn no_inheritable(bench: &Bench) -> Result<()> {
    let report = bench.run(&bench.config())?;
    bench.equal("inheritable", report.status("CapInh"), "0000000000000000");
    bench.equal("ambient", report.status("CapAmb"), "0000000000000000");
    Ok(())
}
