//! Chapter 12: the contract.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tests::bundles::{Bundle, NAME};
use tests::places::{NOBODY, Place};
use tests::programs::{program, workspace};
use tests::running::Run;
use tests::{leftovers, suite};

/// A test, for somebody in a place.
type Body = fn(Place);

/// The life of a container as the kernel shows it, and the attacks before and after their defence.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let tests: [(&str, Body); 11] = [
        ("states", each_state_is_what_the_kernel_says),
        ("transitions", what_is_not_its_turn_is_refused),
        ("nobody-stays", nobody_stays_but_the_container),
        ("killed", what_a_killed_create_leaves_is_deleted),
        ("another", a_number_alone_is_nobody),
        ("hooks", hooks_run_in_their_order),
        ("failing-hook", a_hook_that_fails_stops_it),
        ("bundle-changes", a_bundle_may_change_after_create),
        ("overwritten", the_runtime_is_overwritten_once),
        ("sealed", the_runtime_is_out_of_reach),
        ("directory", a_forgotten_directory_leads_out_once),
    ];
    let trial = |(name, body): (&str, Body)| {
        suite::test(format!("ch12/{}/{name}", place.name()), move || body(place))
    };
    tests.into_iter().map(trial).collect()
}

fn status(bundle: &Bundle) -> String {
    let said = bundle.oci(&["state", NAME]);
    let state: Value = serde_json::from_str(&said.text).unwrap_or_default();
    state["status"].as_str().unwrap_or(&said.text).trim().to_string()
}

fn pid(bundle: &Bundle) -> i64 {
    let state: Value = serde_json::from_str(&bundle.oci(&["state", NAME]).text).unwrap_or_default();
    state["pid"].as_i64().unwrap_or_default()
}

fn command_of(pid: i64) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_string()
}

#[track_caller]
fn ends_well(bundle: &Bundle, words: &[&str]) {
    let said = bundle.oci(words);
    assert_eq!(said.code, 0, "{words:?}: {}", said.text);
}

#[track_caller]
fn is_refused(bundle: &Bundle, words: &[&str], says: &str) {
    let said = bundle.oci(words);
    assert!(said.code == 125 && said.text.contains(says), "{words:?}: {said:?}");
}

fn each_state_is_what_the_kernel_says(place: Place) {
    let bundle = Bundle::make(place, &[]);
    assert_eq!(bundle.create().code, 0, "{}", bundle.said());
    assert_eq!((status(&bundle), command_of(pid(&bundle))), ("created".into(), "chapter12".into()));
    ends_well(&bundle, &["start", NAME]);
    assert_eq!((status(&bundle), command_of(pid(&bundle))), ("running".into(), "sleep".into()));
    ends_well(&bundle, &["kill", NAME, "KILL"]);
    bundle.until_it_is("stopped");
    assert_eq!(pid(&bundle), 0);
    ends_well(&bundle, &["delete", NAME]);
    assert!(!bundle.store().join(NAME).exists());
}

/// The arrows that the state machine does not have.
fn what_is_not_its_turn_is_refused(place: Place) {
    let bundle = Bundle::make(place, &[]);
    let path = bundle.path().to_string_lossy().into_owned();
    let create = ["create", "--bundle", &path, NAME];
    for words in [&["start", NAME][..], &["kill", NAME], &["delete", NAME], &["state", NAME]] {
        is_refused(&bundle, words, "there is no container box");
    }
    ends_well(&bundle, &["delete", "--force", NAME]);
    ends_well(&bundle, &create);
    is_refused(&bundle, &create, "there is a container box already");
    is_refused(&bundle, &["delete", NAME], "is created");
    ends_well(&bundle, &["start", NAME]);
    is_refused(&bundle, &["start", NAME], "is running");
    is_refused(&bundle, &["delete", NAME], "is running");
    assert_eq!(status(&bundle), "running", "what is refused has changed nothing");
    ends_well(&bundle, &["kill", NAME, "KILL"]);
    bundle.until_it_is("stopped");
    is_refused(&bundle, &["start", NAME], "is stopped");
    is_refused(&bundle, &["kill", NAME], "is stopped");
    ends_well(&bundle, &["delete", NAME]);
    is_refused(&bundle, &["delete", NAME], "there is no container box");
}

