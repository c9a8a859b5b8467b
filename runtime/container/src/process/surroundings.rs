//! What does the process find around it, besides files?

use bundle::{Kind, MemoryPolicy, Namespaces, NumberList, Personality};
use primitives::{
    Errno, Error, Keyring, MemoryFlags, MemoryMode, Persona, Pid, Result,
    keyctl_join_session_keyring, keyctl_setperm, keyring_permissions, personality,
    sched_setaffinity, set_mempolicy, step,
};

/// Joins the container's session keyring, so that keys of whoever started the runtime are out of
/// reach. It is named after the container, so who comes later (`exec`) joins the same one.
///
/// It is a fence beside the wall: where the kernel has no keyrings, or this user may have no more of
/// them, the container goes without, as in runc.
///
/// # Errors
/// Those of keyctl(2) that say something else.
pub fn join_session_keyring(id: &str, namespaces: &Namespaces) -> Result<()> {
    step("join a session keyring", || {
        let name = format!("_ses.{id}");
        match keyctl_join_session_keyring(&name, "leave the keys of whoever started the runtime") {
            Ok(keyring) => let_be_found(keyring, namespaces),
            Err(error) if goes_without(&error) => Ok(()),
            Err(error) => Err(error),
        }
    })
}

fn goes_without(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::ENOSYS | Errno::EPERM | Errno::EDQUOT))
}

/// By the processes that join the container later. In a user namespace of the container's own they are
/// somebody else to the kernel; without one, nobody else has to find it.
fn let_be_found(keyring: Keyring, namespaces: &Namespaces) -> Result<()> {
    const USER_SEARCH: u32 = 0x08_0000;
    const OTHERS_SEARCH: u32 = 0x08;
    let search = if namespaces.inherits(Kind::User) { USER_SEARCH } else { OTHERS_SEARCH };
    let Ok(now) = keyring_permissions(keyring) else {
        return Ok(());
    };
    if now & search == search {
        return Ok(());
    }
    keyctl_setperm(keyring, now | search, "let processes that join the container find it")
}

/// Takes on another Linux.
///
/// # Errors
/// Those of personality(2).
pub fn take_on_persona(wanted: Personality) -> Result<()> {
    let persona = match wanted {
        Personality::Linux => Persona::Linux,
        Personality::Linux32 => Persona::Linux32,
    };
    step("take on a personality", || {
        personality(persona, "let programs believe that they run on this Linux")
    })
}

/// Chooses the nodes on which memory is taken.
///
/// # Errors
/// Those of set_mempolicy(2).
pub fn choose_memory(wanted: &MemoryPolicy) -> Result<()> {
    step("choose memory nodes", || {
        let named = wanted.flags.iter().filter_map(|name| MemoryFlags::from_name(name));
        let mode = MemoryMode::new(&wanted.mode, named.collect()).ok_or_else(|| {
            Error::Unusable(format!("this runtime does not know the memory policy {}", wanted.mode))
        })?;
        set_mempolicy(
            mode,
            wanted.nodes.ranges(),
            "keep the process's memory where it was asked for",
        )
    })
}

/// Chooses the CPUs that this process, and what it makes, may run on; an empty list leaves them as
/// they are. For a program that joins a container: `initial` before it enters the cgroup, `final`
/// after.
///
/// # Errors
/// Those of sched_setaffinity(2).
pub fn choose_cpus(cpus: &NumberList) -> Result<()> {
    if cpus.ranges().is_empty() {
        return Ok(());
    }
    step("choose the CPUs", || {
        let this = Pid::from_raw(0);
        sched_setaffinity(this, cpus.ranges(), "run where the configuration has it run")
    })
}
