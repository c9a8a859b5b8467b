//! Chapter 8: limits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use primitives::{Pid, Signal, kill};
use tests::places::{Place, has_program, has_unified_cgroups};
use tests::running::{Ran, Run, wait};
use tests::{leftovers, programs, suite};

/// What is seen of this chapter's programs from outside, and its attacks before and after their defence.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    if place == Place::User {
        let name = "ch08/user/says-what-to-do";
        return vec![suite::test(name, an_ordinary_user_is_told_what_to_do)];
    }
    let tests: [(&str, fn()); 9] = [
        ("memory-bomb", a_memory_bomb_is_ended),
        ("fork-bomb", a_fork_bomb_is_stopped),
        ("cpu-time", cpu_time_is_held_to_the_quota),
        ("freeze", what_is_frozen_stands_still),
        ("delete", what_is_in_use_is_not_removed),
        ("killed", nothing_stays_when_it_is_killed),
        ("interrupted", nothing_stays_after_ctrl_c),
        ("both-killed", what_two_kills_leave_is_recognised),
        ("rootfs", a_directory_becomes_the_root),
    ];
    let mut trials: Vec<Trial> = tests
        .into_iter()
        .map(|(name, body)| suite::test(format!("ch08/root/{name}"), body))
        .collect();
    trials.extend(beside_cgroup_tools());
    trials.extend(rootless());
    trials
}

fn chapter8(args: &[&str]) -> Run {
    Run::new(Place::Root, "chapter8").untraced().flags(["--trace", "off"]).args(args)
}

fn container(flags: &[&str], script: &str) -> Ran {
    let run = chapter8(&["container", "--hostname"]).looks_for_cgroups();
    let id = run.id();
    let ran = run.args([id.as_str()]).args(flags).args(["--", "sh", "-c", script]).go();
    assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
    ran
}

/// Doubles a string until it has 32 MB, which is enough for the limit and harms no machine.
const MEMORY_BOMB: &str = "a=x; i=0; while [ $i -lt 25 ]; do a=$a$a; i=$((i+1)); done; echo ${#a}";

fn a_memory_bomb_is_ended() {
    let free = container(&["--memory", "512M"], MEMORY_BOMB);
    assert_eq!((free.code, free.stdout.as_str()), (0, "33554432\n"), "{}", free.stderr);
    let held = container(&["--memory", "20M", "--memory-swap", "20M"], MEMORY_BOMB);
    assert_eq!(held.code, 137, "{}", held.stderr);
    assert!(held.stderr.contains("out of memory"), "{}", held.stderr);
}

/// Sixty processes, each of which would make the next one; one that cannot says so.
const FORK_BOMB: &str =
    "bomb() { [ $1 -eq 0 ] || { bomb $(($1-1)) & wait; }; }; bomb 60 && echo all";

fn a_fork_bomb_is_stopped() {
    let free = container(&["--pids", "200"], FORK_BOMB);
    assert_eq!((free.code, free.stdout.as_str()), (0, "all\n"), "{}", free.stderr);
    let held = container(&["--pids", "20"], FORK_BOMB);
    assert!(held.stderr.contains("can't fork"), "{}", held.stderr);
    assert!(held.stderr.contains("the limit of processes has refused"), "{}", held.stderr);
}

const BUSY: &str = "(while :; do :; done) & sleep 3; kill $!; wait; times";

fn cpu_time_is_held_to_the_quota() {
    let flags = ["--cpu-period", "100000", "--cpu-quota", "20000"];
    // A fifth of three seconds, within ten percent. It never gets more; on a machine that has no time
    // to give it may get less, so that is tried again.
    let within = (0..5).any(|_| {
        let held = container(&flags, BUSY);
        assert!(held.stderr.contains("its time was used up in"), "{}", held.stderr);
        let used = cpu_seconds(&held.stdout);
        assert!(used <= 0.66, "{used} s of processor time: {}", held.stdout);
        used >= 0.54
    });
    assert!(within, "it got less than its quota five times");
    let free = cpu_seconds(&container(&["--cpu-quota", "400000"], BUSY).stdout);
    assert!(free > 0.9, "without a limit that bites it got only {free} s");
}

/// What `times` prints of the children in its second line: `0m0.59s 0m0.00s`.
fn cpu_seconds(times: &str) -> f64 {
    let line = times.lines().nth(1).unwrap_or_default();
    let seconds = |text: &str| -> Option<f64> {
        let (minutes, rest) = text.split_once('m')?;
        let minutes: f64 = minutes.parse().ok()?;
        Some(minutes * 60.0 + rest.trim_end_matches('s').parse::<f64>().ok()?)
    };
    line.split_whitespace().filter_map(seconds).sum()
}

