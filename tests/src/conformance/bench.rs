//! What does a case work with? One container with a bundle, a root and a state of its own, the
//! commands of one runtime, and a clock.

use std::cell::Cell;
use std::fmt::Debug;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::command::{self, Done};
use super::findings::{Failure, Findings};
use super::roots;
use super::runtimes::{OURS, Runtime};
use crate::leftovers;
use crate::places::{NOBODY, Place};

/// How long a case may take. In the lab a process starts ten times as slowly.
const LIMIT: Duration = Duration::from_secs(10);
const LIMIT_IN_LAB: Duration = Duration::from_secs(100);

/// Where the payload lies in every root.
pub const PAYLOAD: &str = "/bin/payload";

/// Everything that one case has.
pub struct Bench {
    runtime: Runtime,
    place: Place,
    id: String,
    /// What every process of this case carries in its environment, and no other.
    mark: String,
    folder: TempDir,
    deadline: Cell<Instant>,
    count: Cell<u32>,
    findings: Findings,
}

impl Bench {
    /// A bundle without config.json, and nothing else.
    ///
    /// # Errors
    /// The folders or the root cannot be made.
    pub fn new(runtime: Runtime, place: Place) -> Result<Bench> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        let bench = Bench {
            runtime,
            place,
            id: format!("porthole-conf-{name}"),
            mark: format!("PORTHOLE_CONFORMANCE={name}"),
            folder: TempDir::with_prefix("porthole-conf-")?,
            deadline: Cell::new(Instant::now() + limit()),
            count: Cell::new(0),
            findings: Findings::default(),
        };
        bench.own(bench.folder.path())?;
        for name in ["bundle", "bundle/rootfs", "state", "user"] {
            fs::create_dir(bench.path(name))?;
            bench.own(&bench.path(name))?;
        }
        roots::fill(&bench.root(), place)?;
        // The first root of all takes its time.
        bench.deadline.set(Instant::now() + limit());
        Ok(bench)
    }

    /// Gives a file or directory to whoever runs the runtime.
    ///
    /// # Errors
    /// It cannot be given.
    pub fn own(&self, path: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        if path.is_dir() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        }
        if self.place.is_other_user() {
            chown(path, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(())
    }

    /// Which runtime this is about.
    pub fn runtime(&self) -> Runtime {
        self.runtime
    }

    /// As whom it runs.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The container's id; no other case's begins with it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is in the environment of everything that belongs to this case.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// A path in the case's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The directory of config.json.
    pub fn bundle(&self) -> PathBuf {
        self.path("bundle")
    }

    /// The container's root directory.
    pub fn root(&self) -> PathBuf {
        self.path("bundle/rootfs")
    }

    /// When it is over.
    pub fn deadline(&self) -> Instant {
        self.deadline.get()
    }

    /// A number that was not given yet.
    pub(super) fn next(&self) -> u32 {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    /// Both must be the same.
    pub fn equal<A: Debug + PartialEq<B>, B: Debug>(&self, check: &str, seen: A, right: B) {
        self.findings.equal(check, seen, right);
    }

    /// This must be so; else `detail` says what is.
    pub fn holds(&self, check: &str, so: bool, detail: impl Debug) {
        if !so {
            self.findings.add(check, format!("{detail:?}"));
        }
    }

    /// Something must come out, and this must be so of it.
    pub fn comes<T: Debug>(&self, check: &str, seen: Result<T>, so: impl FnOnce(&T) -> bool) {
        match seen {
            Ok(value) if so(&value) => {}
            Ok(value) => self.findings.add(check, format!("{value:?}")),
            Err(error) => self.findings.add(check, format!("{error:#}")),
        }
    }

    /// A command must fail, as runc fails: with this exit code.
    pub fn fails(&self, check: &str, done: &Done, code: i32) {
        let told = !done.stderr.trim().is_empty();
        self.holds(check, done.code == code && told, done);
    }

    /// What `runtime spec` writes for this place, without a terminal, with a payload that reports.
    pub fn config(&self) -> Value {
        let mut config = default(self.place).clone();
        config["ociVersion"] = json!(self.runtime.oci_version);
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!([PAYLOAD, "report"]);
        let environment = config["process"]["env"].as_array_mut();
        environment.expect("the default has an environment").push(json!(self.mark));
        config
    }

    /// The same, with a payload that does something else.
    pub fn config_for(&self, words: &[&str]) -> Value {
        let mut config = self.config();
        config["process"]["args"] = json!([&[PAYLOAD], words].concat());
        config
    }

    /// Writes it into the bundle.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, config: &Value) -> Result<()> {
        Ok(fs::write(self.bundle().join("config.json"), serde_json::to_vec_pretty(config)?)?)
    }

    /// Removes the containers, looks what is left, removes that too, and gives all that was found.
    pub fn end(self, result: Result<()>) -> Vec<Failure> {
        if let Err(error) = result {
            self.findings.add("life", format!("{error:#}"));
        }
        // What hangs must not keep what cleans up from having its time.
        self.deadline.set(Instant::now() + limit());
        for id in self.containers() {
            let deleted = self.command(&["delete", "--force", &id]);
            if let Err(error) = deleted.and_then(Done::good) {
                self.findings.add("delete --force", format!("{error:#}"));
            }
        }
        for left in self.left() {
            self.findings.add("left behind", left);
        }
        command::kill(&self.mark);
        self.findings.all()
    }

    /// Those whose state is there.
    fn containers(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("state")).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.path().is_dir());
        let mut names: Vec<String> = directories
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with("porthole-conf-"))
            .collect();
        names.sort();
        names
    }

    fn left(&self) -> Vec<String> {
        let mut found = leftovers::of_case(&self.mark, self.folder.path());
        found.extend(self.containers().into_iter().map(|id| format!("state of {id}")));
        if self.place == Place::Root {
            found.extend(leftovers::cgroups(&self.id));
        }
        found
    }
}

fn limit() -> Duration {
    match std::env::var_os("PORTHOLE_IN_LAB") {
        Some(_) => LIMIT_IN_LAB,
        None => LIMIT,
    }
}

/// What `runtime spec` writes.
fn default(place: Place) -> &'static Value {
    static ROOT: OnceLock<Value> = OnceLock::new();
    static USER: OnceLock<Value> = OnceLock::new();
    let (known, flags) = match place {
        Place::Root => (&ROOT, &["spec"][..]),
        Place::User => (&USER, &["spec", "--rootless"][..]),
    };
    known.get_or_init(|| made(place, flags).expect("`runtime spec` writes a config.json"))
}

fn made(place: Place, flags: &[&str]) -> Result<Value> {
    let folder = TempDir::with_prefix("porthole-spec-")?;
    if place.is_other_user() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
    }
    let status = OURS.command(place, &[]).args(flags).current_dir(folder.path()).status()?;
    ensure!(status.success(), "`runtime spec` has failed");
    Ok(serde_json::from_slice(&fs::read(folder.path().join("config.json"))?)?)
}
