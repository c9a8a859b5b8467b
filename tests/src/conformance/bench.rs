//! What does a case work with? One container with a bundle, a root and a state of its own, the
//! commands of one runtime, and a clock.

use std::cell::Cell;
use std::fmt::Debug;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::command::{self, Done};
use super::findings::{Failure, Findings};
use super::report::Report;
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

    // --- what is compared -------------------------------------------------------------------------

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

    // --- config.json -----------------------------------------------------------------------------

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

    // --- commands --------------------------------------------------------------------------------

    /// A command of the runtime, ready to be run in the bundle.
    pub fn ready<S: AsRef<str>>(&self, words: &[S]) -> Command {
        self.ready_under(&[], words)
    }

    /// The same, with other words before it.
    pub fn ready_under<S: AsRef<str>>(&self, under: &[&str], words: &[S]) -> Command {
        let mut command = self.runtime.command(self.place, under);
        let (name, value) = self.mark.split_once('=').expect("a mark is a variable");
        command.env(name, value).env("XDG_RUNTIME_DIR", self.path("user"));
        command.current_dir(self.bundle()).arg("--root").arg(self.path("state"));
        command.args(words.iter().map(AsRef::as_ref));
        command::quiet(command)
    }

    /// Runs a command of the runtime, in the bundle, to its end.
    ///
    /// # Errors
    /// It cannot be run, or hangs.
    pub fn command<S: AsRef<str>>(&self, words: &[S]) -> Result<Done> {
        self.finish(self.ready(words))
            .with_context(|| words.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" "))
    }

    /// Runs any command to its end.
    ///
    /// # Errors
    /// It cannot be run, or hangs.
    pub fn finish(&self, command: Command) -> Result<Done> {
        command::finish(command, &self.output(), self.deadline.get(), &self.mark)
    }

    /// Mounts a new file system on a directory of the case; it is gone with what is given back.
    ///
    /// # Errors
    /// It cannot be mounted.
    pub fn mounted(&self, at: &Path, kind: &str, options: &str) -> Result<Mounted> {
        let status =
            Command::new("mount").args(["-t", kind, "-o", options, kind]).arg(at).status()?;
        ensure!(status.success(), "nothing can be mounted on {}", at.display());
        Ok(Mounted(at.to_path_buf()))
    }

    /// A name for the output of a command.
    pub fn output(&self) -> PathBuf {
        self.count.set(self.count.get() + 1);
        self.path(&format!("output-{}", self.count.get()))
    }

    /// Runs a container in the foreground.
    ///
    /// # Errors
    /// The file cannot be written, or the command hangs.
    pub fn try_run(&self, config: &Value) -> Result<Done> {
        self.write(config)?;
        self.command(&["run", &self.id])
    }

    /// Runs a container in the foreground whose payload reports.
    ///
    /// # Errors
    /// It has failed, or said no report.
    pub fn run(&self, config: &Value) -> Result<Report> {
        Report::read(&self.try_run(config)?.good()?.stdout)
    }

    /// Runs a container that does what these words say, and then reports.
    ///
    /// # Errors
    /// It has failed, or said no report.
    pub fn probe(&self, config: &Value, words: &[&str]) -> Result<Report> {
        let mut config = config.clone();
        config["process"]["args"] = json!([&[PAYLOAD], words, &["report"]].concat());
        self.run(&config)
    }

    /// Runs a container that goes on; what it says until its first line ends.
    ///
    /// # Errors
    /// It has failed, or says nothing.
    pub fn run_detached(&self, config: &Value) -> Result<Report> {
        self.write(config)?;
        let out = self.output();
        let command = self.ready(&["run", "--detach", &self.id]);
        let done = command::finish(command, &out, self.deadline.get(), &self.mark);
        done.context("run --detach")?.good()?;
        self.first_report(&out)
    }

    /// Runs a container that goes on, or is refused: whether it runs.
    ///
    /// # Errors
    /// It cannot be run, or hangs.
    pub fn try_run_detached(&self, config: &Value) -> Result<bool> {
        self.write(config)?;
        Ok(self.command(&["run", "--detach", &self.id])?.code == 0)
    }

    /// Creates a container, and says where its output will be.
    ///
    /// # Errors
    /// It has failed.
    pub fn create(&self, config: &Value) -> Result<PathBuf> {
        self.write(config)?;
        let out = self.output();
        let command = self.ready(&["create", &self.id]);
        command::finish(command, &out, self.deadline.get(), &self.mark)
            .context("create")?
            .good()?;
        Ok(out)
    }

    /// Waits until a container's output has a report in it.
    ///
    /// # Errors
    /// It says nothing.
    pub fn first_report(&self, out: &Path) -> Result<Report> {
        let file = out.with_extension("out");
        self.until("the payload reports", || {
            let text = fs::read_to_string(&file).unwrap_or_default();
            Ok(text.ends_with('\n').then_some(text))
        })
        .and_then(|text| Report::read(&text))
    }

    /// The container's state, as `state` tells it.
    ///
    /// # Errors
    /// There is none.
    pub fn state(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.command(&["state", &self.id])?.good()?.stdout)?)
    }

    /// Its number in this machine's eyes.
    ///
    /// # Errors
    /// It has none.
    pub fn pid(&self) -> Result<i64> {
        let state = self.state()?;
        let pid = state["pid"].as_i64().filter(|pid| *pid > 0);
        pid.with_context(|| format!("there is no process: {state}"))
    }

    /// Waits until its state is this.
    ///
    /// # Errors
    /// It never is.
    pub fn until_status(&self, status: &str) -> Result<()> {
        let mut last = Value::Null;
        let seen = self.until("the status changes", || {
            last = self.state()?["status"].clone();
            Ok((last == status).then_some(()))
        });
        seen.with_context(|| format!("it is {last}, not {status}"))
    }

    /// Ends the container, and waits until the runtime knows.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(&self) -> Result<()> {
        self.command(&["kill", &self.id, "KILL"])?.good()?;
        self.until_status("stopped")
    }

    /// Waits for something that may take a moment.
    ///
    /// # Errors
    /// It takes too long, or cannot be looked at.
    pub fn until<T>(&self, what: &str, mut seen: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        loop {
            if let Some(value) = seen()? {
                return Ok(value);
            }
            if Instant::now() > self.deadline.get() {
                bail!("waited in vain: {what}");
            }
            sleep(Duration::from_millis(2));
        }
    }

    // --- the end ---------------------------------------------------------------------------------

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

/// A mount on the host.
pub struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
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