fn what_is_frozen_stands_still() {
    let run = chapter8(&["exec"]).with_a_cgroup();
    let id = run.held_name();
    let script = "i=0; while :; do i=$((i+1)); echo $i > count; done";
    let run = run.args([id.as_str(), "sh", "-c", script]);
    let mut child = run.start();
    let count = || fs::read_to_string(run.folder().join("count")).unwrap_or_default();
    until("it counts", || !count().is_empty());
    let frozen = chapter8(&["freeze", &id]).go();
    assert_eq!(frozen.code, 0, "{}", frozen.stderr);
    let before = count();
    sleep(Duration::from_millis(100));
    assert_eq!(before, count(), "it went on");
    assert_eq!(chapter8(&["thaw", &id]).go().code, 0);
    until("it goes on", || count() != before && !count().is_empty());
    assert_eq!(chapter8(&["delete", "--kill", &id]).go().code, 0);
    let _ = child.wait();
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not seen: {what}");
        sleep(Duration::from_millis(2));
    }
}

fn what_is_in_use_is_not_removed() {
    let run = chapter8(&["exec"]).with_a_cgroup();
    let id = run.held_name();
    let run = run.args([id.as_str(), "sleep", "60"]);
    let mut child = run.start();
    until("it is in", || !chapter8(&["show", &id]).go().stdout.contains("nobody is in it"));
    let refused = chapter8(&["delete", &id]).go();
    assert_eq!(refused.code, 125);
    assert!(refused.stderr.contains("EBUSY"), "{}", refused.stderr);
    assert!(refused.stderr.contains("delete --kill"), "{}", refused.stderr);
    assert_eq!(chapter8(&["delete", "--kill", &id]).go().code, 0);
    let _ = child.wait();
}

fn sleeper() -> Run {
    let run = chapter8(&["container", "--pids", "50", "--hostname"]).looks_for_cgroups();
    let id = run.id();
    run.args([id.as_str(), "--", "sleep", "60"])
}

fn sleeps(run: &Run) -> bool {
    run.processes().iter().any(|pid| is_called(*pid, "sleep"))
}

fn is_called(pid: i32, name: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
}

fn ends_clean(signal: Signal) {
    let run = sleeper();
    let mut child = run.start();
    until("it sleeps", || sleeps(&run));
    let pid = Pid::from_raw(child.id() as i32);
    kill(pid, signal, "see what stays").expect("it runs");
    let status = wait(&mut child, Duration::from_secs(5)).expect("it ends");
    until("nobody is left", || run.processes().is_empty());
    let ran = run.look(status);
    assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
}

fn nothing_stays_when_it_is_killed() {
    ends_clean(Signal::SIGKILL);
}

fn nothing_stays_after_ctrl_c() {
    ends_clean(Signal::SIGINT);
}

/// Parent and keeper at once: the cgroup stays, empty, and the next run says what it is.
fn what_two_kills_leave_is_recognised() {
    let run = sleeper();
    let mut child = run.start();
    until("it sleeps", || sleeps(&run));
    let first = child.id() as i32;
    let keepers =
        run.processes().into_iter().filter(|pid| *pid != first && !is_called(*pid, "sleep"));
    // The keeper goes first: it would notice the end of the other.
    for pid in keepers.chain([first]) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL, "leave nobody to clean up");
    }
    let _ = child.wait();
    until("nobody is left", || run.processes().is_empty());
    let id = run.id();
    let again = chapter8(&["container", "--pids", "9", "--hostname", &id, "--", "true"]).go();
    assert!(again.stderr.contains("with no process in it"), "{}", again.stderr);
    assert_eq!(chapter8(&["delete", &id]).go().code, 0);
    assert!(leftovers::cgroups(&id).is_empty());
}

fn a_directory_becomes_the_root() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for directory in ["bin", "proc", "dev"] {
        fs::create_dir(folder.path().join(directory)).expect("a folder can be made");
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
    let busybox = busybox.into_iter().find(|path| path.exists()).expect("busybox is installed");
    fs::copy(busybox, folder.path().join("bin/sh")).expect("it can be copied");
    let root = folder.path().to_string_lossy().into_owned();
    let args = ["container", "--rootfs", &root, "--", "sh", "-c", "echo /*; exit 3"];
    let ran = chapter8(&args).go();
    assert_eq!((ran.code, ran.stdout.as_str()), (3, "/bin /dev /proc\n"), "{}", ran.stderr);
    let without = chapter8(&["--without", "make the root a mount"]).args(args).go();
    assert!(without.stderr.contains("pivot_root(\".\", \".\"): EINVAL"), "{}", without.stderr);
}

fn an_ordinary_user_is_told_what_to_do() {
    let run = Run::new(Place::User, "chapter8").untraced().flags(["--trace", "off"]);
    let ran = run.args(["container", "--memory", "20M", "--", "true"]).go();
    assert_eq!(ran.code, 125, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("may make no cgroup") && ran.stderr.contains("lab run"),
        "{}",
        ran.stderr
    );
}

