//! Exercise 5.3: A door for each, and no more (15 minutes)
//!
//! A container's `/dev` has a handful of devices. Root of the machine makes them with `mknod`; root of a
//! user namespace may not. Fill a directory with just the devices that are asked for.
//!
//! - Lay an empty file system over `DIR`, where the child alone sees it.
//! - Put each `NAME` into it, as the device that the machine's `/dev/NAME` is: null, zero, full,
//!   random or urandom.
//! - Run `CMD` with its arguments, and end as it ended. Outside, `DIR` is as empty as before.
//!
//! Your program is started as `ex5_3 --device NAME --device NAME … DIR -- CMD…`. The grader looks at
//! `DIR` through `/proc/PID/root` while `CMD` runs.
//!
//! hint: A device node cannot be made here, but one that is there can be seen at a second place.
//! hint: A bind mount of a file needs a file to be mounted on.
//! hint: `mount_new` a tmpfs over `DIR`; for each name `create` an empty file, then `mount_bind`
//!       `/dev/NAME` onto it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, IdMap, Namespaces, Result, Status, WindowArgs, become_program, deny_setgroups,
    own_ids, spawn, step, step_giving, write_gid_map, write_uid_map,
};

// SOLUTION
use primitives::{MsFlags, create, mount_bind, mount_new};
// END SOLUTION

/// Runs a program with a directory of devices.
#[derive(Parser)]
#[command(name = "ex5_3")]
struct Cli {
    /// A device that shall be there; may be given several times
    #[arg(long, value_name = "NAME")]
    device: Vec<String>,
    /// The directory, which is empty
    directory: PathBuf,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, run)
}

fn run(cli: &Cli) -> Result<Status> {
    let (uid, gid) = own_ids();
    let namespaces = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS;
    let child = step_giving("make a child", || {
        let birth = Birth { namespaces, cgroup: None };
        spawn("child", birth, "have a process with a tree of mounts of its own", |_| {
            step("map root", || map_root(uid, gid))?;
            step("fill it", || fill(&cli.directory, &cli.device))?;
            step_giving("become the program", || {
                become_program(&cli.command, "run what was asked for")
            })
        })
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn map_root(uid: u32, gid: u32) -> Result<()> {
    deny_setgroups(None, "be allowed to map a group without root")?;
    write_uid_map(None, &[IdMap::one(0, uid)], "be root in here")?;
    write_gid_map(None, &[IdMap::one(0, gid)], "have files belong to a group that has a name")
}

fn fill(directory: &Path, devices: &[String]) -> Result<()> {
    // STARTER: // mknod says EPERM here. Where are there doors already?
    // STARTER: let _ = (directory, devices);
    // SOLUTION
    let why = "have room that nobody else sees";
    mount_new("dev", directory, "tmpfs", MsFlags::empty(), Some("mode=0755"), why)?;
    for name in devices {
        let place = directory.join(name);
        create(&place, b"", 0o666, "have a file to mount the device on")?;
        mount_bind(&Path::new("/dev").join(name), &place, "show the machine's door in here")?;
    }
    // END SOLUTION
    Ok(())
}
