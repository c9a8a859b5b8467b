//! Where does an engine run, so that it meets nobody else and nothing of it stays?
//!
//! In mount, network and pid namespaces of its own, with an empty `/run` and a folder in memory for
//! all that it writes. When the test ends, however it ends, the first process in there ends, and with
//! it everything else. Only its cgroups outlive it: they are below one of a known name.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::leftovers;

/// No engine takes longer to start, and nothing longer to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends when its standard input does, so with the test. Bash, because the first process of a pid
/// namespace has to take the status of everybody's orphans.
const FENCE: &str = r#"
set -e
mount --make-rprivate /
for place in "$1" /run /dev/shm; do mount -t tmpfs -o mode=1777 porthole "$place"; done
for place in /etc/docker /var/lib/cni; do
    if [ -d "$place" ]; then mount -t tmpfs porthole "$place"; fi
done
mkdir /run/docker
ip link set lo up
touch "$1/ready"
read -r _ || true
"#;

/// A fenced place for one engine.
pub struct Yard {
    /// The path of the cgroup above all others in there.
    pub cgroup: String,
    mark: String,
    folder: TempDir,
    fence: Mutex<Child>,
    init: u32,
    mounts: Mutex<BTreeSet<String>>,
    daemons: Mutex<Vec<Child>>,
}

impl Yard {
    /// Fences one off. Its name is for people only.
    ///
    /// # Panics
    /// When this cannot be done here: it needs root.
    pub fn new(name: &str) -> Yard {
        let mark = format!("porthole-{name}-{}", std::process::id());
        let folder = TempDir::with_prefix("porthole-yard-").expect("a folder can be made");
        let work = folder.path().join("work");
        fs::create_dir(&work).expect("a folder can be made in it");
        let flags = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
        let fence = Command::new("unshare")
            .args(flags)
            .args(["bash", "-c", FENCE, "fence"])
            .arg(&work)
            .stdin(Stdio::piped())
            .spawn()
            .expect("unshare of util-linux can be run");
        let init = wait_for("the first process of the yard", || only_child(fence.id()));
        let cgroup = format!("/{mark}");
        let (mounts, daemons) = (Mutex::default(), Mutex::default());
        let yard = Yard { cgroup, mark, folder, fence: fence.into(), init, mounts, daemons };
        wait_for("the yard", || yard.inside(&yard.work().join("ready")).exists().then_some(()));
        yard
    }

    /// A folder in memory that only those in the yard see.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// A folder that everybody sees.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The same path, as it can be reached from outside.
    pub fn inside(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.init));
        root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// A program in the yard, which may take a minute.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.enter("timeout");
        command.args(["--foreground", "--kill-after", "5", "60", program]);
        command
    }

    fn enter(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.init.to_string());
        command.args(["--mount", "--net", "--pid", "--", program]).env("TMPDIR", self.work());
        command
    }

    /// Starts a program that stays until the yard ends. What it says goes to the file `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&self, program: &str, args: &[&str]) {
        let log = File::create(self.folder().join("log")).expect("a file can be made");
        let error = log.try_clone().expect("a descriptor can be copied");
        let mut command = self.enter(program);
        // In a group of its own, where no Ctrl-C reaches it.
        command.args(args).stdin(Stdio::null()).stdout(log).stderr(error).process_group(0);
        let daemon = command.spawn().expect("nsenter of util-linux can be run");
        self.daemons.lock().unwrap_or_else(PoisonError::into_inner).push(daemon);
    }

    /// What a file of a container's cgroup holds, the first of these that is there, by a part of the
    /// container's name.
    pub fn cgroup_file(&self, container: &str, names: &[&str]) -> Option<String> {
        let mut ours = self.cgroups();
        ours.retain(|path| path.to_string_lossy().contains(container));
        let files = names.iter().flat_map(|name| ours.iter().map(move |path| path.join(name)));
        files.into_iter().find_map(|file| fs::read_to_string(file).ok())
    }

    /// From now on these mounts are the engine's own.
    pub fn has_settled(&self) {
        *self.mounts.lock().unwrap_or_else(PoisonError::into_inner) = self.mounted();
    }

    /// What containers have left: processes, mounts, cgroups, and states of the runtime. `own` are the
    /// engine's processes.
    pub fn left_behind(&self, own: &[&str]) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let left = self.left_now(own);
            if left.is_empty() || Instant::now() > deadline {
                return left;
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn left_now(&self, own: &[&str]) -> Vec<String> {
        let settled = self.mounts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let processes = self.processes().into_iter().filter(|name| !own.contains(&name.as_str()));
        let mut left: Vec<String> = processes.map(|name| format!("process {name}")).collect();
        left.extend(self.mounted().difference(&settled).map(|place| format!("mount {place}")));
        // conmon makes one for itself, and leaves it.
        let cgroups = self.cgroups().into_iter().filter(|path| !path.ends_with("conmon"));
        left.extend(cgroups.map(|path| format!("cgroup {}", path.display())));
        let places = [PathBuf::from("/run"), self.work().join("exec")];
        for place in places.map(|place| self.inside(&place)) {
            states(&place, &mut left);
        }
        left
    }

    /// The names of the processes in the yard.
    fn processes(&self) -> Vec<String> {
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let ours = namespace(&self.init.to_string());
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|pid| ours.is_some() && namespace(pid) == ours)
            .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok())
            .map(|name| name.trim().to_string())
            .collect()
    }

    fn mounted(&self) -> BTreeSet<String> {
        let text = fs::read_to_string(format!("/proc/{}/mountinfo", self.init));
        let text = text.unwrap_or_default();
        text.lines().filter_map(|line| line.split(' ').nth(4)).map(str::to_string).collect()
    }

    /// Those below ours, in every hierarchy.
    fn cgroups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        let roots = hierarchies.map(|entry| entry.path()).chain([PathBuf::from("/sys/fs/cgroup")]);
        for root in roots {
            directories(&root.join(&self.mark), &mut |path| found.push(path.to_path_buf()));
        }
        found
    }

    /// Ends everything in the yard, and removes the cgroup of its name.
    pub fn end(&self) {
        let mut fence = self.fence.lock().unwrap_or_else(PoisonError::into_inner);
        drop(fence.stdin.take());
        let _ = fence.wait();
        let mut daemons = self.daemons.lock().unwrap_or_else(PoisonError::into_inner);
        daemons.drain(..).for_each(|mut daemon| drop(daemon.wait()));
        drop(leftovers::cgroups(&self.mark));
        // What is kept in a static is never dropped.
        let _ = fs::remove_dir_all(self.folder.path());
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.end();
    }
}

/// States of containers that a runtime has kept: folders named after them.
fn states(place: &Path, left: &mut Vec<String>) {
    directories(place, &mut |path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_id = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id || name.starts_with(super::OURS) {
            left.push(format!("state {}", path.display()));
        }
    });
}

fn directories(place: &Path, each: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            each(&entry.path());
            directories(&entry.path(), each);
        }
    }
}

fn only_child(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// Asks until there is an answer.
///
/// # Panics
/// When there is none for half a minute.
pub fn wait_for<T>(what: &str, ask: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} does not come");
        sleep(Duration::from_millis(20));
    }
}