/// The same words, tool by tool: what one makes, the other can use.
///
/// None on a machine with v2 alone: what the tools are compared in are the files of v1.
fn beside_cgroup_tools() -> Option<Trial> {
    let name = "ch08/root/cgroup-tools";
    if has_unified_cgroups() {
        return None;
    }
    Some(match has_program("cgcreate") {
        true => suite::test(name, does_what_cgroup_tools_do),
        false => suite::skipped(name, "cgroup-tools (Debian: apt-get install cgroup-tools)"),
    })
}

/// Our own cgroup in the memory hierarchy. Debian's tools count from its root.
fn own_memory_cgroup() -> PathBuf {
    let text = fs::read_to_string("/proc/self/cgroup").expect("it can be read");
    let line = text.lines().find_map(|line| line.split_once(":memory:"));
    PathBuf::from(line.map_or("/", |(_, path)| path))
}

fn tool(words: &[&str]) -> Output {
    Command::new(words[0]).args(&words[1..]).output().expect("the tool can be run")
}

fn does_what_cgroup_tools_do() {
    let run = chapter8(&[]);
    let (ours, theirs) = (run.id(), run.id() + "-theirs");
    let own = own_memory_cgroup();
    let path = |name: &str| own.join(name).to_string_lossy().into_owned();
    let spec = |name: &str| format!("memory:{name}");
    let directory =
        |name: &str| Path::new("/sys/fs/cgroup/memory").join(path(name).trim_start_matches('/'));
    let limit = |name: &str| fs::read_to_string(directory(name).join("memory.limit_in_bytes"));

    assert!(tool(&["cgcreate", "-g", &spec(&path(&theirs))]).status.success());
    assert_eq!(chapter8(&["create", "-g", &spec(&ours)]).go().code, 0);
    let setting = "memory.limit_in_bytes=100000000";
    assert!(tool(&["cgset", "-r", setting, &path(&theirs)]).status.success());
    assert_eq!(chapter8(&["set", "-r", setting, &ours]).go().code, 0);
    assert_eq!(limit(&ours).expect("ours"), limit(&theirs).expect("theirs"));

    let own_line =
        |text: &str| text.lines().find(|line| line.contains(":memory:")).map(str::to_string);
    let cat = ["cat", "/proc/self/cgroup"];
    let in_theirs = tool(&["cgexec", "-g", &spec(&path(&theirs)), cat[0], cat[1]]);
    let in_ours = chapter8(&["exec", "-g", &spec(&ours), cat[0], cat[1]]).go();
    let theirs_said = own_line(&String::from_utf8_lossy(&in_theirs.stdout)).expect("a line");
    assert_eq!(own_line(&in_ours.stdout).expect("a line"), theirs_said.replace("-theirs", ""));

    // Each removes what the other has made.
    assert!(tool(&["cgdelete", "-r", "-g", &spec(&path(&ours))]).status.success());
    assert_eq!(chapter8(&["delete", "-r", "-g", &spec(&theirs)]).go().code, 0);
    assert!(!directory(&ours).exists() && !directory(&theirs).exists());
}

/// An ordinary user to whom a cgroup of v2 was handed, in the lab.
/// None inside the lab, where it would boot a lab again.
fn rootless() -> Option<Trial> {
    let name = "ch08/root/rootless-in-the-lab";
    if std::env::var_os("PORTHOLE_IN_LAB").is_some() {
        return None;
    }
    Some(match has_program("linux.uml") {
        true => suite::test(name, an_ordinary_user_has_limits),
        false => suite::skipped(name, "User-Mode Linux (Debian: user-mode-linux, busybox-static)"),
    })
}

const ROOTLESS: &str = r#"
c="$1 --trace off container --hostname box"
id -u
$c --memory 100000000 --cpu-shares 512 --cpu-period 1000000 --cpu-quota 2000000 -- sh -c 'hostname; id -u; exit 7'
echo code $?
$c --memory 20M -- sh -c 'a=x; while :; do a=$a$a; done' 2>&1
echo code $?
$c --pids 1 -- sh -c '(true); echo not reached' 2>&1
ls -d /sys/fs/cgroup/user-1000/box 2>&1
"#;

fn an_ordinary_user_has_limits() {
    let lab = programs::program("lab", Place::Root);
    let chapter8 = lab.with_file_name("chapter8");
    let workspace = programs::workspace().to_string_lossy().into_owned();
    let mut command = Command::new(&lab);
    command.args([
        "run",
        "--user",
        "1000",
        "--timeout",
        "60",
        "--cwd",
        &workspace,
        "--",
        "sh",
        "-c",
        ROOTLESS,
        "sh",
    ]);
    let output = command.arg(&chapter8).output().expect("the lab can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    for part in ["1000\nbox\n0\ncode 7\n", "code 137\n", "can't fork", "No such file"] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
    assert!(said.contains("memory.events") && !said.contains("not reached"), "{said}");
}
