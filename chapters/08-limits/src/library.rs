//! The same writes, by the library that others use: cgroups-rs.
//!
//! A library makes its requests where nobody watches, so each of them is made inside the gate. It is
//! told which files we mean, and the trace says what it wrote; whether that is true is checked against
//! strace like everything else.

use std::error::Error as _;

use cgroups_rs::fs::cgroup::get_cgroups_relative_paths;
use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::error::Error as LibraryError;
use cgroups_rs::fs::freezer::FreezerController;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use cgroups_rs::fs::{Cgroup, MaxValue, hierarchies};
use primitives::{CgroupFile, Errno, Error, Result, call, perform};

use crate::cgroup::Group;
use crate::cgroup::keys::Write;

// ANCHOR: load
/// The library's own idea of a group. Only with the paths of this process: `Cgroup::load` alone counts
/// from the root of each hierarchy, which is outside of our own limits.
fn load(group: &Group) -> Result<Cgroup> {
    let unusable = |e: LibraryError| Error::Unusable(format!("cgroups-rs: {e}"));
    let paths = get_cgroups_relative_paths().map_err(unusable)?;
    // In v2 it knows nothing of our own cgroup, so the whole path is its name.
    let name = match hierarchies::auto().v2() {
        true => group.places[0].hierarchy.home.join(&group.name),
        false => group.name.clone(),
    };
    Ok(Cgroup::load_with_relative_paths(hierarchies::auto(), name, paths))
}
// ANCHOR_END: load

// ANCHOR: set
/// Writes limits with its typed controllers.
pub(crate) fn set(group: &Group, writes: &[Write]) -> Result<()> {
    let library = load(group)?;
    for limit in writes {
        let setter = setter(&library, limit)?;
        let place = group.place_of(&limit.file).map(|place| place.directory.join(&limit.file));
        let file =
            place.ok_or_else(|| Error::Unusable(format!("{}: no such place", limit.file)))?;
        by_library(&file, &limit.text, limit.why, setter)?;
    }
    Ok(())
}

fn by_library(
    file: &CgroupFile,
    text: &str,
    why: &'static str,
    set: impl FnOnce() -> std::result::Result<(), LibraryError>,
) -> Result<()> {
    perform(call!("write", file, text), why, || set().map_err(|error| errno_of(&error)))
}
// ANCHOR_END: set

type Setter<'a> = Box<dyn FnOnce() -> std::result::Result<(), LibraryError> + 'a>;

fn setter<'a>(library: &'a Cgroup, limit: &Write) -> Result<Setter<'a>> {
    let unusable = |what: &str| Error::Unusable(format!("{}: cgroups-rs {what}", limit.file));
    let number = || match limit.text.as_str() {
        "max" => Ok(-1),
        text => text.parse::<i64>().map_err(|_| unusable("takes numbers alone")),
    };
    let none = || unusable("finds no such controller");
    let memory = || library.controller_of::<MemController>().ok_or_else(none);
    let cpu = || library.controller_of::<CpuController>().ok_or_else(none);
    let processes = || library.controller_of::<PidController>().ok_or_else(none);
    Ok(match limit.file.as_str() {
        "memory.limit_in_bytes" | "memory.max" => {
            let (memory, limit) = (memory()?, number()?);
            Box::new(move || memory.set_limit(limit))
        }
        "memory.soft_limit_in_bytes" | "memory.low" => {
            let (memory, limit) = (memory()?, number()?);
            Box::new(move || memory.set_soft_limit(limit))
        }
        "memory.memsw.limit_in_bytes" | "memory.swap.max" => {
            let (memory, limit) = (memory()?, number()?);
            Box::new(move || memory.set_memswap_limit(limit))
        }
        "cpu.shares" | "cpu.weight" => {
            let (cpu, shares) = (cpu()?, number()?);
            Box::new(move || cpu.set_shares(u64::try_from(shares).unwrap_or_default()))
        }
        "cpu.cfs_period_us" => {
            let (cpu, us) = (cpu()?, number()?);
            Box::new(move || cpu.set_cfs_period(u64::try_from(us).unwrap_or_default()))
        }
        "cpu.cfs_quota_us" => {
            let (cpu, us) = (cpu()?, number()?);
            Box::new(move || cpu.set_cfs_quota(us))
        }
        "pids.max" => {
            let (pids, most) = (processes()?, number()?);
            let most = if most < 0 { MaxValue::Max } else { MaxValue::Value(most) };
            Box::new(move || pids.set_pid_max(most))
        }
        _ => return Err(unusable("has no typed function for it: use --by files")),
    })
}

/// Asks for a stop with its freezer. It does not wait until all have stopped.
pub(crate) fn freeze(group: &Group, writes: &[Write]) -> Result<()> {
    let library = load(group)?;
    let none = || Error::Unusable("cgroups-rs finds no freezer".to_string());
    let freezer = library.controller_of::<FreezerController>().ok_or_else(none)?;
    for write in writes {
        let place = group.place_of(&write.file).map(|place| place.directory.join(&write.file));
        let file = place.ok_or_else(none)?;
        by_library(&file, &write.text, write.why, || freezer.freeze())?;
    }
    Ok(())
}

/// The errno behind an error of the library; one that has none was made without asking the kernel.
fn errno_of(error: &LibraryError) -> Errno {
    let io = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    io.and_then(std::io::Error::raw_os_error).map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use cgroups_rs::fs::Cgroup;
    use cgroups_rs::fs::hierarchies;

    fn first_path(name: &str) -> Option<std::path::PathBuf> {
        let group = Cgroup::load(hierarchies::auto(), name);
        let first = group.subsystems().first()?;
        Some(first.to_controller().path().to_path_buf())
    }

    // ANCHOR: faults
    /// Two of its faults, of which our names and our use of it must know. Nothing is made here.
    #[test]
    fn a_name_that_begins_with_a_slash_leaves_the_hierarchy() {
        let Some(inside) = first_path("porthole/box") else { return };
        assert!(inside.ends_with("porthole/box") && inside.components().count() > 3);
        // Made now, this would be an ordinary directory on the disk, and limit nobody.
        assert_eq!(first_path("/porthole/box").unwrap().to_str(), Some("/porthole/box"));
    }
    // ANCHOR_END: faults
}
