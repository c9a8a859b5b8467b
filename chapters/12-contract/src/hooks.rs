//! How do others hear of a container's life, and get to do something about it?
//!
//! A hook is a program. It gets the state of the container on its standard input, and while it runs
//! the container waits for it (runtime-spec 1.3, config.md, "POSIX-platform Hooks").

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use bundle::Hook;
use primitives::{
    Birth, Result, Signal, Status, ToParent, close_range_on_exec, dup2, execve,
    memfd_create_inheritable, say, spawn, step_giving,
};
use serde_json::Value;

use crate::unusable;

/// At which moment hooks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// As `CreateRuntime`, and before it. Deprecated.
    Prestart,
    /// The mounts are there; the hook is a program of the host, on the host.
    CreateRuntime,
    /// Likewise; the hook is a program of the host, in the namespaces of the container.
    CreateContainer,
    /// At `start`; the hook is a program of the container, in the container.
    StartContainer,
    /// The program runs; on the host.
    Poststart,
    /// The container is deleted; on the host.
    Poststop,
}

impl Moment {
    /// As config.json calls it; and the part that a hook plays in the trace.
    fn name(self) -> &'static str {
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

// ANCHOR: run
/// Runs hooks one after another; the first that fails is the last.
pub(crate) fn run(moment: Moment, hooks: &[Hook], state: &Value) -> Result<()> {
    if hooks.is_empty() {
        return Ok(());
    }
    // Not to be left out: whoever asks for a hook counts on it.
    step_giving(moment.step(), || hooks.iter().try_for_each(|hook| one(moment, hook, state)))
}
// ANCHOR_END: run

/// Runs all hooks of a moment at which it is too late to stop anything.
pub(crate) fn run_all(moment: Moment, hooks: &[Hook], state: &Value) {
    for hook in hooks {
        if let Err(error) = step_giving(moment.step(), || one(moment, hook, state)) {
            say(&format!("warning: {error}"));
        }
    }
}

// ANCHOR: one
fn one(moment: Moment, hook: &Hook, state: &Value) -> Result<()> {
    let failed = |how: String| {
        unusable(format!("the {} hook {}: {how}", moment.name(), hook.path.display()))
    };
    let text = format!("{state}\n");
    let state = memfd_create_inheritable("state", text.as_bytes(), "tell it of the container")?;
    let why = "run a program that wants to know of the container";
    let mut child = spawn(moment.name(), Birth::default(), why, |runtime| {
        match become_hook(runtime, hook, &state)? {}
    })?;
    if let Some(seconds) = hook.timeout
        && !child.ends_within(Duration::from_secs(seconds.into()))?
    {
        return Err(failed(format!("it was killed after {seconds} s")));
    }
    match child.finish("go on only when it has ended")? {
        Status::Exited(0) => Ok(()),
        other => Err(failed(other.to_string())),
    }
}
// ANCHOR_END: one

// ANCHOR: become
fn become_hook(runtime: &ToParent, hook: &Hook, state: &OwnedFd) -> Result<Infallible> {
    primitives::default_signals();
    runtime.tie(Signal::SIGKILL, "not outlive a runtime that waits for it")?;
    dup2(state.as_fd(), 0, "have the state on standard input")?;
    dup2(std::io::stderr().as_fd(), 1, "keep standard output for the program of the container")?;
    close_range_on_exec(3, "let no file of the runtime go along")?;
    let words = |list: &[String]| list.iter().map(OsString::from).collect::<Vec<OsString>>();
    execve(&hook.path, &words(&hook.args), &words(&hook.env), "be the hook")
}
// ANCHOR_END: become