/// Between `create` and `start` there is no runtime that could be killed.
fn nobody_stays_but_the_container(place: Place) {
    let bundle = Bundle::make(place, &[]);
    let path = bundle.path().to_string_lossy().into_owned();
    let run = Run::new(place, "chapter12").untraced().flags(["--trace", "off"]);
    let run = run.args(["oci", "--root", ".", "create", "--bundle", &path, NAME]);
    let mut child = run.start();
    assert!(child.wait().expect("it is ours").success(), "{}", bundle.said());
    let left = run.processes();
    let inside = |pid: &i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1"))
    };
    assert!(left.len() == 1 && inside(&left[0]), "{left:?}");
    tests::bundles::delete(place, run.folder());
    assert!(run.processes().is_empty() && !run.folder().join(NAME).exists());
}

/// Whatever request `create` is killed at, of its own or of the first process: what it says is true,
/// and `delete` needs no more than what was written down.
fn what_a_killed_create_leaves_is_deleted(place: Place) {
    let bundle = Bundle::make(place, &["--hooks"]);
    let path = bundle.path().to_string_lossy().into_owned();
    let mut states = Vec::new();
    for number in 1.. {
        let at = format!("parent:{number}");
        let run = Run::new(place, "chapter12").flags(["--kill-at", &at]);
        let run = run.args(["oci", "--root", ".", "create", "--bundle", &path, NAME]);
        let mut child = run.start();
        let killed = child.wait().expect("it is ours").code().is_none();
        if !killed {
            assert!(number > 20, "it makes only {number} requests");
            tests::bundles::delete(place, run.folder());
            break;
        }
        if run.folder().join(NAME).join("state.json").exists() {
            states.push(state_that_is_true(&run, place));
        }
        tests::bundles::delete(place, run.folder());
        let left: Vec<String> = leftovers::of("no mark at all", run.folder());
        assert!(left.is_empty(), "killed at {at}, and not deleted: {left:?}");
    }
    assert!(states.len() > 10, "only {} were written down", states.len());
}

/// What `state` says, as soon as the kernel says the same: who is dying is not dead yet.
fn state_that_is_true(run: &Run, place: Place) -> String {
    let store = run.folder().to_string_lossy();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let lives = !run.processes().is_empty();
        let state = Run::new(place, "chapter12").untraced().flags(["--trace", "off"]);
        let state = state.args(["oci", "--root", &store, "state", NAME]).go().stdout;
        if state.contains(if lives { "\"created\"" } else { "\"stopped\"" }) {
            return state;
        }
        assert!(Instant::now() < deadline, "somebody lives is {lives}, and it says {state}");
        sleep(Duration::from_millis(2));
    }
}

/// A number that was given to another process is not the container.
fn a_number_alone_is_nobody(place: Place) {
    let bundle = Bundle::make(place, &[]);
    assert_eq!(bundle.create().code, 0, "{}", bundle.said());
    // Times are counted in ticks of 10 ms.
    sleep(Duration::from_millis(30));
    let other = Run::new(place, "chapter2").untraced().flags(["--trace", "off"]);
    let other = other.args(["unshare", "--user", "--uts", "--", "sleep", "60"]);
    let mut child = other.start();
    let file = bundle.store().join(NAME).join("state.json");
    let text = fs::read_to_string(&file).expect("it was written down");
    let mut state: Value = serde_json::from_str(&text).expect("it is JSON");
    state["init"]["pid"] = json!(child.id());
    fs::write(&file, state.to_string()).expect("it can be written");
    assert_eq!(status(&bundle), "stopped");
    is_refused(&bundle, &["kill", NAME, "KILL"], "is stopped");
    // Forgets the container, and touches nobody.
    ends_well(&bundle, &["delete", "--force", NAME]);
    assert!(child.try_wait().expect("it is ours").is_none(), "somebody else was killed");
    for pid in other.processes() {
        let _ = primitives::kill(
            primitives::Pid::from_raw(pid),
            primitives::Signal::SIGKILL,
            "leave nothing behind",
        );
    }
    let _ = child.wait();
    // The container's own process, of which nobody knows any more.
    let init = serde_json::from_str::<Value>(&text).expect("it is JSON")["init"]["pid"].as_i64();
    let init = i32::try_from(init.expect("it has a number")).expect("it is a pid");
    let _ = primitives::kill(
        primitives::Pid::from_raw(init),
        primitives::Signal::SIGKILL,
        "leave nothing behind",
    );
}

