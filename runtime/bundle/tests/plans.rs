//! Which plan does each configuration give? Whole plans, compared with what was read and approved.

#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

/// Where every configuration of these tests is said to lie.
const BUNDLE: &str = "/srv/bundle";

fn configs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs");
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn each_configuration_gives_its_plan() {
    assert!(configs().len() >= 9, "the configurations are not where they were");
    for path in configs() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read(&path).unwrap();
        let reading = bundle::read(&text, Path::new(BUNDLE))
            .unwrap_or_else(|complaints| panic!("{name}:\n{complaints}"));
        let mut shown = String::new();
        for remark in &reading.remarks {
            shown.push_str(&format!("remark: {remark}\n"));
        }
        shown.push_str(&serde_json::to_string_pretty(&reading.plan).unwrap());
        assert_snapshot!(name, shown);
    }
}

#[test]
fn the_same_text_gives_the_same_plan() {
    for path in configs() {
        let text = fs::read(&path).unwrap();
        let plan = || {
            let plan = bundle::read(&text, Path::new(BUNDLE)).unwrap().plan;
            serde_json::to_string(&plan).unwrap()
        };
        let first = plan();
        assert!((0..20).all(|_| plan() == first), "{}", path.display());
    }
}

#[test]
fn a_bundle_elsewhere_moves_only_what_is_relative() {
    let text = fs::read(configs().iter().find(|path| path.ends_with("everything.json")).unwrap());
    let plan = bundle::read(&text.unwrap(), Path::new("/elsewhere")).unwrap().plan;
    assert_eq!(plan.root.path, Path::new("/elsewhere/rootfs"));
    let listener = plan.seccomp.unwrap().listener.unwrap();
    assert_eq!(listener.path, Path::new("/elsewhere/agent.sock"));
}
