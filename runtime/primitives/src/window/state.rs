//! What does the kernel say of a process, read from outside it?
//!
//! Everything here comes from `/proc/PID` of the process that is looked at, never from what that
//! process believes. Reading changes nothing, so it passes no gate.

use std::collections::BTreeMap;
use std::fs;

use trace::{Arg, Change, escape};

use crate::capabilities::Capabilities;
use crate::descriptors;

/// The kernel's view of one process: what is looked at, and its value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    entries: BTreeMap<(Kind, String), Arg>,
}

/// The parts of the view, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Namespace,
    Id,
    Map,
    Capability,
    Mount,
    Place,
    Cgroup,
    Descriptor,
    Child,
}

impl State {
    /// Reads the state of a process; empty when it is gone.
    pub(crate) fn of(pid: i32) -> State {
        let mut state = State::default();
        let proc = format!("/proc/{pid}");
        state.namespaces(&proc);
        state.status(&proc);
        state.maps(&proc);
        state.mounts(&proc);
        state.places(&proc);
        state.cgroups(&proc);
        state.descriptors(&proc);
        state.children(&proc, pid);
        state
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is different in `now`, in the order of the view.
    pub(crate) fn changes(&self, now: &State) -> Vec<Change> {
        let mut keys: Vec<_> = self.entries.keys().chain(now.entries.keys()).collect();
        keys.sort();
        keys.dedup();
        let changed = keys.into_iter().filter(|key| self.entries.get(key) != now.entries.get(key));
        changed.map(|key| self.change(now, key)).collect()
    }

    /// The same without the children, which a new process has none of, whoever its parent is.
    pub(crate) fn without_children(&self) -> State {
        let mut entries = self.entries.clone();
        entries.retain(|(kind, _), _| *kind != Kind::Child);
        State { entries }
    }

    /// Everything, as if nothing had been there before.
    pub(crate) fn all(&self) -> Vec<Change> {
        State::default().changes(self)
    }

    fn change(&self, now: &State, key: &(Kind, String)) -> Change {
        let (before, after) = (self.entries.get(key).cloned(), now.entries.get(key).cloned());
        let what = match key.0 {
            Kind::Namespace => format!("{} namespace", key.1),
            Kind::Mount => format!("mount at {}", escape(&key.1)),
            Kind::Descriptor => format!("fd {}", key.1),
            Kind::Child => "child".to_string(),
            Kind::Id | Kind::Map | Kind::Capability | Kind::Place | Kind::Cgroup => key.1.clone(),
        };
        Change { what: Arg::Word(what), before, after }
    }

    fn put(&mut self, kind: Kind, name: impl Into<String>, value: Arg) {
        self.entries.insert((kind, name.into()), value);
    }

    fn namespaces(&mut self, proc: &str) {
        let Ok(entries) = fs::read_dir(format!("{proc}/ns")) else {
            return;
        };
        for entry in entries.flatten() {
            if let Ok(target) = fs::read_link(entry.path()) {
                let name =
                    entry.file_name().to_string_lossy().replace("_for_children", " (children)");
                self.put(Kind::Namespace, name, Arg::from_proc_link(&target.to_string_lossy()));
            }
        }
    }

    fn status(&mut self, proc: &str) {
        let Ok(status) = fs::read_to_string(format!("{proc}/status")) else {
            return;
        };
        for line in status.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            match name {
                "Uid" => self.put(Kind::Id, "user ids", ids(&value)),
                "Gid" => self.put(Kind::Id, "group ids", ids(&value)),
                "Groups" => {
                    self.put(Kind::Id, "supplementary groups", Arg::Word(format!("[{value}]")))
                }
                "NoNewPrivs" => self.put(Kind::Capability, "no_new_privs", Arg::Word(value)),
                "Seccomp" => self.put(Kind::Capability, "seccomp mode", Arg::Word(value)),
                _ => {
                    if let Some(set) = capability_set(name) {
                        self.put(Kind::Capability, set, Arg::Word(capabilities(&value)));
                    }
                }
            }
        }
    }

    fn maps(&mut self, proc: &str) {
        for (file, name) in [("uid_map", "uid map"), ("gid_map", "gid map")] {
            if let Ok(text) = fs::read_to_string(format!("{proc}/{file}")) {
                self.put(Kind::Map, name, Arg::IdMap(crate::ids::parse_map(&text)));
            }
        }
        if let Ok(text) = fs::read_to_string(format!("{proc}/setgroups")) {
            self.put(Kind::Map, "setgroups", Arg::Word(text.trim().to_string()));
        }
    }

    /// Mounts by their place. Several at one place lie on top of each other: the later ones get a
    /// number, since all of them are there.
    fn mounts(&mut self, proc: &str) {
        let Ok(text) = fs::read_to_string(format!("{proc}/mountinfo")) else {
            return;
        };
        let mut layers: BTreeMap<String, usize> = BTreeMap::new();
        for line in text.lines() {
            let Some((place, value)) = mount(line) else {
                continue;
            };
            let layer = layers.entry(place.clone()).or_default();
            *layer += 1;
            let name = if *layer == 1 { place } else { format!("{place} (over it, {layer})") };
            self.put(Kind::Mount, name, Arg::Word(value));
        }
    }

