//! Who is it that shall be joined?
//!
//! A process, and no other that gets its number later. So it is held by a descriptor first; what
//! `/proc` says under its number is believed only if the process still lives *after* it was read.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use primitives::{
    Error, KINDS, Namespaces, Pid, Result, has_something, namespaces_of, pidfd_open, read_small,
    step_giving,
};

use crate::boxes::Conversation;
use crate::cgroups::{self, Membership};
use crate::rights::Rights;

/// Whom somebody wants to join, as it is typed.
#[derive(Clone, Debug)]
pub(crate) enum Whom {
    Process(Pid),
    Box(PathBuf),
}

/// A number is a process, everything else is a directory.
pub(crate) fn whom(text: &str) -> std::result::Result<Whom, String> {
    match text.parse() {
        Ok(pid) if pid > 0 => Ok(Whom::Process(Pid::from_raw(pid))),
        Ok(_) => Err("a process is named by its number, from 1 on".to_string()),
        Err(_) => Ok(Whom::Box(text.into())),
    }
}

/// A process of a container, and what whoever joins it needs to know.
pub(crate) struct Target {
    pidfd: OwnedFd,
    /// The kinds of namespaces in which it is not with us.
    pub(crate) kinds: Namespaces,
    pub(crate) pid: Pid,
    /// The cgroups in which it is not with us.
    pub(crate) cgroups: Vec<Membership>,
    pub(crate) rights: Rights,
}

impl Whom {
    pub(crate) fn find(&self) -> Result<Target> {
        match self {
            Whom::Process(pid) => {
                let pidfd = step_giving("take hold of it", || {
                    pidfd_open(*pid, "mean this process, even if another one gets its number")
                })?;
                Target::held(*pid, Ok(pidfd))
            }
            Whom::Box(place) => {
                let pidfd = Conversation::begin(place)?.process;
                Target::held(number_of(pidfd.as_fd())?, Ok(pidfd))
            }
        }
    }
}

impl Target {
    // ANCHOR: held
    /// Everything is looked up out here, by number, while the process is held: in there `/proc` would be
    /// the container's, and could say anything.
    pub(crate) fn held(pid: Pid, pidfd: io::Result<OwnedFd>) -> Result<Target> {
        let unreadable = |error: io::Error| {
            Error::Unusable(format!("process {pid} cannot be looked at: {error}"))
        };
        let target = Target {
            pidfd: pidfd.map_err(unreadable)?,
            kinds: kinds_that_differ(pid).map_err(unreadable)?,
            pid,
            cgroups: cgroups::that_differ(pid).map_err(unreadable)?,
            rights: Rights::of(pid).map_err(unreadable)?,
        };
        match has_something(target.pidfd()) {
            false => Ok(target),
            true => Err(Error::Unusable(format!("process {pid} has ended"))),
        }
    }
    // ANCHOR_END: held

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Joining a user namespace that one is in already is an error, so only what differs is joined.
fn kinds_that_differ(pid: Pid) -> io::Result<Namespaces> {
    let (ours, theirs) = (namespaces_of(None)?, namespaces_of(Some(pid))?);
    let differs = |name: &str| theirs.iter().any(|it| it.name == name && !ours.contains(it));
    Ok(KINDS.into_iter().filter(|(name, _)| differs(name)).map(|(_, kind)| kind).collect())
}

/// The number that the process behind a pidfd has here (pidfd_open(2), "fdinfo").
fn number_of(pidfd: BorrowedFd<'_>) -> Result<Pid> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = read_small(path.as_ref());
    let text = text.map_err(|e| Error::Unusable(format!("{path} cannot be read: {e}")))?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    match number {
        Some(pid) if pid > 0 => Ok(Pid::from_raw(pid)),
        _ => Err(Error::Unusable("the box has ended".to_string())),
    }
}
