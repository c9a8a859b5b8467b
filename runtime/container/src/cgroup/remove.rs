//! How does nothing stay behind?

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use primitives::{CgroupFile, Errno, Error, Result, clean_up, step_giving};

use super::kill::{Hand, PATIENCE};
use super::tree::all_below;
use super::{Cgroups, Hierarchy};

impl Cgroups {
    /// Ends what is left in the cgroups and removes them, with those that the container has made in
    /// them and those above that were made for it alone. Nobody can refuse it; what is gone already is
    /// fine.
    ///
    /// # Errors
    /// Says what stays and why. The others are removed all the same.
    pub fn remove(&self) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        step_giving("remove the cgroups", || {
            let mut first = Ok(());
            if self.unit.is_some() {
                // systemd would ask them to end, and give them time.
                first = self.end_all(Hand::CleanUp);
                self.forget_unit();
            }
            for hierarchy in self.all().rev() {
                first = first.and(self.remove_one(hierarchy));
            }
            first
        })
    }

    fn remove_one(&self, hierarchy: &Hierarchy) -> Result<()> {
        let directory = hierarchy.directory();
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_micros(50);
        loop {
            match clean_up::rmdir(&directory, "leave no cgroup behind") {
                Err(Error::Request(refusal)) => match refusal.errno {
                    Errno::ENOENT => break,
                    Errno::EBUSY if Instant::now() < deadline => {}
                    _ => return Err(Error::Request(refusal)),
                },
                Err(other) => return Err(other),
                Ok(()) => break,
            }
            self.end_all(Hand::CleanUp)?;
            remove_below(directory.path());
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
        remove_above(hierarchy);
        Ok(())
    }
}

/// From the inside out. What cannot be removed yet makes the outermost fail, which is tried again.
fn remove_below(directory: &Path) {
    for below in all_below(directory).iter().skip(1).rev() {
        let why = "leave none of the container's own cgroups behind";
        let _ = clean_up::rmdir(&below.path, why);
    }
}

/// Those that were made for this container. Another one may live there by now: then it is not empty,
/// and stays.
fn remove_above(hierarchy: &Hierarchy) {
    let made: Vec<CgroupFile> = hierarchy.above().take(hierarchy.missing).collect();
    for directory in made {
        if clean_up::rmdir(&directory, "leave no cgroup behind that was made for it").is_err() {
            return;
        }
    }
}
