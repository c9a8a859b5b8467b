//! config.md, "Annotations", "Extensibility" and "Specification version".

use anyhow::Result;
use serde_json::json;

use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("annotations/kept", "config.md, Annotations; runtime.md, State", Fits::All, kept),
    case(
        "annotations/unknown",
        "config.md, Annotations: MUST NOT generate an error",
        Fits::All,
        unknown,
    ),
    case(
        "annotations/not-text",
        "config.md, Annotations: values MUST be strings",
        Fits::All,
        not_text,
    ),
    case(
        "annotations/unknown-fields",
        "config.md, Extensibility: MUST ignore",
        Fits::All,
        unknown_fields,
    ),
    case(
        "annotations/invalid-value",
        "config.md, Valid values: MUST generate an error",
        Fits::All,
        invalid,
    ),
    case("annotations/no-json", "config.md", Fits::All, no_json),
    case("annotations/wrong-type", "config.md", Fits::All, wrong_type),
    case(
        "annotations/version-missing",
        "config.md, Specification version: REQUIRED",
        Fits::All,
        version_missing,
    ),
    case(
        "annotations/version-of-others",
        "config.md, Specification version: SemVer",
        Fits::All,
        other_version,
    ),
    case(
        "annotations/version-newer",
        "config.md, Specification version: compatible within 1.x",
        Fits::All,
        newer,
    ),
];

fn kept(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["annotations"] = json!({"org.example.a": "1", "org.example.b": "", "c": "é"});
    bench.create(&config)?;
    bench.equal("state", &bench.state()?["annotations"], &config["annotations"]);
    Ok(())
}

fn unknown(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["annotations"] =
        json!({"run.oci.nobody": "knows", "org.opencontainers.image.os": "tea"});
    bench.run(&config)?;
    Ok(())
}

fn not_text(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["annotations"] = json!({"org.example.a": 1});
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn unknown_fields(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["weather"] = json!({"rain": true});
    config["process"]["mood"] = json!("good");
    config["linux"]["resources"]["luck"] = json!(7);
    config["linux"]["weather"] = json!([1, 2]);
    config["mounts"][0]["colour"] = json!("blue");
    bench.run(&config)?;
    Ok(())
}

fn invalid(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_MAYBE"});
    bench.fails("an action", &bench.try_run(&config)?, 1);
    let mut config = bench.config();
    config["process"]["rlimits"] = json!([{"type": "NOFILE", "soft": 1, "hard": 1}]);
    bench.fails("a limit", &bench.try_run(&config)?, 1);
    Ok(())
}

fn no_json(bench: &Bench) -> Result<()> {
    for text in ["", "{", "[]", "null", "{\"ociVersion\": }", "\u{0}"] {
        std::fs::write(bench.bundle().join("config.json"), text)?;
        bench.fails(&format!("{text:?}"), &bench.command(&["run", bench.id()])?, 1);
        bench.fails("nothing stays", &bench.command(&["state", bench.id()])?, 1);
    }
    Ok(())
}

fn wrong_type(bench: &Bench) -> Result<()> {
    let table = [
        ("/process/args", json!("sh")),
        ("/process/cwd", json!(7)),
        ("/process/env", json!({"A": "b"})),
        ("/process/user/uid", json!("root")),
        ("/process/user/uid", json!(-1)),
        ("/process/user/uid", json!(4_294_967_296_u64)),
        ("/root", json!("rootfs")),
        ("/mounts", json!({})),
        ("/linux/namespaces", json!(["pid"])),
        ("/hostname", json!(["x"])),
    ];
    for (pointer, value) in table {
        let mut config = bench.config();
        let field = config.pointer_mut(pointer);
        if let Some(field) = field {
            *field = value.clone();
        }
        bench.fails(&format!("{pointer} {value}"), &bench.try_run(&config)?, 1);
    }
    Ok(())
}

fn version_missing(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config.as_object_mut().map(|config| config.remove("ociVersion"));
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn other_version(bench: &Bench) -> Result<()> {
    for version in ["2.0.0", "one", "1.0", ""] {
        let mut config = bench.config();
        config["ociVersion"] = json!(version);
        bench.fails(&format!("{version:?}"), &bench.try_run(&config)?, 1);
    }
    Ok(())
}

fn newer(bench: &Bench) -> Result<()> {
    for version in ["1.0.0", "1.1.0", "1.2.1", "1.3.0", "1.0.2-dev"] {
        let mut config = bench.config();
        config["ociVersion"] = json!(version);
        let done = bench.try_run(&config)?;
        bench.equal(version, (done.code, done.stderr), (0, String::new()));
    }
    Ok(())
}
