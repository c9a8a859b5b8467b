//! How do a parent and its child part?
//!
//! The parent waits for the child's end, or leaves it to itself, or, when something went wrong, sees to
//! it that nothing of it stays.

use nix::sys::signal::Signal;

use crate::call;
use crate::error::Result;
use crate::gate::{is_watched, rescue};
use crate::process;
use crate::signals;
use crate::spawn::Child;
use crate::wait::{self, Status, Waited};
use crate::window;

impl Child {
    /// Waits for the child's end and takes its exit status.
    ///
    /// # Errors
    /// [`Error::Child`](crate::Error::Child) with the child's own words when it could not do its part;
    /// the refusal when waiting was refused, after which the child is ended.
    #[track_caller]
    pub fn finish(mut self, why: &'static str) -> Result<Status> {
        self.attend(why)
    }

    /// As [`Child::finish`], for who wants to say something about it afterwards.
    ///
    /// # Errors
    /// As there, but the child is ended only when this value is dropped.
    #[track_caller]
    pub fn attend(&mut self, why: &'static str) -> Result<Status> {
        // From here on this process does nothing but wait: signals are for whom it waits for.
        let _signals = signals::are_for(self.pid);
        self.watch_it_go()?;
        self.reap(why)
    }

    /// Leaves the process to itself: it may end as it likes, and somebody else must take its status.
    ///
    /// One that is watched and has its line still is on its way to a door: with nobody there to take its
    /// reports it would end.
    pub fn let_go(mut self) {
        if is_watched()
            && let Some(line) = &self.line
        {
            let _ = window::serve_until(line.as_fd());
        }
        self.ended = Some(Status::Exited(0));
    }

    #[track_caller]
    pub(crate) fn reap(&mut self, why: &'static str) -> Result<Status> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        let waited = match self.pidfd() {
            Some(pidfd) => wait::wait_pidfd(pidfd, why)?,
            None => wait::wait(self.pid, why)?,
        };
        let Waited { status, .. } = waited;
        self.ended = Some(status);
        Ok(status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let pid = self.pid;
        // Before the line is closed, or the process would go on as one whose parent is gone; and from
        // the top, so that nobody down there has the time to make another.
        for pid in [pid].into_iter().chain(process::descendants(pid)) {
            let _ = rescue(call!("kill", pid, Signal::SIGKILL), "leave no process behind", || {
                nix::sys::signal::kill(pid, Signal::SIGKILL)
            });
        }
        let _ = wait::wait_to_clean_up(pid);
    }
}
