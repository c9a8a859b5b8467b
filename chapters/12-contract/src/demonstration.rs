//! What does a container's whole life look like, when each command is a process of its own?
//!
//! The stage stands for the engine: it makes a bundle and calls the commands, and it is whom the
//! container falls to when the command that made it is gone. It is the first process of a pid
//! namespace, so nothing outlives it.

use std::path::{Path, PathBuf};

use primitives::{
    Birth, IdMap, MsFlags, Namespaces, Result, Signal, Status, Waited, create, deny_setgroups,
    mkdir, mount_new, own_ids, spawn, step_giving, wait, write_gid_map, write_uid_map,
};

use crate::create::{Guard, Wanted};
use crate::store::{Id, Store};
use crate::{delete, kill, opening, spec, start, unusable};

const BUNDLE: &str = "/tmp/bundle";
const STATE: &str = "/tmp/state";

// ANCHOR: life
/// Leads one container through its life, and says after each command how it is.
pub(crate) fn a_whole_life() -> Result<Status> {
    on_a_stage(&[], |store, id| {
        command("create", || make(store, id))?;
        say("create", store, id);
        command("start", || start::start(store, id))?;
        say("start", store, id);
        command("kill", || kill::kill(store, id, Signal::SIGKILL))?;
        take_its_status(store, id)?;
        say("kill", store, id);
        command("delete", || delete::delete(store, id, false))?;
        say("delete", store, id);
        Ok(0)
    })
}
// ANCHOR_END: life

/// Runs a program in a container, and ends as it ended.
pub(crate) fn try_out(program: &[String]) -> Result<Status> {
    on_a_stage(program, |store, id| {
        command("create", || make(store, id))?;
        command("start", || start::start(store, id))?;
        let status = take_its_status(store, id)?;
        command("delete", || delete::delete(store, id, false))?;
        Ok(status.code())
    })
}

fn make(store: &Store, id: &Id) -> Result<()> {
    let opened = opening::open(Path::new(BUNDLE))?;
    // Nothing runs in there but our own, so the runtime is not sealed against it.
    crate::create::create(store, &Wanted { id, opened: &opened, guard: Guard::On })
}

fn say(after: &str, store: &Store, id: &Id) {
    let after = format!("after {after}:");
    match store.find(id) {
        Ok(container) => println!("{after:<15}{}", container.status().word()),
        Err(error) => println!("{after:<15}{error}"),
    }
}

// ANCHOR: command
/// Runs a command as a process of its own, as an engine does.
fn command(name: &'static str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    step_giving(name, || {
        let why = "have a process that ends with this command";
        let child = spawn(name, Birth::default(), why, |_| body().map(|()| 0))?;
        match child.finish("see that the command is over")? {
            Status::Exited(0) => Ok(()),
            other => Err(unusable(format!("the command {name} has {other}"))),
        }
    })
}

/// The command that has made the container is gone. Whoever stands above it gets its children.
fn take_its_status(store: &Store, id: &Id) -> Result<Status> {
    let init = store.find(id)?.remembered.init;
    let init = init.ok_or_else(|| unusable("the container has no process"))?;
    step_giving("take its status", || {
        let Waited { status, .. } = wait(init.pid(), "learn how an orphan has ended")?;
        Ok(status)
    })
}
// ANCHOR_END: command

/// A place that is gone with the last process on it, with a bundle and an empty store.
fn on_a_stage(program: &[String], body: impl FnOnce(&Store, &Id) -> Result<u8>) -> Result<Status> {
    let (uid, gid) = own_ids();
    let namespaces = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS | Namespaces::CLONE_NEWPID;
    let birth = Birth { namespaces, cgroup: None };
    let child = step_giving("set the stage", || {
        let why = "have a place that leaves nothing behind";
        spawn("stage", birth, why, |parent| {
            step_giving("tie to the parent", || {
                parent.tie(Signal::SIGKILL, "end, and end all, when nobody watches any more")
            })?;
            step_giving("map root", || map_root(uid, gid))?;
            step_giving("furnish it", furnish)?;
            step_giving("make a bundle", || make_bundle(program))?;
            let store = Store::at(PathBuf::from(STATE))?;
            let id = "box".parse().map_err(|why: String| unusable(why))?;
            body(&store, &id)
        })
    })?;
    step_giving("wait for the end", || child.finish("pass its exit code on"))
}

fn map_root(uid: u32, gid: u32) -> Result<()> {
    deny_setgroups(None, "be allowed to map a group without root")?;
    write_uid_map(None, &[IdMap::one(0, uid)], "be root in here, and own what is made in here")?;
    write_gid_map(None, &[IdMap::one(0, gid)], "have files belong to a group that has a name")
}

fn furnish() -> Result<()> {
    let (tmp, proc) = (Path::new("/tmp"), Path::new("/proc"));
    let why = "have room that is gone with the last process in here";
    mount_new("stage", tmp, "tmpfs", MsFlags::empty(), Some("mode=0755"), why)?;
    let closed = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_new("proc", proc, "proc", closed, None, "ask the kernel about processes in here")
}

fn make_bundle(program: &[String]) -> Result<()> {
    let bundle = Path::new(BUNDLE);
    let root = bundle.join("rootfs");
    mkdir(bundle, 0o755, "have a directory for all that the runtime is given")?;
    mkdir(&root, 0o755, "have a root file system in it")?;
    rootfs::lend(&root)?;
    let config = spec::text(program, false);
    create(&bundle.join("config.json"), config.as_bytes(), 0o644, "say what the container shall be")
}
