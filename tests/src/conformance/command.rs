//! How is a runtime run, so that it can hang without hanging the tests?

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use primitives::{Pid, Signal};

use crate::leftovers;

/// How often it is looked whether a command has ended.
const BEAT: Duration = Duration::from_millis(1);

/// What a command did.
pub struct Done {
    /// The exit code as a shell gives it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// What a payload has reported is too long to be read, and tells little of what went wrong.
const ENOUGH: usize = 120;

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said: String = self.stdout.chars().take(ENOUGH).collect();
        write!(f, "exit code {}, {said:?}, {:?}", self.code, self.stderr)
    }
}

impl Done {
    /// The same, if it was successful.
    ///
    /// # Errors
    /// It was not; says what it said.
    pub fn good(self) -> Result<Done> {
        match self.code {
            0 => Ok(self),
            _ => bail!("{self:?}"),
        }
    }
}

/// Runs a command to its end. What it says goes to files: a container that it leaves running would
/// keep a pipe open.
pub(crate) fn finish(command: Command, out: &Path, deadline: Instant, mark: &str) -> Result<Done> {
    let (stdout, stderr) = (out.with_extension("out"), out.with_extension("err"));
    let mut child = start(command, &stdout, &stderr)?;
    let code = wait(&mut child, deadline, mark)?;
    let text = |path: &Path| fs::read(path).map(|all| String::from_utf8_lossy(&all).into_owned());
    Ok(Done { code, stdout: text(&stdout)?, stderr: text(&stderr)? })
}

/// Starts a command whose output goes to these files.
pub(crate) fn start(mut command: Command, stdout: &Path, stderr: &Path) -> Result<Child> {
    command.stdout(File::create(stdout)?).stderr(File::create(stderr)?);
    command.spawn().with_context(|| format!("cannot run {:?}", command.get_program()))
}

/// Waits for a command; one that takes too long is killed with everything that carries the mark.
pub(crate) fn wait(child: &mut Child, deadline: Instant, mark: &str) -> Result<i32> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(code(status));
        }
        if Instant::now() > deadline {
            let where_they_are = leftovers::whereabouts(mark);
            kill(mark);
            let _ = child.kill();
            let _ = child.wait();
            bail!("it hangs: {where_they_are}");
        }
        sleep(BEAT);
    }
}

/// Ends every process that carries the mark.
pub(crate) fn kill(mark: &str) {
    for pid in leftovers::processes(mark) {
        let _ = primitives::kill(Pid::from_raw(pid), Signal::SIGKILL, "end what was left running");
    }
}

/// A command without input.
pub(crate) fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null());
    command
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
