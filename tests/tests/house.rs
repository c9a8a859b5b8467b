//! Is the house built as ARCHITECTURE.md says? The invariants that a text search can check.

#![expect(
    clippy::unwrap_used,
    reason = "a file of the workspace that cannot be read fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use tests::programs::workspace;

/// All files below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|is| is == ending) {
            found.push(path);
        }
    }
    found
}

fn sources() -> Vec<PathBuf> {
    let folders = ["chapters", "runtime", "tools", "tests"].map(|name| workspace().join(name));
    let all: Vec<PathBuf> = folders.iter().flat_map(|folder| files(folder, "rs")).collect();
    assert!(all.len() > 40, "only {} source files were found", all.len());
    all
}

#[test]
fn only_the_gate_names_the_kernels_libraries() {
    let gate = workspace().join("runtime/primitives");
    for path in sources().into_iter().filter(|path| !path.starts_with(&gate)) {
        let text = fs::read_to_string(&path).unwrap();
        for name in ["nix", "libc", "rustix"] {
            let used =
                text.contains(&format!("use {name}::")) || text.contains(&format!(" {name}::"));
            assert!(!used, "{} names {name}", path.display());
        }
    }
}

#[test]
fn every_crate_obeys_the_lints() {
    for path in manifests() {
        let text = fs::read_to_string(&path).unwrap();
        let lifted = path.ends_with("runtime/primitives/Cargo.toml");
        assert!(lifted || text.contains("[lints]\nworkspace = true"), "{}", path.display());
    }
}

/// What reads a configuration must give the same answer everywhere, so it may not look around.
#[test]
fn bundle_touches_no_machine() {
    let bundle = workspace().join("runtime/bundle");
    let manifest = fs::read_to_string(bundle.join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("primitives"), "bundle stands beside the gate, not on it");
    for path in files(&bundle.join("src"), "rs") {
        let text = fs::read_to_string(&path).unwrap();
        for name in ["fs", "env", "net", "os", "process", "thread", "time", "io"] {
            assert!(!text.contains(&format!("std::{name}")), "{} uses std::{name}", path.display());
        }
        for name in ["canonicalize", "metadata", "exists", "is_dir", "is_file", "read_link"] {
            assert!(!text.contains(&format!(".{name}()")), "{} asks {name}", path.display());
        }
    }
    for path in manifests().into_iter().filter(|path| !path.starts_with(&bundle)) {
        let knows = fs::read_to_string(&path).unwrap().contains("\noci-spec");
        assert!(!knows, "{} knows oci-spec, whose types stop at bundle", path.display());
    }
}

/// A container is made by one thread, by whoever has read a command line.
#[test]
fn container_has_one_thread_and_no_command_line() {
    let container = workspace().join("runtime/container");
    let manifest = fs::read_to_string(container.join("Cargo.toml")).unwrap();
    let (_, rest) = manifest.split_once("[dependencies]\n").unwrap();
    let dependencies = rest.split("\n[").next().unwrap();
    for name in ["clap", "tokio", "reqwest", "rayon"] {
        assert!(!dependencies.contains(name), "container knows {name}");
    }
    for path in files(&container.join("src"), "rs") {
        let text = fs::read_to_string(&path).unwrap();
        for name in ["thread::spawn", "thread::Builder", "thread::scope"] {
            assert!(!text.contains(name), "{} uses {name}", path.display());
        }
    }
}

/// Inside a container a path is looked up with its root as the limit, and what is found is held by a
/// descriptor: /proc there may be anybody's.
#[test]
fn the_root_is_built_of_places() {
    let folder = workspace().join("runtime/container/src/root");
    for path in files(&folder, "rs") {
        let text = fs::read_to_string(&path).unwrap();
        // The table of mounts is read on the host's side, before anything there could have changed.
        let named = text.replace("\"/proc/self/mountinfo\"", "").contains("\"/proc/self");
        assert!(!named, "{} names /proc/self", path.display());
    }
}

#[test]
fn chapters_stand_alone() {
    // Libraries that a chapter is about, or that read a format for it.
    let libraries = [
        ("chapters/06-layers", "flate2."),
        ("chapters/06-layers", "tar."),
        ("chapters/08-limits", "cgroups-rs."),
        ("chapters/10-seccomp", "serde."),
        ("chapters/10-seccomp", "serde_json."),
        ("chapters/10-seccomp", "syscalls "),
        ("chapters/11-wires", "serde_json."),
        // From here on to put the runtime's own parts together is the idea.
        ("chapters/12-contract", "bundle."),
        ("chapters/12-contract", "container."),
        ("chapters/12-contract", "serde."),
        ("chapters/12-contract", "serde_json."),
        ("chapters/14-images", "flate2."),
        ("chapters/14-images", "serde."),
        ("chapters/14-images", "serde_json."),
        ("chapters/14-images", "sha2."),
        ("chapters/14-images", "tar."),
        ("chapters/14-images", "zstd."),
    ];
    for path in manifests() {
        if !path.starts_with(workspace().join("chapters")) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let (_, rest) = text.split_once("[dependencies]\n").unwrap();
        let dependencies = rest.split("\n[").next().unwrap();
        for line in dependencies.lines().filter(|line| !line.is_empty()) {
            let floors = ["clap.", "primitives.", "rootfs.", "trace."];
            let mut known = floors.iter().any(|name| line.starts_with(name));
            known |= libraries.iter().any(|(chapter, name)| {
                path.starts_with(workspace().join(chapter)) && line.starts_with(name)
            });
            assert!(known, "{}: {line}", path.display());
        }
    }
}

#[test]
fn no_room_is_too_large() {
    for path in sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 450, "{} has {lines} lines: is it still one room?", path.display());
    }
}

#[test]
fn the_readme_shows_what_the_program_shows() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let mark = "<!-- golden: root/ch2-default -->\n```text\n";
    let (_, rest) = readme.split_once(mark).expect("the README has a trace");
    let shown = rest.split("```").next().unwrap();
    let golden =
        fs::read_to_string(workspace().join("tests/golden/root/ch2-default.snap")).unwrap();
    let trace = golden.split("--- trace\n").nth(1).unwrap();
    assert_eq!(shown.trim(), trace.trim(), "copy the trace into the README");
}

#[test]
fn the_readme_shows_what_start_shows() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let mark = "<!-- golden: book runtime/start -->\n```text\n";
    let (_, rest) = readme.split_once(mark).expect("the README has a start");
    let shown = rest.split("```").next().unwrap();
    let golden = workspace().join("book/golden/runtime/start.stdout");
    let golden = fs::read_to_string(golden).unwrap();
    assert!(golden.contains(shown), "copy the end of {golden} into the README");
}

fn manifests() -> Vec<PathBuf> {
    let folders = ["chapters", "runtime", "tools", "tests"].map(|name| workspace().join(name));
    let all = folders.iter().flat_map(|folder| files(folder, "toml"));
    all.filter(|path| path.file_name().is_some_and(|name| name == "Cargo.toml")).collect()
}
