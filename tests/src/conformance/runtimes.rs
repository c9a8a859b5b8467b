//! Which runtimes can be asked?

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::places::{NOBODY, Place, has_program, has_unified_cgroups, is_root};
use crate::programs::program;

/// crun refuses a host where cgroup v2 is mounted beside the controllers of v1, so it does not get to
/// see the former; its mounts are its own.
const WITHOUT_UNIFIED: &str = "umount /sys/fs/cgroup/unified 2>/dev/null; exec \"$@\"";

/// A program with runc's command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Its name, in the list of tests and in the table of differences.
    pub name: &'static str,
    /// The version of the specification that it is given: the newest that it takes.
    pub oci_version: &'static str,
}

/// Ours.
pub const OURS: Runtime = Runtime { name: "porthole", oci_version: "1.3.0" };

/// Those to compare with.
pub const PEERS: [Runtime; 2] = [
    Runtime { name: "runc", oci_version: "1.0.2" },
    Runtime { name: "crun", oci_version: "1.0.2" },
];

impl Runtime {
    /// The runtime of this name.
    pub fn of_name(name: &str) -> Option<Runtime> {
        [OURS].into_iter().chain(PEERS).find(|runtime| runtime.name == name)
    }

    /// What this machine lacks to try it as somebody in `place`.
    pub fn lacks(&self, place: Place) -> Option<&'static str> {
        match self.name {
            "runc" if !has_program("runc") => Some("runc (Debian: runc)"),
            "crun" if !has_program("crun") => Some("crun (Debian: crun)"),
            "crun" if self.needs_own_mounts() && !is_root() => {
                Some("root, to hide cgroup v2 from crun")
            }
            "porthole" if !ours_can_run() => Some("a runtime that knows `run`"),
            _ if place == Place::User && !crate::places::has_user_namespaces(place) => {
                Some("user namespaces (lab doctor says what forbids them)")
            }
            _ => None,
        }
    }

    /// It, with the rights of somebody in `place`, nothing of this process's environment, and other
    /// words before it: `strace -f`.
    pub fn command(&self, place: Place, under: &[&str]) -> Command {
        let mut words: Vec<OsString> = under.iter().map(OsString::from).collect();
        words.extend(self.words(place));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        if place.is_other_user() && !self.needs_own_mounts() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        command
    }

    /// Rights are given up only when the mount is out of the way.
    fn words(&self, place: Place) -> Vec<OsString> {
        if self.name == OURS.name {
            return vec![program("runtime", place).into_os_string()];
        }
        let mut words = Vec::new();
        if self.needs_own_mounts() {
            words.extend(["unshare", "--mount", "sh", "-c", WITHOUT_UNIFIED, "sh"]);
            if place.is_other_user() {
                words.extend(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
            }
        }
        words.push(self.name);
        words.into_iter().map(OsString::from).collect()
    }

    fn needs_own_mounts(&self) -> bool {
        self.name == "crun"
            && !has_unified_cgroups()
            && Path::new("/sys/fs/cgroup/unified").exists()
    }
}

/// Whether our own runtime is so far that there is something to test.
fn ours_can_run() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let output = Command::new(program("runtime", Place::possible()[0])).arg("--help").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("\n  run "))
    })
}