    fn places(&mut self, proc: &str) {
        for (link, name) in [("root", "root directory"), ("cwd", "working directory")] {
            if let Ok(target) = fs::read_link(format!("{proc}/{link}")) {
                self.put(Kind::Place, name, Arg::Path(target.to_string_lossy().into_owned()));
            }
        }
    }

    fn cgroups(&mut self, proc: &str) {
        let Ok(text) = fs::read_to_string(format!("{proc}/cgroup")) else {
            return;
        };
        for line in text.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            if let (Some(controllers), Some(path)) = (parts.next(), parts.next()) {
                let name = if controllers.is_empty() { "v2" } else { controllers };
                self.put(Kind::Cgroup, format!("cgroup {name}"), Arg::Path(path.to_string()));
            }
        }
    }

    fn descriptors(&mut self, proc: &str) {
        let Ok(entries) = fs::read_dir(format!("{proc}/fd")) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(number) = name.parse::<i32>() else {
                continue;
            };
            if descriptors::is_ours(number) || is_reading_itself(proc, &entry.path()) {
                continue;
            }
            if let Ok(target) = fs::read_link(entry.path()) {
                self.put(Kind::Descriptor, name, Arg::from_proc_link(&target.to_string_lossy()));
            }
        }
    }

    fn children(&mut self, proc: &str, pid: i32) {
        let Ok(text) = fs::read_to_string(format!("{proc}/task/{pid}/children")) else {
            return;
        };
        for child in text.split_whitespace() {
            if let Ok(number) = child.parse() {
                self.put(Kind::Child, child, Arg::Pid(number));
            }
        }
    }
}

/// Looking at our own descriptors opens one, which is not part of the picture.
fn is_reading_itself(proc: &str, link: &std::path::Path) -> bool {
    fs::read_link(link).is_ok_and(|target| target.as_os_str() == format!("{proc}/fd").as_str())
}

fn ids(value: &str) -> Arg {
    let mut numbers = value.split(' ');
    let mut next = || numbers.next().unwrap_or_default();
    let (real, effective, saved) = (next(), next(), next());
    match real == effective && effective == saved {
        true => Arg::Word(format!("all {real}")),
        false => Arg::Word(format!("real {real}, effective {effective}, saved {saved}")),
    }
}

fn capability_set(name: &str) -> Option<&'static str> {
    Some(match name {
        "CapInh" => "inheritable capabilities",
        "CapPrm" => "permitted capabilities",
        "CapEff" => "effective capabilities",
        "CapBnd" => "capability bounding set",
        "CapAmb" => "ambient capabilities",
        _ => return None,
    })
}

/// A set of capabilities as a person would say it.
fn capabilities(hex: &str) -> String {
    let Ok(bits) = u64::from_str_radix(hex, 16) else {
        return hex.to_string();
    };
    match Capabilities::from_bits(bits) {
        all if all == Capabilities::all() => format!("all {}", all.count()),
        set => set.to_string(),
    }
}

/// One line of mountinfo as its place and what is there (proc_pid_mountinfo(5)).
fn mount(line: &str) -> Option<(String, String)> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let right: Vec<&str> = right.split(' ').collect();
    let (root, place, options) = (left.get(3)?, left.get(4)?, left.get(5)?);
    // Numbers of peer groups differ from run to run and say nothing that the word does not.
    let ties: Vec<&str> =
        left[6..].iter().map(|tag| tag.split(':').next().unwrap_or(tag)).collect();
    let ties = if ties.is_empty() { "private".to_string() } else { ties.join("+") };
    let from = if *root == "/" { String::new() } else { format!(" of {root}") };
    let value = format!("{}{from}, {options}, {ties}", right.first()?);
    Some((place.to_string(), escape(&value)))
}

#[cfg(test)]
mod tests {
    use trace::Arg;

    use super::{State, mount};

    #[test]
    fn a_mount_is_read_with_its_ties() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:3 - ext3 /dev/root rw";
        let (place, value) = mount(line).unwrap();
        assert_eq!(place, "/mnt2");
        assert_eq!(value, "ext3 of /mnt1, rw,noatime, master+shared");
    }

    #[test]
    fn this_process_has_a_state_that_does_not_change_by_itself() {
        let pid = std::process::id() as i32;
        let state = State::of(pid);
        assert!(!state.is_empty());
        let quiet = State { entries: state.entries.clone() };
        assert!(state.changes(&quiet).is_empty());
        let uts = state.all().into_iter().find(|c| c.what.to_string() == "uts namespace").unwrap();
        assert!(matches!(uts.after, Some(Arg::Object { kind, .. }) if kind == "uts"));
    }
}
