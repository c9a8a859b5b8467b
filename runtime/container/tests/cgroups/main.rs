//! The cgroups of a container on this machine, whichever version it has.
#![expect(clippy::unwrap_used, reason = "a test that finds nothing has failed")]
#![expect(clippy::disallowed_methods, reason = "the tests watch from outside of the window")]

mod others;

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use bundle::{Cgroup, Place};
use container::cgroup::{Cgroups, Driver};
use primitives::{Pid, write_pid};

/// Cgroups under a name of their own, and removed whatever happens.
struct Made(Cgroups);

impl Made {
    fn new(name: &str, wanted: Cgroup) -> Made {
        let made = Made::found(name, &wanted);
        made.0.make_birth_place().unwrap();
        made.0.make_those_to_enter().unwrap();
        made.0.limit(&wanted).unwrap();
        made
    }

    fn found(name: &str, wanted: &Cgroup) -> Made {
        let id = format!("{name}-{}", std::process::id());
        Made(Cgroups::find(wanted, &id, Driver::Files).unwrap())
    }

    fn directories(&self) -> Vec<PathBuf> {
        self.0.paths().map(|(_, path)| path).collect()
    }

    /// A program in it.
    fn program(&self, script: &str) -> Child {
        let child = Command::new("sh")
            .args(["-c", &format!("read go; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        for path in self.directories() {
            let why = "have it in there, as if it had gone itself";
            write_pid(&path.join("cgroup.procs"), pid_of(&child), why).unwrap();
        }
        use std::io::Write;
        child.stdin.as_ref().unwrap().write_all(b"go\n").unwrap();
        child
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = self.0.remove();
    }
}

/// An ordinary user has no cgroups, unless he was given one.
fn cannot_be_tried() -> bool {
    let found = Cgroups::find(&Cgroup::default(), "porthole-tried", Driver::Files).unwrap();
    if found.is_empty() {
        println!("skipped: this user may make no cgroup here");
        let wanted = wanted(serde_json::json!({ "pids": { "limit": 5 } }));
        let error = Cgroups::find(&wanted, "porthole-tried", Driver::Files).unwrap_err();
        assert!(error.to_string().contains("pids.limit: user"), "{error}");
    }
    found.is_empty()
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

fn cgroups_of(pid: u32) -> Vec<(String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let line = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        rest.split_once(':').map(|(names, path)| (names.to_string(), path.to_string()))
    };
    text.lines().filter_map(line).collect()
}

#[test]
fn a_process_is_in_all_of_them_and_nothing_stays() {
    if cannot_be_tried() {
        return;
    }
    let made = Made::new("porthole-life", Cgroup::default());
    assert!(made.directories().iter().all(|path| path.is_dir()));
    let mut child = made.program("sleep 100 & wait");
    let id = format!("porthole-life-{}", std::process::id());
    for (names, path) in cgroups_of(child.id()) {
        assert!(path.ends_with(&format!("/{id}")), "{names}: {path}");
    }
    assert!(made.0.processes().contains(&pid_of(&child)));
    // As a state file, and back.
    let text = serde_json::to_string(&made.0).unwrap();
    let again: Cgroups = serde_json::from_str(&text).unwrap();
    assert_eq!(again, made.0);
    again.signal(9).unwrap();
    child.wait().unwrap();
    assert!(again.processes().is_empty());
    again.remove().unwrap();
    assert!(made.directories().iter().all(|path| !path.exists()));
    again.remove().unwrap();
}

#[test]
fn cgroups_of_the_containers_own_go_with_it_and_their_processes_too() {
    if cannot_be_tried() {
        return;
    }
    let made = Made::new("porthole-nested", Cgroup::default());
    let mut child = made.program("sleep 1000");
    for directory in made.directories() {
        fs::create_dir_all(directory.join("a/b/c")).unwrap();
    }
    made.0.remove().unwrap();
    assert!(made.directories().iter().all(|path| !path.exists()));
    assert!(!child.wait().unwrap().success());
}

/// 40 levels of 200 letters are twice as long as a path can be, so they are made by relative names.
#[test]
fn cgroups_too_deep_for_a_path_go_with_it_too() {
    if cannot_be_tried() {
        return;
    }
    let made = Made::new("porthole-deep", Cgroup::default());
    let script = "for d; do cd $d || exit 1; i=0; while [ $i -lt 40 ]; do \
                  mkdir $NAME && cd -P ./$NAME || exit 2; i=$((i+1)); done; done; \
                  sleep 1000 & echo $! > cgroup.procs; echo done; wait";
    let mut child = Command::new("sh")
        .args(["-c", script, "sh"])
        .args(made.directories().iter().rev().take(1))
        .env("NAME", "x".repeat(200))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(made.0.remove().map_err(|e| e.to_string()), Ok(()));
    assert!(made.directories().iter().all(|path| !path.exists()));
    child.wait().unwrap();
}

#[test]
fn those_above_go_when_they_were_made_for_it() {
    if cannot_be_tried() {
        return;
    }
    let place = PathBuf::from(format!("porthole-above-{}/a/b", std::process::id()));
    let wanted = Cgroup { place: Place::FromMount(place), ..Cgroup::default() };
    let made = Made::new("unused", wanted.clone());
    let neighbour = Cgroup {
        place: Place::FromMount(PathBuf::from(format!("porthole-above-{}/n", std::process::id()))),
        ..Cgroup::default()
    };
    let other = Made::new("unused", neighbour);
    made.0.remove().unwrap();
    let top = |path: &PathBuf| path.parent().unwrap().to_path_buf();
    assert!(other.directories().iter().all(|path| path.is_dir() && !top(path).join("a").exists()));
    other.0.remove().unwrap();
    assert!(made.directories().iter().all(|path| !path.exists()));
    // The one above both was made for the first, which could not remove it any more.
    for path in other.directories() {
        fs::remove_dir(top(&path)).unwrap();
    }
}

#[test]
fn a_cgroup_with_somebody_in_it_is_not_taken() {
    if cannot_be_tried() {
        return;
    }
    let made = Made::new("porthole-taken", Cgroup::default());
    let mut child = made.program("sleep 100");
    let id = format!("porthole-taken-{}", std::process::id());
    let error = Cgroups::find(&Cgroup::default(), &id, Driver::Files).unwrap_err();
    assert!(error.to_string().contains("has processes in it"), "{error}");
    made.0.remove().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_is_frozen_is_killed_all_the_same() {
    if cannot_be_tried() {
        return;
    }
    let made = Made::new("porthole-frozen", Cgroup::default());
    let mut child = made.program("while :; do :; done");
    made.0.freeze().unwrap();
    assert!(made.0.is_frozen());
    made.0.thaw().unwrap();
    assert!(!made.0.is_frozen());
    made.0.freeze().unwrap();
    made.0.signal(9).unwrap();
    assert!(!child.wait().unwrap().success());
    made.0.remove().unwrap();
}

#[test]
fn a_signal_reaches_everybody() {
    if cannot_be_tried() {
        return;
    }
    let made = Made::new("porthole-signal", Cgroup::default());
    let mut child = made.program("trap 'exit 7' TERM; while :; do sleep 0.01; done");
    while made.0.processes().len() < 2 {}
    std::thread::sleep(std::time::Duration::from_millis(50));
    made.0.signal(15).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn there_is_a_place_to_be_born_in_where_there_is_v2() {
    if cannot_be_tried() {
        return;
    }
    let made = Made::new("porthole-born", Cgroup::default());
    let v2 = made.0.paths().find(|(names, _)| names.is_empty()).map(|(_, path)| path);
    let place = made.0.birth_place().unwrap();
    let opened =
        place.map(|fd| fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap());
    assert_eq!(opened, v2);
}

fn wanted(resources: serde_json::Value) -> Cgroup {
    let document = serde_json::json!({
        "ociVersion": "1.2.0",
        "root": { "path": "rootfs" },
        "process": { "cwd": "/", "args": ["true"], "user": { "uid": 0, "gid": 0 } },
        "linux": { "namespaces": [{ "type": "mount" }], "resources": resources },
    });
    bundle::read(document.to_string().as_bytes(), "/bundle".as_ref()).unwrap().plan.cgroup
}

impl Made {
    fn is_v1(&self) -> bool {
        self.0.paths().any(|(names, _)| names == "memory")
    }

    /// What one of its files holds, by its name in v1 or that in v2.
    fn file(&self, v1: &str, v2: &str) -> String {
        let name = if self.is_v1() { v1 } else { v2 };
        let controller = name.split('.').next().unwrap();
        let is_it = |names: &str| {
            names.split(',').any(|own| own == controller) || !self.is_v1() && names.is_empty()
        };
        let (_, directory) = self.0.paths().find(|(names, _)| is_it(names)).unwrap();
        let path = directory.join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text.trim().to_string()
    }
}

#[test]
fn limits_are_where_they_belong() {
    if cannot_be_tried() {
        return;
    }
    let made = Made::new(
        "porthole-limits",
        wanted(serde_json::json!({
            "memory": { "limit": 33554432, "reservation": 16777216 },
            "cpu": { "shares": 512, "quota": 20000, "period": 50000 },
            "pids": { "limit": 7 },
        })),
    );
    assert_eq!(made.file("memory.limit_in_bytes", "memory.max"), "33554432");
    assert_eq!(made.file("memory.soft_limit_in_bytes", "memory.low"), "16777216");
    assert_eq!(made.file("cpu.shares", "cpu.weight"), if made.is_v1() { "512" } else { "59" });
    let quota = if made.is_v1() { "20000" } else { "20000 50000" };
    assert_eq!(made.file("cpu.cfs_quota_us", "cpu.max"), quota);
    assert_eq!(made.file("pids.max", "pids.max"), "7");
    // A running container gets more, and less again, memory and swap together.
    for (limit, both) in [(67108864, 134217728), (268435456, 268435456), (33554432, 67108864)] {
        let update = serde_json::json!({ "memory": { "limit": limit, "swap": both } });
        if made.is_v1() {
            made.0.update(&wanted(update)).unwrap();
            assert_eq!(made.file("memory.memsw.limit_in_bytes", ""), both.to_string());
        }
    }
    let more =
        serde_json::json!({ "cpu": { "quota": 5000, "period": 10000 }, "pids": { "limit": -1 } });
    made.0.update(&wanted(more)).unwrap();
    assert_eq!(made.file("pids.max", "pids.max"), "max");
    let quota = if made.is_v1() { "5000" } else { "5000 10000" };
    assert_eq!(made.file("cpu.cfs_quota_us", "cpu.max"), quota);
}

#[test]
fn a_limit_of_processes_bites() {
    if cannot_be_tried() {
        return;
    }
    let made = Made::new("porthole-pids", wanted(serde_json::json!({ "pids": { "limit": 1 } })));
    let output = made.program("(echo forked); echo said").wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(said.contains("fork"), "{said}");
}

#[test]
fn only_devices_that_are_allowed_can_be_opened() {
    if cannot_be_tried() {
        return;
    }
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        println!("skipped: only root makes device files");
        return;
    }
    let rules = serde_json::json!({ "devices": [
        { "allow": true, "type": "c", "major": 1, "minor": 11, "access": "w" },
    ] });
    let made = Made::new("porthole-devices", wanted(rules));
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "cd {}; mknod kmsg c 1 11 && mknod port c 1 4 && mknod null c 1 3 || exit 9; \
         : > null && echo null; : > kmsg && echo written; : < kmsg && echo read; : < port && echo port",
        folder.path().display()
    );
    let output = made
        .program(&format!("sh -c '{script}' 2>&1; for t in read port; do :; done"))
        .wait_with_output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("null\nwritten\n"), "{said}");
    assert!(!said.contains("port\n") && !said.contains("read\n"), "{said}");
}

#[test]
fn what_cannot_be_had_is_named() {
    if cannot_be_tried() {
        return;
    }
    let refused = |resources: serde_json::Value| {
        let wanted = wanted(resources);
        let made = Made::found("porthole-refused", &wanted);
        made.0.make_birth_place().unwrap();
        made.0.make_those_to_enter().unwrap();
        let error = made.0.limit(&wanted).unwrap_err().to_string();
        (made.is_v1(), error)
    };
    let (v1, error) = refused(serde_json::json!({ "unified": { "memory.hihg": "1" } }));
    assert!(error.contains(if v1 { "this machine has v1" } else { "memory.hihg" }), "{error}");
    let (_, error) = refused(serde_json::json!({ "unified": { "nonsense.max": "1" } }));
    assert!(error.contains("unified"), "{error}");
    let (v1, error) = refused(serde_json::json!({ "rdma": { "mlx": { "hcaHandles": 3 } } }));
    assert!(error.contains("rdma") && (!v1 || error.contains("no controller")), "{error}");
}
