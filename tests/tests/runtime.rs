//! Does the runtime's command line do what runc's does, and does `plan` tell the truth?

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use libtest_mimic::Trial;
use serde_json::Value;
use tempfile::TempDir;
use tests::places::{NOBODY, Place};
use tests::running::{Ran, Run};
use tests::suite;

/// The runc whose `spec` is ours, line for line; others have other lists.
const RUNC: &str = "runc version 1.1.";

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for place in Place::possible() {
        trials.extend(of_its_own(place));
        for (name, flags) in [("spec", &[][..]), ("spec-rootless", &["--rootless"][..])] {
            let name = format!("runtime/{}/{name}-is-that-of-runc", place.name());
            trials.push(match has_runc() {
                true => suite::test(name, move || is_that_of_runc(place, flags)),
                false => suite::skipped(name, "runc 1.1 (Debian 12: runc)"),
            });
        }
    }
    suite::run(trials)
}

/// A test, under its name.
type Named = (&'static str, fn(Place));

fn of_its_own(place: Place) -> Vec<Trial> {
    let tests: [Named; 6] = [
        ("spec-overwrites-nothing", overwrites_nothing),
        ("spec-can-be-planned", can_be_planned),
        ("plan-asks-for-nothing", asks_for_nothing),
        ("plan-tells-all-that-is-wrong", tells_all_that_is_wrong),
        ("plan-sends-no-commands-to-the-terminal", sends_no_commands),
        ("usage", usage),
    ];
    let name = |name| format!("runtime/{}/{name}", place.name());
    tests.into_iter().map(|(test, run)| suite::test(name(test), move || run(place))).collect()
}

fn has_runc() -> bool {
    let output = Command::new("runc").arg("--version").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with(RUNC))
}

fn runtime(place: Place, args: &[&str]) -> (Ran, TempDir) {
    Run::new(place, "runtime").args(args).go_and_keep()
}

/// Runs it with this config.json in its folder.
fn with_config(place: Place, config: &str, args: &[&str]) -> Ran {
    let run = Run::new(place, "runtime").args(args);
    fs::write(run.folder().join("config.json"), config).expect("a file can be made there");
    run.go()
}

/// What `runc spec` writes for the same user.
fn of_runc(place: Place, flags: &[&str]) -> String {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let mut command = Command::new("runc");
    command.arg("spec").args(flags).current_dir(folder.path());
    if place.is_other_user() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root can give a folder away");
        command.uid(NOBODY).gid(NOBODY).env("XDG_RUNTIME_DIR", folder.path());
    }
    let output = command.output().expect("runc can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(folder.path().join("config.json")).expect("runc has written it")
}

/// The differences are those that `runtime/src/spec.rs` argues for, and no others.
fn is_that_of_runc(place: Place, flags: &[&str]) {
    let mut expected = of_runc(place, flags);
    let version = "\"ociVersion\": \"";
    let end = expected.find(version).expect("it has a version") + version.len();
    let length = expected[end..].find('"').expect("the version ends");
    expected.replace_range(end..end + length, "1.3.0");
    let ambient = expected.find(",\n\t\t\t\"ambient\"").expect("runc's has ambient capabilities");
    let length = expected[ambient..].find(']').expect("the list ends") + 1;
    expected.replace_range(ambient..ambient + length, "");
    for (path, before) in
        [("/proc/interrupts", "/proc/kcore"), ("/sys/devices/virtual/powercap", "/sys/firmware")]
    {
        let before = format!("\"{before}\"");
        expected = expected.replace(&before, &format!("\"{path}\",\n\t\t\t{before}"));
    }
    let (ran, folder) = runtime(place, &[&["spec"], flags].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ours = fs::read_to_string(folder.path().join("config.json")).expect("it was written");
    assert_eq!(ours, expected);
}

fn overwrites_nothing(place: Place) {
    let run = Run::new(place, "runtime").args(["spec"]);
    fs::write(run.folder().join("config.json"), "mine").expect("a file can be made there");
    let (ran, folder) = run.go_and_keep();
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stderr, "error: File config.json exists. Remove it first\n");
    let after = fs::read_to_string(folder.path().join("config.json"));
    assert_eq!(after.expect("it is still there"), "mine");
}

fn can_be_planned(place: Place) {
    for flags in [&["spec"][..], &["spec", "--rootless"]] {
        let (_, folder) = runtime(place, flags);
        let bundle = folder.path().to_string_lossy().into_owned();
        let (ran, _) = runtime(place, &["plan", "--bundle", &bundle, "--format", "json"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "of {flags:?}");
        let plan: Value = serde_json::from_str(&ran.stdout).expect("the plan is JSON");
        let root = folder.path().canonicalize().expect("it is there").join("rootfs");
        assert_eq!(plan["root"]["path"], root.to_string_lossy().as_ref());
        let user = if flags.len() > 1 { "new" } else { "inherited" };
        assert_eq!(plan["namespaces"]["user"], user);
    }
}

/// Not one request, so there is nothing that could need a privilege.
fn asks_for_nothing(place: Place) {
    let (_, folder) = runtime(place, &["spec"]);
    let bundle = folder.path().to_string_lossy().into_owned();
    for format in ["text", "json"] {
        let (ran, _) = runtime(place, &["plan", "-b", &bundle, "--format", format]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.events.is_empty() && ran.left_behind.is_empty(), "{:?}", ran.events);
        assert!(ran.stdout.contains("CAP_NET_BIND_SERVICE"), "{}", ran.stdout);
    }
}

fn tells_all_that_is_wrong(place: Place) {
    let config = r#"{"ociVersion": "1.0.2", "hostname": "x", "root": {},
        "process": {"cwd": "work", "args": []}}"#;
    let ran = with_config(place, config, &["plan"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("config.json: 4 things are wrong\n"), "{}", ran.stderr);
    for path in ["root.path: ", "process.args: ", "process.cwd: ", "hostname: "] {
        assert!(ran.stderr.contains(&format!("\n  {path}")), "{path} in {}", ran.stderr);
    }
    let ran = with_config(place, "{\n  oops", &["plan"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("in line 2, column 3"), "{}", ran.stderr);
}

fn sends_no_commands(place: Place) {
    let config = r#"{"ociVersion": "1.0.2", "root": {"path": "\u001b[2Jrootfs"},
        "process": {"cwd": "/\u001b[1m", "args": ["\u001b[31m"],
            "capabilities": {"bounding": ["\u001b[0m"]}},
        "annotations": {"\u001b": "\u001b"}}"#;
    let ran = with_config(place, config, &["plan"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{}", ran.stdout);
    let wrong = config.replace("/\\u001b[1m", "\\u001b[1m");
    let ran = with_config(place, &wrong, &["plan"]);
    assert_eq!(ran.code, 1);
    assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
}

/// What a shell script sees when it has asked for something that is not there: as from runc.
fn usage(place: Place) {
    for args in [&["levitate"][..], &["plan", "--fromat", "json"], &["plan", "--format", "xml"]] {
        let (ran, _) = runtime(place, args);
        assert_eq!(ran.code, 1, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
    let (ran, _) = runtime(place, &["--help"]);
    assert_eq!(ran.code, 0);
}
