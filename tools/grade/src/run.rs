//! How is a learner's program run, so that nothing of it escapes notice?
//!
//! With its window open, its output in files and a time limit. This process becomes the parent of
//! everything that is left behind: it counts it, and ends it.

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use primitives::{Pid, Signal, kill, prctl_set_child_subreaper, wait};
use tempfile::TempDir;

use crate::judge::Trace;
use crate::place::{code_of, go, ready};
use crate::seen::{Seen, look, own_children};

/// What a program of an exercise is allowed to take; each of them needs a few milliseconds.
const LIMIT: Duration = Duration::from_secs(10);

/// A folder for one run: its trace, its output, and the files by which the check and the programs
/// inside talk to each other.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Result<Folder> {
        let folder = tempfile::Builder::new().prefix("grade-").tempdir();
        Ok(Folder(folder.context("no folder for the run can be made")?))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Lets another user work in it.
    pub(crate) fn give_to(&self, user: u32, group: u32) -> Result<()> {
        Ok(chown(self.path(), Some(user), Some(group))?)
    }

    fn text(&self, name: &str) -> String {
        let bytes = fs::read(self.file(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A run that is to be made.
pub(crate) struct Launch {
    /// What stands before the learner's program and runs it.
    pub(crate) before: Vec<String>,
    pub(crate) program: PathBuf,
    pub(crate) options: Vec<String>,
    /// What the learner's program is to run.
    pub(crate) command: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// The command line of the process that says that it is there.
    pub(crate) awaited: Vec<String>,
}

/// What is known after a run.
pub(crate) struct Run {
    /// How it ended; none when it had to be ended.
    pub(crate) code: Option<u8>,
    pub(crate) trace: Trace,
    pub(crate) out: String,
    pub(crate) err: String,
    /// The program inside, looked at while it waited.
    pub(crate) seen: Option<Seen>,
    /// How many processes were there when the learner's program had ended.
    pub(crate) left: usize,
    /// What the learner's program was to run.
    pub(crate) command: Vec<String>,
}

impl Launch {
    /// A run of `program` with these options, which is to run `command`.
    pub(crate) fn new(program: &Path, options: Vec<String>, command: Vec<String>) -> Launch {
        Launch {
            before: Vec::new(),
            program: program.to_path_buf(),
            options,
            awaited: command.clone(),
            command,
            environment: Vec::new(),
        }
    }

    pub(crate) fn run(&self, folder: &Folder) -> Result<Run> {
        self.run_and(folder, |_| {})
    }

    /// Makes the run, and calls `meanwhile` while the program inside waits.
    pub(crate) fn run_and(&self, folder: &Folder, meanwhile: impl FnOnce(&Seen)) -> Result<Run> {
        prctl_set_child_subreaper("see what the program leaves behind")?;
        let others = own_children();
        let mut child = self.start(folder)?;
        let mut meanwhile = Some(meanwhile);
        let mut seen = None;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if meanwhile.is_some() && ready(folder.path()).exists() {
                seen = look(&self.awaited, folder.path()).ok();
                if let (Some(seen), Some(meanwhile)) = (&seen, meanwhile.take()) {
                    meanwhile(seen);
                }
                fs::write(go(folder.path()), "")?;
            }
            if start.elapsed() > LIMIT {
                break None;
            }
            sleep(Duration::from_millis(1));
        };
        if status.is_none() {
            child.kill()?;
            child.wait()?;
        }
        let left = end_all_but(&others)?;
        Ok(self.outcome(folder, status, seen, left))
    }

    fn outcome(
        &self,
        folder: &Folder,
        status: Option<ExitStatus>,
        seen: Option<Seen>,
        left: usize,
    ) -> Run {
        Run {
            code: status.map(code_of),
            // A program that ended before it opened its window has no trace, and has done nothing.
            trace: Trace::parse(&folder.text("trace")).unwrap_or_default(),
            out: folder.text("out"),
            err: folder.text("err"),
            seen,
            left,
            command: self.command.clone(),
        }
    }

    fn start(&self, folder: &Folder) -> Result<Child> {
        let words = self.words(folder);
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(File::create(folder.file("out"))?)
            .stderr(File::create(folder.file("err"))?);
        command.spawn().with_context(|| format!("{} cannot be run", words[0]))
    }

    /// The whole command line.
    pub(crate) fn words(&self, folder: &Folder) -> Vec<String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut words = self.before.clone();
        words.push(text(&self.program));
        words.extend(["--trace", "json", "--trace-file"].map(String::from));
        words.push(text(&folder.file("trace")));
        words.extend(self.options.iter().cloned());
        if !self.command.is_empty() {
            words.push("--".to_string());
            words.extend(self.command.iter().cloned());
        }
        words
    }
}

/// Ends every child of this process but `others`, and says how many there were. The children of
/// those that are ended come to us in their turn; they are ended and not counted.
fn end_all_but(others: &[i32]) -> Result<usize> {
    let mut counted = None;
    loop {
        let mut children = own_children();
        children.retain(|pid| !others.contains(pid));
        let left = *counted.get_or_insert(children.len());
        if children.is_empty() {
            return Ok(left);
        }
        for pid in children.into_iter().map(Pid::from_raw) {
            kill(pid, Signal::SIGKILL, "leave nothing behind")?;
            wait(pid, "leave nothing behind")?;
        }
    }
}

/// A process of the grader's own that an exercise is about. Dropping it ends it.
pub(crate) struct Target {
    child: Child,
    pub(crate) seen: Seen,
    /// Kept until the target has ended.
    _folder: Folder,
}

impl Target {
    /// Starts `before` with the program that says that it is there at the end, and waits for that.
    pub(crate) fn start(before: Vec<String>, here: Vec<String>, folder: Folder) -> Result<Target> {
        prctl_set_child_subreaper("see what the program leaves behind")?;
        let words: Vec<String> = before.into_iter().chain(here.clone()).collect();
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be run", words[0]))?;
        let start = Instant::now();
        while !ready(folder.path()).exists() {
            if let Some(status) = child.try_wait()? {
                bail!("the process that the exercise is about ended early: {status}");
            }
            if start.elapsed() > LIMIT {
                child.kill()?;
                bail!("the process that the exercise is about does not start");
            }
            sleep(Duration::from_millis(1));
        }
        let seen = look(&here, folder.path())?;
        Ok(Target { child, seen, _folder: folder })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let others = own_children();
        let me = i32::try_from(self.child.id()).unwrap_or_default();
        let others: Vec<i32> = others.into_iter().filter(|pid| *pid != me).collect();
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its children come to us, if they do not end with it.
        let _ = end_all_but(&others);
    }
}

/// Whether a command of our own ends well on this machine.
pub(crate) fn succeeds(words: &[String]) -> bool {
    let status = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
