//! Exercise 2.3: A namespace that nobody lives in (15 minutes)
//!
//! A namespace ends with its last process, unless something else holds it. `ip netns add` makes a
//! namespace that has no process at all, and a pod of Kubernetes keeps its network while containers
//! come and go. Write a program that leaves a UTS namespace behind, held by a file.
//!
//! - Make a child that is in a UTS namespace of its own, and give it the host name `NAME` there.
//! - Keep the namespace: make it visible at `FILE`, by a bind mount. `FILE` is there and empty.
//! - All processes end, and your program ends with exit code 0.
//!
//! The mount must be made while somebody is still in the namespace, because its file in `/proc`
//! goes when the process goes.
//!
//! Your program is started as `ex2_3 --hostname NAME FILE`. The grader runs it in a mount namespace
//! (and, unless you are root, a user namespace) that is made for the purpose, so no root is needed.
//! When your program has ended, the grader looks at the mounts in there, checks that no process is
//! in the namespace, and joins it through `FILE` to read the host name.
//!
//! hint: The files in `/proc/PID/ns` can be opened like others, and they can be mounted like
//!       others.
//! hint: Who can name the new namespace? The child by `/proc/self/ns/uts`; the parent by
//!       `/proc/PID/ns/uts`, as long as the child has not ended.
//! hint: Spawn the child with `Namespaces::CLONE_NEWUTS` in its `Birth`; in it call `sethostname`,
//!       then `mount_bind(Path::new("/proc/self/ns/uts"), file, …)`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Namespaces, Result, Status, WindowArgs, sethostname, spawn, step, step_giving,
};

// SOLUTION
use primitives::mount_bind;
// END SOLUTION

/// Leaves a UTS namespace with a host name behind, held by a file.
#[derive(Parser)]
#[command(name = "ex2_3")]
struct Cli {
    /// The host name in the namespace
    #[arg(long, value_name = "NAME")]
    hostname: String,
    /// The file that shall hold the namespace
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| keep(&cli.hostname, &cli.file))
}

fn keep(name: &str, file: &Path) -> Result<Status> {
    let birth = Birth { namespaces: Namespaces::CLONE_NEWUTS, cgroup: None };
    let child = step_giving("make a child", || {
        let why = "have a process in a namespace of which it is the only member";
        spawn("child", birth, why, |_| live_and_leave(name, file))
    })?;
    step_giving("take its status", || child.finish("wait until nobody is in the namespace"))
}

fn live_and_leave(name: &str, file: &Path) -> Result<u8> {
    step("take a name", || {
        sethostname(name, "be able to tell this namespace from the other ones")
    })?;
    // STARTER: // The child ends here, and the namespace with it. How can `file` hold it?
    // STARTER: let _ = file;
    // SOLUTION
    step("hold the namespace", || {
        let why = "keep it when its last process ends";
        mount_bind(Path::new("/proc/self/ns/uts"), file, why)
    })?;
    // END SOLUTION
    Ok(0)
}
