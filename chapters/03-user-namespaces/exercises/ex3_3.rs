//! Exercise 3.3: More than one of us (15 minutes)
//!
//! One user is not enough for a container with a web server that runs as `www-data`. The kernel
//! lets you map yourself and nobody else, but `/etc/subuid` and `/etc/subgid` may give you a range
//! of ids, and two programs with the right to do it write the maps for you. Write a program that
//! runs `CMD` in a user namespace with `N` + 1 users and as many groups.
//!
//! - 0 in there is you, and 1 to `N` in there are the first `N` ids that were given to you. For
//!   groups the same.
//! - Both maps are written by the programs that may, `newuidmap` and `newgidmap`.
//! - All this is done when `CMD` starts.
//!
//! Your program is started as `ex3_3 --count N -- CMD [ARGUMENT …]` and ends with the exit code of
//! `CMD`. The grader draws `N`. In the trace it looks for the two programs and how they ended. Its
//! `CMD` waits, and meanwhile the grader looks at `uid_map` and `gid_map` in `/proc/PID` from
//! outside.
//!
//! The machine must give you a range. If yours does not, the grader says so and skips this
//! exercise. If you are root, the grader draws a range and runs your program as the user `nobody`,
//! or as the one that `PORTHOLE_SUBID_USER` names, who sees an `/etc/subuid` of its own.
//!
//! hint: A map has as many lines as it needs, each with three numbers. How many lines does this one
//!       have?
//! hint: `primitives::run_map_helper` runs one of the two programs in a child and waits for it. It
//!       is called once for users and once for groups.
//! hint: The lines are `IdMap::one(0, uid)` and `IdMap { inside: 1, outside: first, count }`, where
//!       `first` is `granted("/etc/subuid", uid)?`. Give both to `run_map_helper(Helper::Newuidmap,
//!       child, …)?`. For groups the same, with `gid`, `/etc/subgid` and `Helper::Newgidmap`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Error, Form, IdMap, Namespaces, Pid, Result, Status, ToParent, WindowArgs,
    become_program, own_ids, read_small, spawn, step, step_giving,
};

// STARTER: use primitives::write_uid_map;
// SOLUTION
use primitives::{Helper, run_map_helper};
// END SOLUTION

/// Runs CMD in a new user namespace with a range of users and groups.
#[derive(Parser)]
#[command(name = "ex3_3")]
struct Cli {
    /// How many users and groups there shall be beside 0
    #[arg(long, value_name = "N")]
    count: u32,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| run(cli.count, &cli.command))
}

fn run(count: u32, command: &[OsString]) -> Result<Status> {
    let birth = Birth { namespaces: Namespaces::CLONE_NEWUSER, cgroup: None };
    let mut child = step_giving("make a child", || {
        let why = "have a process in a user namespace of which it is the master";
        spawn("child", birth, why, |parent| live_inside(parent, command))
    })?;
    say_who_is_who(child.pid(), count)?;
    step("let it go on", || child.release("tell the child that it is somebody now"))?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

/// What is written about the child.
fn say_who_is_who(child: Pid, count: u32) -> Result<()> {
    // STARTER: // This maps one user. The others are given to us, but who may write them down?
    // STARTER: let (uid, _) = own_ids();
    // STARTER: let _ = (count, granted("/etc/subuid", uid)?);
    // STARTER: step("map the users", || {
    // STARTER:     write_uid_map(Some(child), &[IdMap::one(0, uid)], "be root in there")
    // STARTER: })
    // SOLUTION
    let (uid, gid) = own_ids();
    let range = |outside| IdMap { inside: 1, outside, count };
    let users = [IdMap::one(0, uid), range(granted("/etc/subuid", uid)?)];
    let groups = [IdMap::one(0, gid), range(granted("/etc/subgid", uid)?)];
    step("map the users", || {
        let why = "have a range of users mapped that was given to us";
        run_map_helper(Helper::Newuidmap, child, &users, why)
    })?;
    step("map the groups", || {
        let why = "have a range of groups mapped that was given to us";
        run_map_helper(Helper::Newgidmap, child, &groups, why)
    })
    // END SOLUTION
}

fn live_inside(parent: &ToParent, command: &[OsString]) -> Result<u8> {
    step("wait for the maps", || parent.wait("not look who we are before it is said"))?;
    step_giving("become the program", || become_program(command, "run what was asked for"))
}

/// The first id that a file of the system gives to a user, who stands there by name or by number:
/// `NAME:FIRST:COUNT` (subuid(5)).
fn granted(file: &str, uid: u32) -> Result<u32> {
    let unreadable = |e| Error::Unusable(format!("{file} cannot be read: {e}"));
    let text = read_small(file.as_ref()).map_err(unreadable)?;
    let names = [uid.to_string(), name_of(uid).unwrap_or_default()];
    let first = text.lines().find_map(|line| {
        let (owner, rest) = line.split_once(':')?;
        let (first, _) = rest.split_once(':')?;
        let ours = names.iter().any(|name| name == owner);
        ours.then(|| first.parse().ok())?
    });
    first.ok_or_else(|| Error::Unusable(format!("{file} gives no ids to user {uid}")))
}

fn name_of(uid: u32) -> Option<String> {
    let passwd = read_small("/etc/passwd".as_ref()).ok()?;
    let uid = uid.to_string();
    let mut lines = passwd.lines();
    let line = lines.find(|line| line.split(':').nth(2) == Some(&uid))?;
    line.split(':').next().map(str::to_string)
}
