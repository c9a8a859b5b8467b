//! Who works on what?

use std::os::fd::OwnedFd;
use std::path::Path;

use primitives::{
    flock_exclusive, flock_exclusive_now, flock_shared, flock_shared_now, is_busy, open_to_write,
    say,
};

use super::{Error, Result};

/// A lock that is held until this is dropped, or its process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Lock {
    file: OwnedFd,
}

impl Lock {
    /// Takes it together with others.
    pub(crate) fn shared(path: &Path, why: &'static str) -> Result<Lock> {
        let lock = Lock::open(path)?;
        lock.share(why)?;
        Ok(lock)
    }

    /// Takes it alone, and waits until nobody else has it.
    pub(crate) fn alone(path: &Path, why: &'static str) -> Result<Lock> {
        let lock = Lock::open(path)?;
        match busy(flock_exclusive_now(&lock.file, why))? {
            false => {}
            true => {
                tell_that_we_wait(path);
                flock_exclusive(&lock.file, why)?;
            }
        }
        Ok(lock)
    }

    /// Takes it alone, if nobody else has it.
    pub(crate) fn alone_if_free(path: &Path, why: &'static str) -> Result<Option<Lock>> {
        let lock = Lock::open(path)?;
        Ok(lock.alone_now(why)?.then_some(lock))
    }

    /// Takes for itself what it has together with others, or has not at all; whether nobody else had it.
    pub(crate) fn alone_now(&self, why: &'static str) -> Result<bool> {
        Ok(!busy(flock_exclusive_now(&self.file, why))?)
    }

    /// Lets others have it too.
    pub(crate) fn share(&self, why: &'static str) -> Result<()> {
        match busy(flock_shared_now(&self.file, why))? {
            false => Ok(()),
            true => Ok(flock_shared(&self.file, why)?),
        }
    }

    fn open(path: &Path) -> Result<Lock> {
        let file =
            open_to_write(path, 0o600, "have a file to lock, whose content does not matter")?;
        Ok(Lock { file })
    }
}

/// Whether a lock was not to be had because somebody has it.
pub(crate) fn busy(taken: primitives::Result<()>) -> Result<bool> {
    match taken {
        Ok(()) => Ok(false),
        Err(error) if error.errno().is_some_and(is_busy) => Ok(true),
        Err(error) => Err(Error::Machine(error)),
    }
}

/// Somebody looks at a command that stands still.
pub(crate) fn tell_that_we_wait(path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    say(&format!("note: waiting for another command that works on {name}"));
}
