//! How do others hear of a container's life, and get to do something about it?
//!
//! A hook is a program. It gets the container's state on its standard input, and while it runs the
//! container waits (runtime-spec 1.3, config.md "POSIX-platform Hooks").
//!
//! What it reads and what it says are files without a name, not pipes: nobody has to stand at the other
//! end, and a hook that leaves a process behind keeps nobody waiting.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use bundle::Hook;
use primitives::{
    Birth, Error, Result, Signal, Status, ToParent, close_range_on_exec, dup2, execve,
    memfd_create_inheritable, spawn, step,
};

/// At which moment hooks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The namespaces are there; in those of the runtime. Deprecated.
    Prestart,
    /// Then, likewise.
    CreateRuntime,
    /// Then, in those of the container, before the root changes.
    CreateContainer,
    /// At `start`, in those of the container.
    StartContainer,
    /// The program runs; in those of the runtime.
    Poststart,
    /// The container is deleted; likewise.
    Poststop,
}

impl Moment {
    /// As config.json calls it.
    pub fn name(self) -> &'static str {
        match self {
            Moment::Prestart => "prestart",
            Moment::CreateRuntime => "createRuntime",
            Moment::CreateContainer => "createContainer",
            Moment::StartContainer => "startContainer",
            Moment::Poststart => "poststart",
            Moment::Poststop => "poststop",
        }
    }

    fn step(self) -> &'static str {
        match self {
            Moment::Prestart => "run the prestart hooks",
            Moment::CreateRuntime => "run the createRuntime hooks",
            Moment::CreateContainer => "run the createContainer hooks",
            Moment::StartContainer => "run the startContainer hooks",
            Moment::Poststart => "run the poststart hooks",
            Moment::Poststop => "run the poststop hooks",
        }
    }
}

/// Runs hooks one after another; the first that fails is the last.
///
/// # Errors
/// Which hook failed, how, and what it said.
pub fn run(moment: Moment, hooks: &[Hook], state: &str) -> Result<()> {
    if hooks.is_empty() {
        return Ok(());
    }
    step(moment.step(), || {
        hooks.iter().enumerate().try_for_each(|(number, hook)| one(moment, number, hook, state))
    })
}

/// Runs hooks whose failure stops nothing: all of them, and what went wrong is for a warning.
pub fn run_all(moment: Moment, hooks: &[Hook], state: &str) -> Vec<Error> {
    let mut failures = Vec::new();
    if hooks.is_empty() {
        return failures;
    }
    let left_out = step(moment.step(), || {
        let each = hooks.iter().enumerate();
        failures.extend(each.filter_map(|(number, hook)| one(moment, number, hook, state).err()));
        Ok(())
    });
    failures.extend(left_out.err());
    failures
}

fn one(moment: Moment, number: usize, hook: &Hook, state: &str) -> Result<()> {
    let why = "tell the hook about the container";
    let told = memfd_create_inheritable("state", state.as_bytes(), why)?;
    let said = memfd_create_inheritable("said", b"", "keep what the hook says")?;
    let failed = |how: String| {
        let name = moment.name();
        let words = last_words(&said);
        Error::Unusable(format!(
            "error running {name} hook #{number} {:?}: {how}{words}",
            hook.path
        ))
    };
    let why = "run a program that wants to know about the container";
    let mut child = spawn("hook", Birth::default(), why, |parent| {
        match become_hook(parent, hook, &told, &said)? {}
    })?;
    if let Some(seconds) = hook.timeout {
        let limit = Duration::from_secs(u64::from(seconds));
        if !child.ends_within(limit).map_err(|error| failed(error.to_string()))? {
            drop(child);
            return Err(failed(format!(
                "timed out: it ran longer than {seconds} s and was killed"
            )));
        }
    }
    match child.finish("learn what the hook makes of it") {
        Ok(Status::Exited(0)) => Ok(()),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Its standard input and output are the two files, and it has no others.
fn become_hook(
    parent: &ToParent,
    hook: &Hook,
    told: &OwnedFd,
    said: &OwnedFd,
) -> Result<Infallible> {
    primitives::default_signals();
    parent.tie(Signal::SIGKILL, "not outlive a runtime that waits for it")?;
    dup2(told.as_fd(), 0, "have the state on standard input")?;
    dup2(said.as_fd(), 1, "keep what it says for an error message")?;
    dup2(said.as_fd(), 2, "likewise")?;
    close_range_on_exec(3, "let no file of the runtime go along")?;
    let words = |list: &[String]| list.iter().map(OsString::from).collect::<Vec<OsString>>();
    execve(&hook.path, &words(&hook.args), &words(&hook.env), "be the hook")
}

/// The end of what a hook has said, for a message.
fn last_words(said: &OwnedFd) -> String {
    const MOST: u64 = 1024;
    let end = said.try_clone().map(File::from).and_then(|file| {
        let length = file.metadata()?.len();
        let mut end = vec![0; usize::try_from(length.min(MOST)).unwrap_or(0)];
        file.read_exact_at(&mut end, length.saturating_sub(MOST))?;
        Ok(end)
    });
    let end = end.unwrap_or_default();
    let text = String::from_utf8_lossy(&end);
    match text.trim() {
        "" => String::new(),
        text => {
            format!("; it said: {}", text.lines().map(str::trim).collect::<Vec<_>>().join(" / "))
        }
    }
}
