//! In which order are namespaces joined?
//!
//! All of a process at once, if the kernel is asked by a pidfd: then it sees to the order itself, and
//! does everything or nothing. One after the other, as was the only way before Linux 5.8, there are
//! orders that fail, and this is where they can be tried.

use std::os::fd::AsFd;
use std::path::PathBuf;

use primitives::{
    Error, KINDS, Namespaces, Result, open_namespace, setns, setns_of_process, step, step_giving,
};

use crate::target::Target;

/// A kind of namespace, by the name of its file in `/proc/PID/ns`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    name: &'static str,
    kernel: Namespaces,
}

pub(crate) fn kind(text: &str) -> std::result::Result<Kind, String> {
    let known = KINDS.into_iter().find(|(name, _)| *name == text);
    known.map(|(name, kernel)| Kind { name, kernel }).ok_or_else(|| {
        let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        format!("the kinds are {}", names.join(", "))
    })
}

// ANCHOR: join
/// Joins what the target has, at once or in the order that was asked for.
pub(crate) fn join(target: &Target, order: &[Kind]) -> Result<()> {
    if !order.is_empty() {
        return order.iter().try_for_each(|kind| join_one(target, *kind));
    }
    if target.kinds.is_empty() {
        return Ok(());
    }
    step("join its namespaces", || {
        setns_of_process(target.pidfd(), target.kinds, "see what it sees, and be who it is")
    })
}

/// The way of old: a file for each kind, which must be found before it can be joined.
fn join_one(target: &Target, kind: Kind) -> Result<()> {
    step_giving("join a namespace", || {
        let path = PathBuf::from(format!("/proc/{}/ns/{}", target.pid, kind.name));
        let lost = |error| Error::Unusable(format!("{} cannot be opened: {error}", path.display()));
        let namespace = open_namespace(&path).map_err(lost)?;
        setns(namespace.as_fd(), kind.kernel, "have one more thing in common with it")
    })
}
// ANCHOR_END: join
