//! Where does a case take place?
//!
//! In a directory of its own: a bundle with a root, and beside it a canary, which nothing that happens
//! in the root may change.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// A bundle, and a canary beside it.
pub(crate) struct Bed {
    directory: tempfile::TempDir,
    canary: BTreeMap<PathBuf, String>,
}

/// As whom the runtime is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Root,
    /// uid and gid 65534
    Nobody,
}

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Bed {
    pub(crate) fn new() -> Bed {
        let directory = tempfile::Builder::new().prefix("root-test-").tempdir().unwrap();
        let path = directory.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(path.join("bundle/rootfs")).unwrap();
        rootfs::make(&path.join("bundle/rootfs"), &rootfs::Source::Machine).unwrap();
        fs::create_dir_all(path.join("canary/self/attr")).unwrap();
        fs::write(path.join("canary/file"), "canary\n").unwrap();
        fs::write(path.join("canary/null"), "").unwrap();
        let mut bed = Bed { directory, canary: BTreeMap::new() };
        bed.canary = bed.look_at_canary();
        bed
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.path("bundle")
    }

    /// A path in the root.
    pub(crate) fn root(&self, path: &str) -> PathBuf {
        self.bundle().join("rootfs").join(path.trim_start_matches('/'))
    }

    pub(crate) fn write(&self, config: &Value) {
        fs::write(self.bundle().join("config.json"), config.to_string()).unwrap();
    }

    /// Runs a script in a container of this configuration.
    pub(crate) fn run(&self, mut config: Value, script: &str) -> Outcome {
        config["process"]["args"] = json!(["/bin/sh", "-c", script]);
        self.write(&config);
        self.start(By::Root, &[])
    }

    /// Runs the runtime on the bundle as it is.
    pub(crate) fn start(&self, by: By, flags: &[&str]) -> Outcome {
        self.outcome(self.command(by, flags).output().unwrap())
    }

    pub(crate) fn command(&self, by: By, flags: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("in").arg(self.bundle()).args(flags);
        if by == By::Nobody {
            command.uid(65534).gid(65534);
        }
        command
    }

    pub(crate) fn outcome(&self, output: Output) -> Outcome {
        self.assert_canary();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Outcome { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The canary is what it was.
    pub(crate) fn assert_canary(&self) {
        assert_eq!(self.look_at_canary(), self.canary, "the canary has changed");
    }

    fn look_at_canary(&self) -> BTreeMap<PathBuf, String> {
        let mut seen = BTreeMap::new();
        look(&self.path("canary"), &mut seen);
        seen
    }
}

fn look(path: &Path, seen: &mut BTreeMap<PathBuf, String>) {
    let is = fs::symlink_metadata(path).unwrap();
    let (time, nanos) = (is.mtime(), is.mtime_nsec());
    let content = if is.is_file() { fs::read_to_string(path).unwrap() } else { String::new() };
    let what = format!(
        "{:o} {} {} {} {time}.{nanos} {content:?}",
        is.mode(),
        is.uid(),
        is.gid(),
        is.ino()
    );
    seen.insert(path.to_path_buf(), what);
    if is.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            look(&entry.unwrap().path(), seen);
        }
    }
}

impl Outcome {
    /// It went well; what it said.
    pub(crate) fn said(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// It was refused in these words.
    pub(crate) fn refused(&self, words: &str) {
        assert_eq!(self.code, Some(125), "{}{}", self.out, self.err);
        assert!(self.err.contains(words), "{}", self.err);
    }
}

/// What `runc spec` writes, as far as it is about the root.
pub(crate) fn ordinary() -> Value {
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| json!({"destination": destination, "type": kind, "source": source, "options": options});
    json!({
        "ociVersion": "1.2.0",
        "process": {
            "user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "cwd": "/", "env": ["PATH=/bin"],
        },
        "root": {"path": "rootfs", "readonly": true},
        "mounts": [
            mount("/proc", "proc", "proc", &[]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", "devpts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/dev/shm", "tmpfs", "shm",
                &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", "cgroup",
                &["nosuid", "noexec", "nodev", "relatime", "ro"]),
        ],
        "linux": {
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                {"type": "mount"}, {"type": "cgroup"},
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware",
                "/proc/scsi",
            ],
            "readonlyPaths": [
                "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
            ],
        },
    })
}

/// What `runc spec --rootless` makes of it for a user with one id.
pub(crate) fn rootless(id: u32, size: u32) -> Value {
    let mut config = ordinary();
    let map = json!([{"containerID": 0, "hostID": id, "size": size}]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    push(&mut config["linux"]["namespaces"], json!({"type": "user"}));
    let options = config["mounts"][2]["options"].as_array_mut().unwrap();
    options.retain(|option| option != "gid=5");
    config
}

pub(crate) fn push(list: &mut Value, value: Value) {
    list.as_array_mut().unwrap().push(value);
}

/// With one more mount.
pub(crate) fn with(mut config: Value, destination: &str, source: &Path, options: &[&str]) -> Value {
    let bind = json!({"destination": destination, "source": source, "options": options});
    push(&mut config["mounts"], bind);
    config
}

/// With one more mount of a file system.
pub(crate) fn with_new(
    mut config: Value,
    destination: &str,
    kind: &str,
    options: &[&str],
) -> Value {
    let new = json!(
        {"destination": destination, "type": kind, "source": kind, "options": options});
    push(&mut config["mounts"], new);
    config
}

/// Without a namespace of this kind.
pub(crate) fn without(mut config: Value, kind: &str) -> Value {
    let list = config["linux"]["namespaces"].as_array_mut().unwrap();
    list.retain(|namespace| namespace["type"] != kind);
    config
}
