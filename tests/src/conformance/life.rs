//! Through which lives can a case send its container? By the command line of its runtime, and by nothing
//! else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::bench::{Bench, PAYLOAD};
use super::command::{self, Done};
use super::report::Report;

impl Bench {
    /// A command of the runtime, ready to be run in the bundle.
    pub fn ready<S: AsRef<str>>(&self, words: &[S]) -> Command {
        self.ready_under(&[], words)
    }

    /// The same, with other words before it.
    pub fn ready_under<S: AsRef<str>>(&self, under: &[&str], words: &[S]) -> Command {
        let mut command = self.runtime().command(self.place(), under);
        let (name, value) = self.mark().split_once('=').expect("a mark is a variable");
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
        command::finish(command, &self.output(), self.deadline(), self.mark())
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
        self.path(&format!("output-{}", self.next()))
    }

    /// Runs a container in the foreground.
    ///
    /// # Errors
    /// The file cannot be written, or the command hangs.
    pub fn try_run(&self, config: &Value) -> Result<Done> {
        self.write(config)?;
        self.command(&["run", self.id()])
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
        let command = self.ready(&["run", "--detach", self.id()]);
        let done = command::finish(command, &out, self.deadline(), self.mark());
        done.context("run --detach")?.good()?;
        self.first_report(&out)
    }

    /// Runs a container that goes on, or is refused: whether it runs.
    ///
    /// # Errors
    /// It cannot be run, or hangs.
    pub fn try_run_detached(&self, config: &Value) -> Result<bool> {
        self.write(config)?;
        Ok(self.command(&["run", "--detach", self.id()])?.code == 0)
    }

    /// Creates a container, and says where its output will be.
    ///
    /// # Errors
    /// It has failed.
    pub fn create(&self, config: &Value) -> Result<PathBuf> {
        self.write(config)?;
        let out = self.output();
        let command = self.ready(&["create", self.id()]);
        command::finish(command, &out, self.deadline(), self.mark()).context("create")?.good()?;
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
        Ok(serde_json::from_str(&self.command(&["state", self.id()])?.good()?.stdout)?)
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
        self.command(&["kill", self.id(), "KILL"])?.good()?;
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
            if Instant::now() > self.deadline() {
                bail!("waited in vain: {what}");
            }
            sleep(Duration::from_millis(2));
        }
    }
}

/// A mount on the host.
pub struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