fn hooks_run_in_their_order(place: Place) {
    let bundle = Bundle::make(place, &["--hooks"]);
    let said = |words: &[&str]| bundle.oci(words).text;
    let created = "createRuntime: the container is creating, and I see the host's files\n\
                   createContainer: the container is creating, and I see the host's files\n";
    assert_eq!(bundle.create().text, created);
    let started = "startContainer: the container is created, and I see the container's files\n\
                   poststart: the container is running, and I see the host's files\n";
    assert_eq!(said(&["start", NAME]), started);
    ends_well(&bundle, &["kill", NAME, "KILL"]);
    bundle.until_it_is("stopped");
    let deleted = "poststop: the container is stopped, and I see the host's files\n";
    assert_eq!(said(&["delete", NAME]), deleted);
}

fn edit(bundle: &Bundle, change: impl FnOnce(&mut Value)) {
    let file = bundle.path().join("config.json");
    let text = fs::read_to_string(&file).expect("oci spec has written it");
    let mut config = serde_json::from_str(&text).expect("it is JSON");
    change(&mut config);
    fs::write(&file, config.to_string()).expect("it can be written");
}

fn a_hook_that_fails_stops_it(place: Place) {
    for moment in ["createRuntime", "createContainer", "startContainer"] {
        let bundle = Bundle::make(place, &[]);
        let script = ["sh", "-c", "echo no >&2; exit 3"];
        edit(&bundle, |config| {
            config["hooks"] = json!({ moment: [{ "path": "/bin/sh", "args": script }] });
        });
        let mut said = bundle.create();
        if moment == "startContainer" {
            assert_eq!(said.code, 0, "{}", said.text);
            said = bundle.oci(&["start", NAME]);
            assert_eq!(status(&bundle), "stopped");
            ends_well(&bundle, &["delete", NAME]);
        }
        assert_eq!(said.code, 125, "{moment}: {}", said.text);
        assert!(
            said.text.contains("no\n") && said.text.contains(&format!("the {moment} hook /bin/sh")),
            "{said:?}"
        );
        assert!(!bundle.store().join(NAME).exists(), "{moment}: the container is still there");
    }
}

/// "Any changes made to config.json after this operation will not have an effect" (runtime.md).
fn a_bundle_may_change_after_create(place: Place) {
    let bundle = Bundle::make(place, &["--", "echo", "as it was"]);
    assert_eq!(bundle.create().code, 0, "{}", bundle.said());
    edit(&bundle, |config| config["process"]["args"] = json!(["echo", "as it is"]));
    ends_well(&bundle, &["start", NAME]);
    bundle.until_it_is("stopped");
    assert!(bundle.said().contains("as it was\n"), "{}", bundle.said());
}

/// A copy of the runtime that somebody in `place` may write to.
fn own_runtime(bundle: &Bundle, place: Place) -> PathBuf {
    let copy = bundle.folder().join("runtime");
    // By another program: a file that this process has open for writing may be open in any child of
    // another test, and what is open for writing cannot be run.
    let status = Command::new("cp").arg(program("chapter12", place)).arg(&copy).status();
    assert!(status.is_ok_and(|status| status.success()), "a program cannot be copied");
    if place.is_other_user() {
        chown(&copy, Some(NOBODY), Some(NOBODY)).expect("root can give a file away");
    }
    copy
}

