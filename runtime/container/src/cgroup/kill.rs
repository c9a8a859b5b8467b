//! Who is in the container, and how is all of it ended?

use std::os::fd::AsFd;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use primitives::{
    CgroupFile, Errno, Error, Pid, Result, Signal, clean_up, kill, pidfd_open,
    pidfd_send_signal_number, write,
};

use super::tree::all_below;
use super::{Cgroups, read};

/// How long the kernel may take to be done with processes that were killed.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// In whose name: a request can be refused, cleaning up cannot.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Hand {
    Asked,
    CleanUp,
}

impl Cgroups {
    /// All processes of the container, those in cgroups that it has made itself too.
    pub fn processes(&self) -> Vec<Pid> {
        let counted = self.with("pids").or_else(|| self.all().next());
        counted.map(|hierarchy| pids_below(&hierarchy.path())).unwrap_or_default()
    }

    /// Sends a signal, by its number, to all processes of the container. SIGKILL leaves none: it is
    /// sent until nobody is there. The caller names the step.
    ///
    /// # Errors
    /// When processes outlive SIGKILL for ten seconds; and when there is no cgroup, so that nobody
    /// knows who they are.
    pub fn signal(&self, number: i32) -> Result<()> {
        if self.is_empty() {
            let message = "the container has no cgroup, so it is not known who is in it";
            return Err(Error::Unusable(message.to_string()));
        }
        match number == Signal::SIGKILL as i32 {
            true => self.end_all(Hand::Asked),
            false => self.signal_each(number),
        }
    }

    /// None of them makes another one meanwhile, which would be missed: so they are stopped first.
    fn signal_each(&self, number: i32) -> Result<()> {
        let stops = !self.is_frozen() && self.freezer().is_some_and(|f| f.file().path().exists());
        if stops {
            self.freeze()?;
        }
        let sent = self.processes().into_iter().try_for_each(|pid| send(pid, number));
        if stops {
            self.thaw()?;
        }
        sent
    }

    /// v2 has a file for it, which no fork bomb outruns, also on a hybrid machine. Without it whoever
    /// is listed is killed until nobody is listed; stopped meanwhile where there is a freezer, so that
    /// none makes another.
    pub(super) fn end_all(&self, hand: Hand) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_deserted() {
            if Instant::now() > deadline {
                return Err(self.undying());
            }
            self.end_round(hand)?;
            self.wait_deserted(Duration::from_millis(100));
        }
        Ok(())
    }

    fn end_round(&self, hand: Hand) -> Result<()> {
        let freezer = self.freezer().filter(|freezer| freezer.file().path().exists());
        let killer = self.unified.as_ref().map(|unified| unified.file("cgroup.kill"));
        if let Some(killer) = killer.filter(|file| file.path().exists()) {
            hand.write(&killer, "1", "end all that is in it at once")?;
        } else if let Some(freezer) = &freezer {
            hand.write(freezer.file(), freezer.stop, "let none of them make another")?;
        }
        // Whoever was moved out of v2's tree is in those of v1 still.
        for pid in self.everybody() {
            gone_is_fine(hand.kill(pid, "leave no process behind"))?;
        }
        match freezer {
            // A process that v1 has stopped does not even die.
            Some(freezer) if self.is_frozen() => {
                hand.write(freezer.file(), freezer.go, "let them die")
            }
            _ => Ok(()),
        }
    }

    fn is_deserted(&self) -> bool {
        self.everybody().is_empty()
    }

    pub(super) fn wait_deserted(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_micros(50);
        while !self.is_deserted() && Instant::now() < deadline {
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }

    /// In every tree: it may have been moved in one of them from outside.
    fn everybody(&self) -> Vec<Pid> {
        let mut all: Vec<Pid> =
            self.all().flat_map(|hierarchy| pids_below(&hierarchy.path())).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn undying(&self) -> Error {
        let pids: Vec<String> = self.everybody().iter().map(Pid::to_string).collect();
        Error::Unusable(format!(
            "the processes {} of the container outlive SIGKILL: they wait for a device and cannot be \
             interrupted (state D in ps)",
            pids.join(", ")
        ))
    }
}

impl Hand {
    fn write(self, file: &CgroupFile, text: &str, why: &'static str) -> Result<()> {
        match self {
            Hand::Asked => write(file, text, why),
            Hand::CleanUp => clean_up::write(file, text, why),
        }
    }

    fn kill(self, pid: Pid, why: &'static str) -> Result<()> {
        match self {
            Hand::Asked => kill(pid, Signal::SIGKILL, why),
            Hand::CleanUp => clean_up::kill(pid, Signal::SIGKILL, why),
        }
    }
}

fn send(pid: Pid, number: i32) -> Result<()> {
    let process = pidfd_open(pid, "mean this process, and none that gets its number later");
    let process = match process {
        Err(Error::Request(refusal)) if !refusal.here && refusal.errno == Errno::ESRCH => {
            return Ok(());
        }
        other => other?,
    };
    let why = "tell every process of the container";
    gone_is_fine(pidfd_send_signal_number(process.as_fd(), number, why))
}

fn gone_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::Request(refusal)) if !refusal.here && refusal.errno == Errno::ESRCH => Ok(()),
        other => other,
    }
}

/// The processes in a directory and in all below it.
pub(super) fn pids_below(directory: &Path) -> Vec<Pid> {
    all_below(directory).iter().flat_map(|below| pids_in(&below.path)).collect()
}

/// The processes in a directory. In a threaded one of v2 only threads can be listed, which serve as
/// well: a signal to a thread reaches its process.
pub(super) fn pids_in(directory: &Path) -> Vec<Pid> {
    let text = read(directory, "cgroup.procs").or_else(|| read(directory, "cgroup.threads"));
    let pid = |line: &str| line.parse().ok().filter(|pid| *pid > 0).map(Pid::from_raw);
    text.unwrap_or_default().lines().filter_map(pid).collect()
}
