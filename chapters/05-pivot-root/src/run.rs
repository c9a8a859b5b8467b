//! What does a root of one's own take, from the first mount to the program?

use std::path::{Path, PathBuf};

use primitives::{
    MntFlags, MsFlags, Result, Status, become_program, chdir, close_range_on_exec, mkdir,
    mount_bind, mount_change, mount_new, pivot_root, step, step_giving, umount,
};
use rootfs::Source;

use crate::api::FileSystem;
use crate::inside::{for_a_root, run_inside};
use crate::place::Place;
use crate::{Api, Run, devices, hide};

const CLOSED: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

const PRIVATE: MsFlags = MsFlags::MS_REC.union(MsFlags::MS_PRIVATE);

// ANCHOR: file_systems
const PROC: FileSystem = FileSystem { kind: "proc", source: "proc", data: &[], flags: CLOSED };
const SYS: FileSystem = FileSystem {
    kind: "sysfs",
    source: "sysfs",
    data: &[],
    flags: CLOSED.union(MsFlags::MS_RDONLY),
};
const TMP: FileSystem = FileSystem {
    kind: "tmpfs",
    source: "tmpfs",
    data: &[("mode", "1777")],
    flags: MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV),
};
const DEV: FileSystem = FileSystem {
    kind: "tmpfs",
    source: "dev",
    data: &[("mode", "0755"), ("size", "65536")],
    flags: MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC),
};
// Since Linux 4.7 each mount of devpts has terminals of its own, also without `newinstance`.
const PTS: FileSystem = FileSystem {
    kind: "devpts",
    source: "devpts",
    data: &[("ptmxmode", "0666"), ("mode", "0620")],
    flags: MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC),
};
const SHM: FileSystem =
    FileSystem { kind: "tmpfs", source: "shm", data: &[("mode", "1777")], flags: CLOSED };
const MQUEUE: FileSystem =
    FileSystem { kind: "mqueue", source: "mqueue", data: &[], flags: CLOSED };
// ANCHOR_END: file_systems

// ANCHOR: run
/// Runs a program in a root of its own and ends as it ended.
pub(crate) fn run(wanted: &Run) -> Result<Status> {
    run_inside(for_a_root(), |_| {
        // Not to be left out: what follows would happen to the machine.
        step_giving("make private", || {
            mount_change(Path::new("/"), PRIVATE, "keep our mounts to ourselves")
        })?;
        let directory = wanted.rootfs.clone().map_or_else(make_root, Ok)?;
        step("bind itself", || {
            mount_bind(&directory, &directory, "have a mount there: only a mount can be the root")
        })?;
        let root = step_giving("hold the root", || {
            Place::open(&directory, "have a limit for every path that is looked up in it")
        })?;
        furnish(wanted.api, &root)?;
        restrict(wanted, &root)?;
        enter(&directory)?;
        step("close the rest", || {
            close_range_on_exec(3, "leave nothing open that leads out, whoever opened it")
        })?;
        step_giving("become the program", || {
            become_program(&wanted.command, "run what was asked for")
        })
    })
}
// ANCHOR_END: run

/// A root file system for who brings none.
fn make_root() -> Result<PathBuf> {
    let directory = PathBuf::from("/tmp/root");
    step_giving("make a place", || {
        let (place, none) = (Path::new("/tmp"), MsFlags::empty());
        let why = "have room that is gone with the last process in here";
        mount_new("place", place, "tmpfs", none, Some("mode=0755"), why)?;
        mkdir(&directory, 0o755, "have a directory to make a root of")
    })?;
    step_giving("fill it", || rootfs::make(&directory, &Source::Machine))?;
    Ok(directory)
}

// ANCHOR: furnish
fn furnish(api: Api, root: &Place) -> Result<()> {
    step("mount proc", || {
        let why = "let programs see the processes in here, and no others";
        api.mount(&PROC, &root.mount_point("proc")?, why)
    })?;
    step("mount sys", || {
        let why = "let programs see the devices, and the network devices in here";
        api.mount(&SYS, &root.mount_point("sys")?, why)
    })?;
    step("mount tmp", || {
        api.mount(&TMP, &root.mount_point("tmp")?, "have room for what need not be kept")
    })?;
    let dev = step_giving("mount dev", || {
        api.mount(&DEV, &root.mount_point("dev")?, "have a place for devices alone")?;
        root.mount_point("dev")
    })?;
    // ANCHOR_END: furnish
    step("make devices", || devices::make(api, &dev))?;
    step("mount pts", || {
        let why = "have terminals of our own, numbered from 0";
        api.mount(&PTS, &dev.mount_point("pts")?, why)
    })?;
    step("mount shm", || {
        api.mount(&SHM, &dev.mount_point("shm")?, "have room for memory that processes share")
    })?;
    step("mount mqueue", || {
        let why = "let programs see the message queues in here";
        api.mount(&MQUEUE, &dev.mount_point("mqueue")?, why)
    })?;
    step("link descriptors", || devices::link(&dev))
}

fn restrict(wanted: &Run, root: &Place) -> Result<()> {
    if !wanted.mask.is_empty() {
        step("mask paths", || hide::mask(wanted.api, root, &wanted.mask))?;
    }
    if !wanted.readonly_path.is_empty() {
        step("protect paths", || hide::protect(wanted.api, root, &wanted.readonly_path))?;
    }
    if wanted.read_only {
        step("make it read-only", || {
            wanted.api.make_read_only(root, "let nobody change the root file system itself")
        })?;
    }
    Ok(())
}

// ANCHOR: enter
/// The old root ends up on top of the new one, and `.` is where both are: so no directory is needed
/// to put it away.
fn enter(directory: &Path) -> Result<()> {
    let here = Path::new(".");
    step_giving("stand on it", || chdir(directory, "call it \".\" from now on"))?;
    step_giving("change the floor", || {
        pivot_root(here, here, "have it as the root of all paths, and the old root on top of it")
    })?;
    step("drop the old floor", || {
        umount(here, MntFlags::MNT_DETACH, "have nothing left that one could walk back to")
    })
}
// ANCHOR_END: enter
