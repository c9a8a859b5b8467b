//! Exercise 5.2: What root may not see (15 minutes)
//!
//! Root passes every permission, so permissions hide nothing from it. Mounts do. Hide files and
//! directories from a program that is root of its user namespace.
//!
//! - Each `PATH` is a file or a directory. In the child, a file must look empty, and a directory must look
//!   empty and refuse to be written to.
//! - Outside nothing changes.
//! - Run `CMD` with its arguments, and end as it ended.
//!
//! Your program is started as `ex5_2 --hide PATH --hide PATH … -- CMD…`. The grader looks at the
//! paths through `/proc/PID/root` while `CMD` runs, and at the mounts in there.
//!
//! hint: What is mounted over a path hides what was there. What can be mounted over a directory, and
//!       what over a file?
//! hint: Over a directory: an empty tmpfs that is read-only. Over a file: another file, one that is
//!       always empty.
//! hint: `mount_new("nothing", path, "tmpfs", MsFlags::MS_RDONLY, None, …)` and
//!       `mount_bind(Path::new("/dev/null"), path, …)`; `path.is_dir()` tells which.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, IdMap, Namespaces, Result, Status, WindowArgs, become_program, deny_setgroups,
    own_ids, spawn, step, step_giving, write_gid_map, write_uid_map,
};

// SOLUTION
use primitives::{MsFlags, mount_bind, mount_new};
use std::path::Path;
// END SOLUTION

/// Hides paths from a program.
#[derive(Parser)]
#[command(name = "ex5_2")]
struct Cli {
    /// What shall be hidden; may be given several times
    #[arg(long, value_name = "PATH")]
    hide: Vec<PathBuf>,
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
            step("hide", || hide(&cli.hide))?;
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

fn hide(paths: &[PathBuf]) -> Result<()> {
    // STARTER: // Each of these is there for all to see. What can be laid over a file, and what over a directory?
    // STARTER: let _ = paths;
    // SOLUTION
    for path in paths {
        if path.is_dir() {
            let why = "let nobody see what is in this directory";
            mount_new("nothing", path, "tmpfs", MsFlags::MS_RDONLY, None, why)?;
        } else {
            let why = "let nobody see what is in this file";
            mount_bind(Path::new("/dev/null"), path, why)?;
        }
    }
    // END SOLUTION
    Ok(())
}
