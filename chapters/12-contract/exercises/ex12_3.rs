//! Exercise 12.3: Hooks in their places (15 minutes)
//!
//! A container is made by two processes, and both of them run hooks. In this small one "changing the root"
//! is a `pivot_root` to another mount of the same files. Run the four hooks at their moments:
//!
//! - `createRuntime`: by the command, when the mounts are there, and before anything of what follows.
//! - `createContainer`: by the new process, after that, and before the root is changed.
//! - `startContainer`: by the new process, when the root was changed, before it becomes `CMD`.
//! - `poststart`: by the command, when `CMD` runs; and not at all when it cannot be run.
//!
//! The function `hook` is there: it runs a process that makes an open file of a certain name, so that
//! the trace tells who has called it, and when. Your program is started as `ex12_3 --create-runtime
//! WORD --create-container WORD --start-container WORD --poststart WORD -- CMD [ARGUMENT …]`, and ends
//! with the exit code of `CMD`. The grader draws the words.
//!
//! hint: Three of the moments lie in one process, one after the other. Which of the two processes has to
//!       wait for the other, so that the fourth one is not a matter of luck?
//! hint: The two meet: the child arrives at a point and waits; the command meets it there, runs its
//!       hook, and releases it.
//! hint: In the child `parent.arrive(MOUNTED, …)` and `parent.wait(…)`; in the command `child.meet(MOUNTED,
//!       …)`, `hook(&cli.create_runtime)`, `child.release(…)`, and `child.watch_it_go()` before `poststart`.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Error, Form, IdMap, MntFlags, Namespaces, Result, Status, ToParent, WindowArgs,
    become_program, chdir, deny_setgroups, memfd_create_inheritable, mount_bind, own_ids,
    pivot_root, spawn, step_giving, umount, write_gid_map, write_uid_map,
};

// SOLUTION
const MOUNTED: &str = "mounted";
// END SOLUTION

/// Runs CMD in a small container, with hooks.
#[derive(Parser)]
#[command(name = "ex12_3")]
struct Cli {
    /// For the hook when the mounts are there
    #[arg(long)]
    create_runtime: String,
    /// For the hook before the root is changed
    #[arg(long)]
    create_container: String,
    /// For the hook when the root was changed
    #[arg(long)]
    start_container: String,
    /// For the hook when CMD runs
    #[arg(long)]
    poststart: String,
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
    let ids = own_ids();
    let namespaces = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS;
    let birth = Birth { namespaces, cgroup: None };
    // STARTER: let child = step_giving("make a child", || {
    // SOLUTION
    let mut child = step_giving("make a child", || {
        // END SOLUTION
        let why = "have a process that becomes CMD";
        spawn("child", birth, why, |parent| live(parent, ids, cli))
    })?;
    // STARTER: hook(&cli.create_runtime)?;
    // STARTER: hook(&cli.poststart)?;
    // SOLUTION
    step_giving("wait for the mounts", || child.meet(MOUNTED, "show them to the hook"))?;
    hook(&cli.create_runtime)?;
    step_giving("let it go on", || child.release("have it enter its root"))?;
    child.watch_it_go()?;
    hook(&cli.poststart)?;
    // END SOLUTION
    step_giving("take its status", || child.finish("pass its exit code on"))
}

// STARTER: fn live(_parent: &ToParent, ids: (u32, u32), cli: &Cli) -> Result<u8> {
// SOLUTION
fn live(parent: &ToParent, ids: (u32, u32), cli: &Cli) -> Result<u8> {
    // END SOLUTION
    step_giving("map root", || map_root(ids))?;
    let (root, here) = (Path::new("/mnt"), Path::new("."));
    step_giving("mount", || mount_bind(Path::new("/"), root, "have something for a hook to see"))?;
    // STARTER: hook(&cli.create_container)?;
    // STARTER: hook(&cli.start_container)?;
    // SOLUTION
    step_giving("show the mounts", || {
        parent.arrive(MOUNTED, "let the command run its hook")?;
        parent.wait("not go on before it has ended")
    })?;
    hook(&cli.create_container)?;
    // END SOLUTION
    step_giving("change the root", || {
        chdir(root, "call it \".\" from now on")?;
        pivot_root(here, here, "have it as the root of all paths")?;
        umount(here, MntFlags::MNT_DETACH, "have no other root behind it")
    })?;
    // SOLUTION
    hook(&cli.start_container)?;
    // END SOLUTION
    step_giving("become the program", || become_program(&cli.command, "run what was asked for"))
}

fn map_root((uid, gid): (u32, u32)) -> Result<()> {
    deny_setgroups(None, "be allowed to map a group without root")?;
    write_uid_map(None, &[IdMap::one(0, uid)], "be root in here")?;
    write_gid_map(None, &[IdMap::one(0, gid)], "be root's group in here")
}

/// Runs a hook, and waits for it.
fn hook(word: &str) -> Result<()> {
    step_giving("run a hook", || {
        let hook = spawn("hook", Birth::default(), "run what wants to know", |_| {
            memfd_create_inheritable(word, b"", "say that it was called")?;
            Ok(0)
        })?;
        match hook.finish("go on only when it has ended")? {
            Status::Exited(0) => Ok(()),
            other => Err(Error::Unusable(format!("the hook {word} failed: {other}"))),
        }
    })
}