fn install(file: &Path, text: &str) {
    fs::write(file, text).expect("a program can be put into the root");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// A bundle whose image has a program that the host runs as a hook, and that is an enemy.
fn with_an_enemy(place: Place) -> Bundle {
    let bundle = Bundle::make(place, &[]);
    let attack = workspace().join("chapters/12-contract/attacks/overwrite.sh");
    let attack = fs::read_to_string(attack).expect("the attack is there");
    install(&bundle.path().join("rootfs/bin/greet"), &attack);
    edit(&bundle, |config| {
        let hook = json!([{ "path": "/bin/greet", "env": ["PATH=/bin"] }]);
        config["hooks"] = json!({ "startContainer": hook });
    });
    bundle
}

fn the_runtime_is_overwritten_once(place: Place) {
    let bundle = with_an_enemy(place);
    let runtime = own_runtime(&bundle, place);
    let by = [&*runtime.to_string_lossy()];
    let path = bundle.path().to_string_lossy().into_owned();
    let create = ["create", "--bundle", &path, "--unguarded", NAME];
    assert_eq!(bundle.oci_by(&by, &create).code, 0, "{}", bundle.said());
    assert_eq!(bundle.oci_by(&by, &["start", NAME]).code, 0, "{}", bundle.said());
    let deadline = Instant::now() + Duration::from_secs(20);
    let has_fallen = || fs::read(&runtime).is_ok_and(|text| text.starts_with(b"#!/bin/sh"));
    while !has_fallen() {
        assert!(Instant::now() < deadline, "it was not overwritten: {}", bundle.said());
        sleep(Duration::from_millis(5));
    }
}

/// Each of the two defences is enough.
fn the_runtime_is_out_of_reach(place: Place) {
    let bundle = with_an_enemy(place);
    let runtime = own_runtime(&bundle, place);
    let by = [&*runtime.to_string_lossy()];
    let path = bundle.path().to_string_lossy().into_owned();
    let create = ["create", "--bundle", &path, NAME];
    assert_eq!(bundle.oci_by(&by, &create).code, 0, "{}", bundle.said());
    let exe = format!("/proc/{}/exe", pid(&bundle));
    let inode = |path: &Path| fs::metadata(path).expect("it is there").ino();
    let is_a_copy = inode(exe.as_ref()) != inode(&runtime);
    let opened = File::options().write(true).truncate(true).open(&exe);
    let refused = opened.expect_err("a sealed runtime is open for writing").kind();
    assert!(is_a_copy || refused == ErrorKind::ReadOnlyFilesystem, "{refused:?}");
    let said = bundle.oci_by(&by, &["start", NAME]);
    assert!(said.code == 0 && said.text.contains("can't open /proc/1/exe"), "{said:?}");
}

fn a_forgotten_directory_leads_out_once(place: Place) {
    for (guard, falls) in [(&["--unguarded"][..], true), (&[], false)] {
        let bundle = Bundle::make(place, &["--", "cat", "secret"]);
        fs::write(bundle.folder().join("secret"), "under the mat\n").expect("it can be written");
        edit(&bundle, |config| config["process"]["cwd"] = json!("/proc/self/fd/7"));
        let runtime = program("chapter12", place);
        let by = ["sh", "-c", "exec \"$0\" \"$@\" 7< .", &runtime.to_string_lossy()];
        let path = bundle.path().to_string_lossy().into_owned();
        let said = bundle.oci_by(&by, &[&["create", "--bundle", &path], guard, &[NAME]].concat());
        if falls {
            assert_eq!(said.code, 0, "{}", said.text);
            ends_well(&bundle, &["start", NAME]);
            bundle.until_it_is("stopped");
            assert!(bundle.said().contains("under the mat\n"), "{}", bundle.said());
        } else {
            assert_eq!(said.code, 125, "{}", said.text);
            assert!(said.text.contains("lies outside of the root"), "{}", said.text);
            assert!(!bundle.store().join(NAME).exists());
        }
    }
}
