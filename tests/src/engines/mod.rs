//! How do Docker, Podman and containerd get along with a runtime that is not theirs?
//!
//! Each engine is Debian's, in a [`Yard`] of its own, started once for all of its cases and ended by its
//! process. None can pull an image here: the image is a root of this machine's busybox.

mod start;
mod yard;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::places::Place;
use crate::programs;

pub use yard::{Yard, wait_for};

/// How the names of our containers begin.
pub const OURS: &str = "eng-";

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `docker`, with a daemon and that one's containerd.
    Docker,
    /// `podman`, without a daemon: conmon stays with each container.
    Podman,
    /// `ctr`, with containerd alone.
    Containerd,
}

/// An engine that runs.
pub struct Engine {
    /// Which one.
    pub kind: Kind,
    /// Where it runs.
    pub yard: Yard,
    /// The runtime that it has.
    pub runtime: PathBuf,
    /// A root for a container.
    pub root: PathBuf,
}

/// What a command line has said, and its exit code.
#[derive(Debug)]
pub struct Said {
    /// The exit code; -1 when a signal has ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Docker, Kind::Podman, Kind::Containerd];

    /// Its name in the list of tests.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Docker => "docker",
            Kind::Podman => "podman",
            Kind::Containerd => "containerd",
        }
    }

    /// The programs that it needs, and the package that has them.
    pub fn needs(self) -> (&'static [&'static str], &'static str) {
        match self {
            Kind::Docker => (&["dockerd", "docker", "containerd"], "Docker (Debian: docker.io)"),
            Kind::Podman => (&["podman", "conmon"], "Podman (Debian: podman, conmon)"),
            Kind::Containerd => (&["containerd", "ctr"], "containerd (Debian: containerd)"),
        }
    }

    /// The processes that it has while no container runs.
    fn own_processes(self) -> &'static [&'static str] {
        match self {
            Kind::Docker => &["bash", "dockerd", "containerd"],
            Kind::Podman => &["bash"],
            Kind::Containerd => &["bash", "containerd"],
        }
    }

    fn place(self) -> &'static OnceLock<Engine> {
        static PLACES: [OnceLock<Engine>; 3] = [const { OnceLock::new() }; 3];
        &PLACES[self as usize]
    }

    /// The engine, started when somebody asks for it first.
    pub fn engine(self) -> &'static Engine {
        self.place().get_or_init(|| start::start(self))
    }
}

/// Ends all that were started; what their containers have left.
pub fn end() -> Vec<String> {
    let mut left = Vec::new();
    for engine in Kind::ALL.iter().filter_map(|kind| kind.place().get()) {
        let name = engine.kind.name();
        let found = engine.yard.left_behind(engine.kind.own_processes());
        left.extend(found.into_iter().map(|what| format!("{name}: {what}")));
        engine.yard.end();
    }
    left
}

/// The runtime that is tested: ours, or the one that `PORTHOLE_OCI_RUNTIME` names.
fn runtime() -> PathBuf {
    match std::env::var_os("PORTHOLE_OCI_RUNTIME") {
        Some(path) => PathBuf::from(path),
        None => programs::program("runtime", Place::Root),
    }
}

/// What the engine is given: the runtime, or, when `PORTHOLE_RECORD_CALLS` names a file, a script that
/// writes down how the runtime is called.
fn runtime_in(yard: &Yard) -> PathBuf {
    let runtime = runtime();
    let Some(file) = std::env::var_os("PORTHOLE_RECORD_CALLS") else { return runtime };
    let script = yard.folder().join("recorder");
    let text = format!(
        "#!/bin/sh\necho \"$*\" >> '{}'\nexec '{}' \"$@\"\n",
        file.to_string_lossy(),
        runtime.display()
    );
    fs::write(&script, text).expect("a script can be written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    script
}

impl Engine {
    /// The engine's command line, with these words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = start::client(self);
        command.args(words);
        command
    }

    /// Runs the engine's command line.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn says(&self, words: &[&str]) -> Said {
        self.command(words).output().expect("the engine's command line can be run").into()
    }

    /// As [`Engine::says`], where it must end well; its standard output.
    ///
    /// # Panics
    /// When it does not.
    pub fn does(&self, words: &[&str]) -> String {
        let said = self.says(words);
        assert_eq!(said.code, 0, "{} {words:?}: {}{}", self.kind.name(), said.stdout, said.stderr);
        said.stdout.trim().to_string()
    }

    /// `run`, with the flags that a container needs here, then these words.
    pub fn run<'a>(&'a self, flags: &[&'a str], words: &[&'a str]) -> Vec<&'a str> {
        let mut line = vec!["run"];
        line.extend(start::run_flags(self));
        line.extend(flags);
        line.push(start::IMAGE);
        line.extend(words);
        line
    }
}

/// A container that goes with the case that has made it.
pub struct Container {
    engine: &'static Engine,
    /// Its name.
    pub name: String,
}

impl Container {
    /// Starts one in the background, with these flags of `run`.
    pub fn start(engine: &'static Engine, case: &str, flags: &[&str], words: &[&str]) -> Container {
        let container = Container { engine, name: format!("{OURS}{case}") };
        let named = [&["-d", "--name", &container.name], flags].concat();
        engine.does(&engine.run(&named, words));
        container
    }

    /// Waits until its log has this text.
    pub fn logs(&self, text: &str) {
        wait_for(&format!("{text:?} in the log of {}", self.name), || {
            self.log().contains(text).then_some(())
        });
    }

    /// What it has written.
    pub fn log(&self) -> String {
        let said = self.engine.says(&["logs", &self.name]);
        said.stdout + &said.stderr
    }

    /// What the engine knows of it, by a template.
    pub fn inspect(&self, template: &str) -> String {
        self.engine.does(&["inspect", "--format", template, &self.name])
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.engine.says(&["rm", "-f", &self.name]);
    }
}
