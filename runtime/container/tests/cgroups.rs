//! The cgroups of a container on this machine, whichever version it has.
#![expect(clippy::unwrap_used, reason = "a test that finds nothing has failed")]
#![expect(clippy::disallowed_methods, reason = "the tests watch from outside of the window")]

use std::fs;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use bundle::{Cgroup, Place};
use container::cgroup::{Cgroups, Driver};
use primitives::Pid;

/// Cgroups under a name of their own, and removed whatever happens.
struct Made(Cgroups);

impl Made {
    fn new(name: &str, wanted: Cgroup) -> Made {
        let made = Made::found(name, &wanted);
        made.0.make().unwrap();
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
        self.0.admit(pid_of(&child)).unwrap();
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
    let made = Made::new("porthole-nested", Cgroup::default());
    let mut child = made.program("sleep 1000");
    for directory in made.directories() {
        fs::create_dir_all(directory.join("a/b/c")).unwrap();
    }
    made.0.remove().unwrap();
    assert!(made.directories().iter().all(|path| !path.exists()));
    assert!(!child.wait().unwrap().success());
}

#[test]
fn those_above_go_when_they_were_made_for_it() {
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
    let made = Made::new("porthole-signal", Cgroup::default());
    let mut child = made.program("trap 'exit 7' TERM; while :; do sleep 0.01; done");
    while made.0.processes().len() < 2 {}
    std::thread::sleep(std::time::Duration::from_millis(50));
    made.0.signal(15).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn there_is_a_place_to_be_born_in_where_there_is_v2() {
    let made = Made::new("porthole-born", Cgroup::default());
    let v2 = made.0.paths().find(|(names, _)| names.is_empty()).map(|(_, path)| path);
    let place = made.0.birth_place().unwrap();
    let opened =
        place.map(|fd| fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap());
    assert_eq!(opened, v2);
}
