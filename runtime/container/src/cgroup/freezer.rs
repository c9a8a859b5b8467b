//! How is everything in the container stopped, and how does it go on?
//!
//! Both versions have a file for it. Writing it only asks: processes stop one after the other, where
//! each happens to be, so what comes after has to wait until the kernel says that all have stopped.

use std::thread::sleep;
use std::time::{Duration, Instant};

use primitives::{CgroupFile, Error, Result, clean_up, write};

use super::{Cgroups, read};

/// How long the kernel may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// v1's freezer at times waits for a process that waits for one that is stopped already.
const STUCK: Duration = Duration::from_millis(100);

/// The file that stops, and its two words.
#[derive(Clone, Debug)]
pub(super) struct Freezer {
    file: CgroupFile,
    pub(super) stop: &'static str,
    pub(super) go: &'static str,
}

impl Cgroups {
    /// Stops everything in the container, and waits until it has stopped. The caller names the step.
    ///
    /// # Errors
    /// When it does not stop within ten seconds; then it goes on.
    pub fn freeze(&self) -> Result<()> {
        let freezer = self.freezer_or_why_not()?;
        write(&freezer.file, freezer.stop, "stop everything in it, wherever it is")?;
        if self.wait_until_frozen(&freezer)? {
            return Ok(());
        }
        clean_up::write(&freezer.file, freezer.go, "not leave it half stopped")?;
        let message = "the container did not stop within 10 seconds: a process in it waits for a \
                       device and cannot be interrupted (state D in ps)";
        Err(Error::Unusable(message.to_string()))
    }

    /// Lets everything in the container go on. The caller names the step.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn thaw(&self) -> Result<()> {
        let freezer = self.freezer_or_why_not()?;
        write(&freezer.file, freezer.go, "let everything in it go on")
    }

    /// Lets go on what was killed: v1 does not let a process die that it has stopped. The caller names
    /// the step.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn let_die(&self) -> Result<()> {
        match self.freezer().filter(|_| self.is_frozen()) {
            Some(freezer) => clean_up::write(&freezer.file, freezer.go, "let it die"),
            None => Ok(()),
        }
    }

    /// Whether the container is stopped, or about to be.
    pub fn is_frozen(&self) -> bool {
        let state =
            self.freezer().and_then(|freezer| primitives::read_small(freezer.file.path()).ok());
        state.is_some_and(|state| matches!(state.trim(), "1" | "FROZEN" | "FREEZING"))
    }

    /// v1's own, else the one that every cgroup of v2 has.
    pub(super) fn freezer(&self) -> Option<Freezer> {
        if let Some(v1) = self.hierarchies.iter().find(|hierarchy| hierarchy.has("freezer")) {
            return Some(Freezer { file: v1.file("freezer.state"), stop: "FROZEN", go: "THAWED" });
        }
        let file = self.unified.as_ref()?.file("cgroup.freeze");
        Some(Freezer { file, stop: "1", go: "0" })
    }

    fn freezer_or_why_not(&self) -> Result<Freezer> {
        let found = self.freezer().filter(|freezer| freezer.file.path().exists());
        found.ok_or_else(|| {
            Error::Unusable(match self.is_empty() {
                true => "the container has no cgroup, so nothing can stop all of it at once".into(),
                false => "this kernel has no freezer for the container's cgroup".to_string(),
            })
        })
    }

    fn wait_until_frozen(&self, freezer: &Freezer) -> Result<bool> {
        let start = Instant::now();
        let mut asked = start;
        let mut pause = Duration::from_micros(50);
        while !self.has_stopped(freezer) {
            if start.elapsed() > PATIENCE {
                return Ok(false);
            }
            if freezer.stop == "FROZEN" && asked.elapsed() > STUCK {
                write(&freezer.file, freezer.go, "free one that waits for another")?;
                write(&freezer.file, freezer.stop, "try again")?;
                asked = Instant::now();
            }
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
        Ok(true)
    }

    /// v1 says it in the same file, v2 in the events of the cgroup.
    fn has_stopped(&self, freezer: &Freezer) -> bool {
        if freezer.stop == "FROZEN" {
            let state = primitives::read_small(freezer.file.path());
            return state.is_ok_and(|state| state.trim() == "FROZEN");
        }
        let unified = self.unified.as_ref().map(|unified| unified.path());
        let events = unified.and_then(|path| read(&path, "cgroup.events"));
        events.is_some_and(|events| events.lines().any(|line| line == "frozen 1"))
    }
}

impl Freezer {
    pub(super) fn file(&self) -> &CgroupFile {
        &self.file
    }
}
