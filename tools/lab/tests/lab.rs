//! Does `lab run` behave like the command it runs, and does it leave the host as it was?
//!
//! Every test boots a real kernel. Without User-Mode Linux they say that they were skipped, or fail
//! if `PORTHOLE_REQUIRE_ALL=1` says that nothing may be.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Skips the test, aloud, unless the machine has what it needs.
macro_rules! need {
    ($there:expr, $missing:literal) => {
        if !$there {
            eprintln!(concat!("skipped: ", $missing));
            let all = env::var("PORTHOLE_REQUIRE_ALL").is_ok_and(|all| all == "1");
            assert!(!all, concat!("PORTHOLE_REQUIRE_ALL=1, but ", $missing));
            return;
        }
    };
}

macro_rules! need_uml {
    () => {
        need!(doctor_finds(&["uml", "busybox"]), "user-mode-linux is not installed");
    };
}

fn lab() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lab"))
}

fn doctor_finds(what: &[&str]) -> bool {
    let output = lab().args(["doctor", "--require"]).args(what).output().expect("lab starts");
    output.status.success()
}

/// `lab run` with a limit, so that a hanging kernel fails a test and not the whole run.
fn run(options: &[&str], script: &str) -> Output {
    let limit = ["run", "--timeout", "60"];
    lab().args(limit).args(options).args(["--", "sh", "-c", script]).output().expect("lab starts")
}

fn stdout(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {error}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A directory of this test's own, empty.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("the test may write below target/tmp");
    path
}

/// How many processes have `text` in their command line. (A zombie has no command line.)
fn processes_with(text: &str) -> usize {
    let entries = fs::read_dir("/proc").expect("/proc is there");
    let lines = entries.filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(text)).count()
}

/// Waits up to twenty seconds for the keeper to clean up after a `lab` that was killed.
fn assert_nothing_left(temporary: &Path) {
    let name = temporary.to_str().expect("the path is text");
    let left = || {
        let files = fs::read_dir(temporary).expect("the directory is there").count();
        (files, processes_with(name))
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while left() != (0, 0) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(left(), (0, 0), "files and processes left behind");
}

#[test]
fn the_exit_code_is_the_commands_own() {
    need_uml!();
    assert_eq!(run(&[], "exit 0").status.code(), Some(0));
    assert_eq!(run(&[], "exit 7").status.code(), Some(7));
    assert_eq!(run(&[], "kill -s KILL $$").status.code(), Some(128 + 9));
    let missing = lab().args(["run", "no-such-command"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(127));
    let forbidden = lab().args(["run", "/etc/passwd"]).output().unwrap();
    assert_eq!(forbidden.status.code(), Some(126));
}

#[test]
fn the_three_streams_keep_apart() {
    need_uml!();
    // Every byte there is, and more than any buffer on the way holds.
    let input: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
    let mut lab = lab()
        .args(["run", "--timeout", "60", "--", "sh", "-c", "cat; echo error >&2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = lab.stdin.take().unwrap();
    let sent = input.clone();
    let writer = thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = lab.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"error\n");
    assert!(output.stdout == input, "{} bytes came back", output.stdout.len());
}

#[test]
fn inside_is_a_system_with_pure_cgroup_v2() {
    need_uml!();
    let script = "hostname; id -u; cat /proc/self/cgroup; grep -c ' cgroup ' /proc/mounts; \
                  cat /sys/fs/cgroup/cgroup.subtree_control; ip -brief link show up | cut -c1-2; \
                  ls -d /dev/pts/ptmx; touch /tmp/file /run/file";
    let text = stdout(&run(&[], script));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines, ["lab", "0", "0::/", "0", "cpu io memory pids", "lo", "/dev/pts/ptmx"]);
}

#[test]
fn the_environment_and_the_directory_are_as_asked() {
    need_uml!();
    let script = "pwd; echo \"$GREETING $HOME\"";
    let text = stdout(&run(&["--cwd", "/usr/lib", "--env", "GREETING=hello world"], script));
    assert_eq!(text, "/usr/lib\nhello world /root\n");
}

#[test]
fn a_user_inside_has_a_cgroup_of_its_own() {
    need_uml!();
    let script = "id -u; cat /proc/self/cgroup; cd /sys/fs/cgroup/user-1234 && \
                  echo +pids >cgroup.subtree_control && mkdir mine && cat mine/pids.max; \
                  touch /etc/no 2>/dev/null || echo refused";
    let text = stdout(&run(&["--user", "1234"], script));
    assert_eq!(text, "1234\n0::/user-1234/session\nmax\nrefused\n");
}

#[test]
fn only_a_shared_directory_is_written_to() {
    need_uml!();
    let (kept, shared) = (scratch("kept"), scratch("shared"));
    // Below /tmp the lab has an empty directory of its own, so the one that is kept may not be there.
    let script = format!(
        "mkdir -p {0} && echo x >{0}/file && echo x >{1}/file",
        kept.display(),
        shared.display()
    );
    stdout(&run(&["--share", shared.to_str().unwrap()], &script));
    assert!(!kept.join("file").exists());
    assert_eq!(fs::read_to_string(shared.join("file")).unwrap(), "x\n");
}

#[test]
fn nothing_is_left_behind() {
    need_uml!();
    let temporary = scratch("temporary");
    let lab = || {
        let mut lab = lab();
        lab.env("TMPDIR", &temporary).stdout(Stdio::null()).stderr(Stdio::null());
        lab
    };
    assert!(lab().args(["run", "true"]).status().unwrap().success());
    // After a normal end, there is nothing to wait for.
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);

    let late = lab().args(["run", "--timeout", "2", "sleep", "100"]).status().unwrap();
    assert_eq!(late.code(), Some(124));
    assert_nothing_left(&temporary);

    for pause in [0, 2, 4, 8, 100, 1500] {
        let mut killed = lab().args(["run", "sleep", "100"]).spawn().unwrap();
        thread::sleep(Duration::from_millis(pause));
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert_nothing_left(&temporary);
    }
}

#[test]
fn several_labs_do_not_meet() {
    need_uml!();
    let labs: Vec<_> = (1..=3)
        .map(|number| {
            let script = format!("echo {number} >/etc/number; sleep 1; exit $(cat /etc/number)");
            thread::spawn(move || run(&[], &script).status.code())
        })
        .collect();
    let codes: Vec<_> = labs.into_iter().map(|lab| lab.join().unwrap()).collect();
    assert_eq!(codes, [Some(1), Some(2), Some(3)]);
}

#[test]
fn the_qemu_lab_has_what_the_small_one_lacks() {
    need!(
        doctor_finds(&["qemu", "qemu-kernel", "busybox"]),
        "qemu-system-x86 is not installed or `lab fetch` has not run"
    );
    let script = "cat /sys/fs/cgroup/cgroup.subtree_control; nproc; ls /proc/self/ns/time; \
                  echo error >&2; exit 7";
    let output = run(&["--kernel", "qemu", "--cpus", "2"], script);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(output.stderr, b"error\n");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "cpuset cpu io memory hugetlb pids rdma misc");
    assert_eq!(lines[1..], ["2", "/proc/self/ns/time"]);
}
