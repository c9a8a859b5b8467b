//! Exercise 5.1: Two roots in one place (15 minutes)
//!
//! The starter locks a program into a directory with `chroot`. Out of that it can walk. Give it the
//! directory as the root of its tree of mounts instead, and leave nothing of the old root.
//!
//! - Make a child in a user namespace and a mount namespace of its own, in which it is root. (It is
//!   there already.)
//! - Make `ROOT` the root mount, without making a directory for the old one.
//! - Detach the old root, run `CMD` with its arguments, and end as it ended.
//!
//! `ROOT` is an ordinary directory, and not a mount point.
//!
//! Your program is started as `ex5_1 ROOT -- CMD…`. The grader looks at the trace, and `CMD` looks for
//! the machine behind `/..`.
//!
//! hint: In which order? A mount to stand on; stand on it; change the root; take away what is on top.
//! hint: `mount_bind` makes the mount, `chdir` goes there, and from then on it is called `.`.
//! hint: After `chdir`: `pivot_root(".", ".")`, then `umount(".", MntFlags::MNT_DETACH)`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, IdMap, Namespaces, Result, Status, WindowArgs, become_program, deny_setgroups,
    own_ids, spawn, step, step_giving, write_gid_map, write_uid_map,
};

// STARTER: use primitives::{chdir, chroot};
// SOLUTION
use primitives::{MntFlags, chdir, mount_bind, pivot_root, umount};
// END SOLUTION

/// Runs a program in a root of its own.
#[derive(Parser)]
#[command(name = "ex5_1")]
struct Cli {
    /// The directory that shall be the root
    root: PathBuf,
    /// The program, as it is found in there, and its arguments
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
            change_the_root(&cli.root)?;
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

fn change_the_root(root: &Path) -> Result<()> {
    // STARTER: // One can walk out of this. What is missing, and in which order?
    // STARTER: step("lock it in", || {
    // STARTER:     chroot(root, "let paths begin in there")?;
    // STARTER:     chdir(Path::new("/"), "stand in there")
    // STARTER: })
    // SOLUTION
    let here = Path::new(".");
    step("bind itself", || mount_bind(root, root, "have a mount: only a mount can be the root"))?;
    step("stand on it", || chdir(root, "call it \".\" from now on"))?;
    step("change the floor", || pivot_root(here, here, "have it as the root of all paths"))?;
    step("drop the old floor", || {
        umount(here, MntFlags::MNT_DETACH, "have nothing left that one could walk back to")
    })
    // END SOLUTION
}
