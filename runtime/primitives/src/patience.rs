//! Waiting for a child, but not for ever.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::Result;
use crate::gate::is_watched;
use crate::signals;
use crate::spawn::Child;
use crate::window;

impl Child {
    /// Waits until the child has ended (true), or so much time has passed (false). Its exit status is
    /// left to be taken; dropping the child ends it and all that it has made. Waiting changes nothing.
    ///
    /// # Errors
    /// [`crate::Error::Child`] with the child's own words when it could not do its part.
    pub fn ends_within(&mut self, limit: Duration) -> Result<bool> {
        self.watch_it_go()?;
        let end = Instant::now() + limit;
        let Some(pidfd) = self.pidfd() else {
            return Ok(true);
        };
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if readable(pidfd, left) {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
        }
    }
}

/// Whether it can be read within so much time; perhaps too early a no. While it waits, what other
/// processes tell the window is read, or they would wait as well.
fn readable(fd: BorrowedFd<'_>, left: Duration) -> bool {
    const MILLIS: u16 = 2;
    let timeout = match is_watched() && window::is_first() {
        true => {
            window::serve_for(MILLIS);
            PollTimeout::ZERO
        }
        // Rounded up, or the last millisecond would be spent asking.
        false => PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX),
    };
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, timeout) {
        Err(Errno::EINTR) => {
            signals::look();
            false
        }
        Err(_) => true,
        Ok(ready) => ready > 0,
    }
}
