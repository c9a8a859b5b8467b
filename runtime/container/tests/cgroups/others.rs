//! The same beside others: runc, systemd, another kernel.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bundle::{Cgroup, Place};
use container::cgroup::{Cgroups, Driver};

use crate::{Made, cannot_be_tried, cgroups_of, pid_of, wanted};

/// The names of all fields, with the path to them.
fn fields(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(entries) if !path.ends_with("/raw") => {
            entries
                .iter()
                .for_each(|(name, value)| fields(value, &format!("{path}/{name}"), found));
        }
        _ => found.push(path.to_string()),
    }
}

#[test]
fn statistics_have_the_fields_of_runc() {
    if cannot_be_tried() {
        return;
    }
    let made = Made::new("porthole-statistics", Cgroup::default());
    if !made.is_v1() || Command::new("runc").arg("--version").output().is_err() {
        println!("skipped: needs runc, and cgroup v1");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let id = format!("porthole-runc-{}", std::process::id());
    let runc = |args: &[&str]| {
        let root = folder.path().join("state");
        let mut command = Command::new("runc");
        command.arg("--root").arg(root).args(args).current_dir(folder.path());
        command.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap()
    };
    fs::create_dir_all(folder.path().join("rootfs/bin")).unwrap();
    fs::copy("/bin/busybox", folder.path().join("rootfs/bin/busybox")).unwrap();
    runc(&["spec"]);
    let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
    let config = config.replace("\"terminal\": true", "\"terminal\": false");
    let config = config.replace("\"sh\"", "\"/bin/busybox\", \"sleep\", \"100\"");
    fs::write(folder.path().join("config.json"), config).unwrap();
    // Whoever waits for its output waits for the container.
    let root = folder.path().join("state");
    let mut command = Command::new("runc");
    command.arg("--root").arg(root).args(["run", "--detach", &id]).current_dir(folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let theirs = runc(&["events", "--stats", &id]);
    let own_id = format!("porthole-statistics-{}", std::process::id());
    let text = serde_json::to_string(&made.0).unwrap().replace(&own_id, &id);
    let ours = serde_json::from_str::<Cgroups>(&text).unwrap().statistics();
    runc(&["delete", "--force", &id]);
    let theirs: serde_json::Value = serde_json::from_slice(&theirs.stdout).unwrap();
    let (theirs, ours) = (&theirs["data"], serde_json::to_value(ours.unwrap()).unwrap());
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    fields(theirs, "", &mut expected);
    fields(&ours, "", &mut found);
    assert_eq!(found, expected);
    for same in ["/cpuset", "/pids", "/memory/usage/limit", "/memory/swap/limit", "/hugetlb"] {
        assert_eq!(ours.pointer(same), theirs.pointer(same), "{same}");
    }
    let names = |value: &serde_json::Value| {
        value
            .pointer("/memory/raw")
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&ours), names(theirs));
}

#[test]
fn systemd_is_told_where_it_runs() {
    if cannot_be_tried() {
        return;
    }
    let wanted = Cgroup {
        place: Place::Unit {
            slice: "porthole-test.slice".into(),
            prefix: "porthole".into(),
            name: format!("systemd-{}", std::process::id()),
        },
        ..wanted(serde_json::json!({ "memory": { "limit": 33554432 }, "pids": { "limit": 9 } }))
    };
    let found = Cgroups::find(&wanted, "unused", Driver::Systemd);
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").unwrap_or_default();
    let sockets = [PathBuf::from("/run"), PathBuf::from(runtime)];
    if !sockets.iter().any(|folder| folder.join("systemd/private").exists()) {
        let error = found.unwrap_err().to_string();
        assert!(error.contains("no systemd runs here"), "{error}");
        return;
    }
    let made = Made(found.unwrap());
    made.0.make_birth_place().unwrap();
    made.0.make_those_to_enter().unwrap();
    made.0.limit(&wanted).unwrap();
    let mut child = made.program("sleep 100");
    made.0.register(pid_of(&child), &wanted).unwrap();
    let place =
        format!("porthole.slice/porthole-test.slice/porthole-systemd-{}", std::process::id());
    let (_, path) = cgroups_of(child.id()).pop().unwrap();
    assert!(path.ends_with(&format!("{place}.scope")), "{path}");
    assert_eq!(made.file("memory.limit_in_bytes", "memory.max"), "33554432");
    assert_eq!(made.file("pids.max", "pids.max"), "9");
    let status = || {
        let unit = format!("porthole-systemd-{}.scope", std::process::id());
        let output = Command::new("systemctl").args(["--user", "is-active", &unit]).output();
        String::from_utf8_lossy(&output.unwrap().stdout).trim().to_string()
    };
    assert_eq!(status(), "active");
    made.0.remove().unwrap();
    // It has seen the last process end, and may have a word to say about that still.
    let over = |_| status() == "inactive";
    assert!((0..100).any(over), "{}", status());
    assert!(!child.wait().unwrap().success());
    assert!(made.directories().iter().all(|path| !path.exists()));
}

/// cgroup v2, which most machines have, on a kernel of its own.
#[test]
fn all_of_this_holds_in_the_lab_too() {
    let me = std::env::current_exe().unwrap();
    let lab = me.ancestors().nth(2).unwrap().join("lab");
    let has_uml = || Command::new("linux.uml").arg("--version").output().is_ok();
    if std::env::var_os("PORTHOLE_IN_LAB").is_some() {
        return;
    }
    if !lab.exists() || !has_uml() {
        println!("skipped: needs User-Mode Linux, and cargo build -p lab");
        return;
    }
    // With a systemd in it, where this machine has one: that of a user needs not be process 1.
    let with_systemd = "mkdir -p /run/systemd/system /sys/fs/cgroup/us $XDG_RUNTIME_DIR; \
                  echo $$ > /sys/fs/cgroup/us/cgroup.procs; \
                  if [ -x /lib/systemd/systemd ]; then /lib/systemd/systemd --user & i=0; \
                  while [ ! -e $XDG_RUNTIME_DIR/systemd/private ] && [ $i -lt 200 ]; do \
                  sleep 0.05; i=$((i+1)); done; fi; \
                  \"$0\" --test-threads 1";
    for user in ["0", "1000"] {
        let mut command = Command::new(&lab);
        command.args(["run", "--timeout", "100", "--env", "PORTHOLE_IN_LAB=1", "--cwd"]);
        command.arg(lab.parent().unwrap());
        let script = match user {
            "0" => with_systemd,
            // In a cgroup that belongs to this user, as one of systemd does.
            user => {
                command.args(["--user", user]);
                "exec \"$0\" --test-threads 1"
            }
        };
        command.args(["--env", "XDG_RUNTIME_DIR=/run/user/0", "--", "sh", "-c", script]).arg(&me);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let wrong = String::from_utf8_lossy(&output.stderr);
        let passed = output.status.success() && said.contains("test result: ok");
        assert!(passed && !said.contains("skipped: this user"), "{user}: {said}{wrong}");
    }
}
