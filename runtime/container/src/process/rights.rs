//! Who is the process, and what may it do?
//!
//! Rights are given up in the one order that works: the bounding set first, which takes a right; then
//! groups, group and user, which take two; then what is left is cut to what was asked for.

use std::collections::BTreeSet;
use std::os::fd::AsFd;

use bundle::{Capability, Process};
use primitives::{
    Capabilities, CapabilitySets, Errno, Error, Result, capset, fchown,
    prctl_cap_ambient_clear_all, prctl_cap_ambient_raise, prctl_capbset_drop, prctl_set_dumpable,
    prctl_set_keepcaps, prctl_set_no_new_privs, setgroups, setresgid, setresuid, stat_of, step,
    umask,
};

use super::Ready;

/// The sets as the kernel takes them, without what this kernel does not have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rights {
    /// What goes out of the bounding set.
    dropped: Capabilities,
    sets: CapabilitySets,
    ambient: Capabilities,
}

/// The capabilities of a plan, in numbers.
pub(super) fn rights(process: &Process) -> Rights {
    let wanted = &process.capabilities;
    Rights {
        dropped: Capabilities::all().without(set(&wanted.bounding)),
        sets: CapabilitySets {
            effective: set(&wanted.effective),
            permitted: set(&wanted.permitted),
            inheritable: set(&wanted.inheritable),
        },
        ambient: set(&wanted.ambient),
    }
}

fn set(wanted: &BTreeSet<Capability>) -> Capabilities {
    let bits = wanted.iter().fold(0, |bits, one| bits | 1 << one.number());
    let known = Capabilities::from_bits(bits);
    // What this kernel does not have it cannot grant, and says so with EINVAL.
    known.without(known.without(Capabilities::all()))
}

/// Hides this process from the container that it enters, until its program takes over: nobody in there
/// may trace it, or reach what it has open by way of `/proc` (CVE-2016-9962). execve takes this back.
///
/// # Errors
/// Those of prctl(2).
pub fn hide() -> Result<()> {
    step("hide from the container", || {
        prctl_set_dumpable(
            false,
            "let nobody inside reach into this process before its program runs",
        )
    })
}

/// Becomes the user of the plan, with the capabilities of the plan and no others.
///
/// # Errors
/// Those of the requests.
pub fn become_user(process: &Process, ready: &Ready) -> Result<()> {
    let rights = &ready.rights;
    if !rights.dropped.is_empty() {
        step("bound the capabilities", || {
            prctl_capbset_drop(rights.dropped, "leave no way to get them back, not even for root")
        })?;
    }
    step("become the user", || {
        umask(process.user.umask, "let new files have the bits that the container's user expects")?;
        own_streams(process.user.uid)?;
        ids(process)
    })?;
    if process.no_new_privileges {
        step("give up gaining rights", || {
            prctl_set_no_new_privs("make set-user-ID programs as powerless as all others")
        })?;
    }
    step("cut the capabilities", || cut(rights, kept_for_filter(process, ready)))
}

/// Gives standard input and output to the user who can else not open them again by their names in
/// `/dev`, as in runc. What cannot be given stays as it is: a file on a read-only mount, or one of a
/// user who is nobody in here. `/dev/null` is everybody's.
fn own_streams(uid: u32) -> Result<()> {
    /// Major number 1, minor number 3.
    const NULL: u64 = 1 << 8 | 3;
    let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    for stream in [input.as_fd(), output.as_fd(), error.as_fd()] {
        let Ok(file) = stat_of(stream) else {
            continue;
        };
        if file.st_uid == uid || file.st_rdev == NULL {
            continue;
        }
        match fchown(stream, uid, file.st_gid, "let the container's user open this stream again") {
            Err(error) if stays(&error) => {}
            other => other?,
        }
    }
    Ok(())
}

fn stays(error: &Error) -> bool {
    matches!(answer(error), Some(Errno::EINVAL | Errno::EPERM | Errno::EROFS))
}

/// The kernel's answer; what the window says in its place excuses nothing.
fn answer(error: &Error) -> Option<Errno> {
    match error {
        Error::Request(refusal) if !refusal.here => Some(refusal.errno),
        _ => None,
    }
}

/// Groups before the user, who may not change them any more.
fn ids(process: &Process) -> Result<()> {
    let user = &process.user;
    prctl_set_keepcaps("still have rights to give up when no id is that of root")?;
    let groups = setgroups(&user.groups, "leave the groups of whoever started the runtime");
    match groups {
        // In a user namespace of an ordinary user nobody may; then there is nothing to leave either.
        Err(error)
            if user.groups.is_empty() && answer(&error) == Some(Errno::EPERM) && denied() => {}
        other => other?,
    }
    setresgid(user.gid, "be in the container's group")?;
    setresuid(user.uid, "be the container's user")
}

/// Whether this user namespace has given up changing groups.
fn denied() -> bool {
    std::fs::read("/proc/self/setgroups").is_ok_and(|text| text.starts_with(b"deny"))
}

/// The right to put a filter in, where the plan does not give it and does not give up gaining rights
/// instead. It is not handed on: execve makes the sets anew, out of what is inheritable, ambient and
/// in the bounding set.
fn kept_for_filter(process: &Process, ready: &Ready) -> Capabilities {
    let right = Capabilities::named("CAP_SYS_ADMIN").unwrap_or_default();
    match process.no_new_privileges || ready.filter.is_none() {
        true => Capabilities::NONE,
        false => right,
    }
}

fn cut(rights: &Rights, kept: Capabilities) -> Result<()> {
    let sets = CapabilitySets {
        effective: rights.sets.effective.and(kept),
        permitted: rights.sets.permitted.and(kept),
        inheritable: rights.sets.inheritable,
    };
    prctl_cap_ambient_clear_all("hand nothing on that whoever started the runtime had")?;
    match capset(sets, "have the rights that were asked for, and no others") {
        Err(error) if error.errno() == Some(Errno::EPERM) => return Err(explained(error, &sets)),
        other => other?,
    }
    prctl_cap_ambient_raise(rights.ambient, "keep these through execve, also for who is not root")
}

/// Which of them this process does not have itself.
fn explained(error: Error, sets: &CapabilitySets) -> Error {
    let own = primitives::capabilities_of(None).map(|state| state.sets.permitted);
    let missing = sets.permitted.without(own.unwrap_or_default());
    match missing.is_empty() {
        true => error,
        false => Error::Unusable(format!("{error}; this runtime does not have {missing} to give")),
    }
}
