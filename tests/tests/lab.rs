//! Do the programs do the same on another kernel, with cgroup v2 alone?
//!
//! The suites run again, inside a User-Mode Linux that an ordinary user can boot, against the same
//! golden files: what a program asks for does not depend on the machine.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use libtest_mimic::Trial;
use tests::places::has_program;
use tests::{programs, suite};

/// The suites, and which of their tests are run: a process starts ten times as slowly in there, and
/// what is the same on each kernel need not all be seen twice.
const SUITES: [(&str, &str); 8] = [
    ("golden", "golden/"),
    ("refusals", "refusals/root/ch3"),
    ("refusals", "refusals/root/ch8-container"),
    ("chapters", "ch08"),
    ("omissions", "omissions/root"),
    ("behaviour", "window/root"),
    ("conformance", "conformance/v2/porthole/cgroups"),
    ("conformance", "conformance/v2/porthole/lifecycle"),
];

/// Suites that need what User-Mode Linux does not have: criu wants a whole machine, and Debian's one that
/// is no newer than itself.
const IN_QEMU: [(&str, &str); 1] = [("conformance", "conformance/v2/porthole/checkpoint")];

fn main() -> ExitCode {
    // Inside the lab these tests would boot a lab again.
    let inside = std::env::var_os("PORTHOLE_IN_LAB").is_some();
    let suites = SUITES.iter().filter(|_| !inside).map(|(name, filter)| trial(name, filter));
    let more = IN_QEMU.iter().filter(|_| !inside).map(|(name, filter)| in_qemu(name, filter));
    suite::run(suites.chain(more).collect())
}

fn trial(name: &'static str, filter: &'static str) -> Trial {
    let title = format!("lab/{name}/{filter}");
    match has_program("linux.uml") {
        true => suite::test(title, move || passes("uml", name, filter)),
        false => suite::skipped(title, "User-Mode Linux (Debian: user-mode-linux, busybox-static)"),
    }
}

fn in_qemu(name: &'static str, filter: &'static str) -> Trial {
    let title = format!("lab/qemu/{name}/{filter}");
    match has_program("qemu-system-x86_64") && has_program("criu") {
        true => suite::test(title, move || passes("qemu", name, filter)),
        false => suite::skipped(title, "QEMU and criu (Debian: qemu-system-x86, criu; lab fetch)"),
    }
}

fn passes(kernel: &str, name: &str, filter: &str) {
    let lab = programs::program("lab", tests::places::Place::possible()[0]);
    let bin = lab.parent().expect("a program lies in a folder").to_path_buf();
    let suite = suite_beside_me(name);
    let workspace = programs::workspace();
    let mut command = Command::new(&lab);
    command.args(["run", "--kernel", kernel, "--timeout", "600", "--memory", "1536"]);
    command.arg("--env").arg(format!("PORTHOLE_BIN={}", bin.display()));
    command.arg("--env").arg(format!("INSTA_WORKSPACE_ROOT={}", workspace.display()));
    command.args(["--env", "INSTA_UPDATE=no", "--env", "PORTHOLE_IN_LAB=1"]);
    command.arg("--cwd").arg(&workspace).arg("--").arg(suite).args(["--test-threads", "1", filter]);
    let output = command.output().expect("the lab can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains(" 0 passed"), "nothing was tested: {said}");
}

/// The newest build of another suite: they all lie in one folder, with a hash in their names.
fn suite_beside_me(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("a test has a path");
    let folder = me.parent().expect("a test lies in a folder");
    let is_it = |path: &PathBuf| {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let hash = file.as_deref().and_then(|file| file.strip_prefix(name)?.strip_prefix('-'));
        hash.is_some_and(|hash| hash.chars().all(|c| c.is_ascii_hexdigit()))
    };
    let files = std::fs::read_dir(folder).expect("the folder of the tests can be read");
    let candidates = files.flatten().map(|entry| entry.path()).filter(is_it);
    let age = |path: &PathBuf| path.metadata().and_then(|metadata| metadata.modified()).ok();
    candidates.max_by_key(age).unwrap_or_else(|| panic!("the suite {name} is not built"))
}
