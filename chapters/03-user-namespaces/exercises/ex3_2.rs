//! Exercise 3.2: Give something up first (10 minutes)
//!
//! A group can forbid something: a file with the mode `rwx---r-x` can be read by everybody but the
//! members of its group. Who could leave a group by making a user namespace would get around that.
//! So the kernel lets an ordinary user map a group only in a namespace that has given up changing
//! its groups. Write a program that runs `CMD` in a user namespace where you are user 0 and in
//! group `ID`, and which does this right for root as well as for everybody else.
//!
//! - Map user 0 in there to your own user, and group `ID` in there to your own group.
//! - Give up changing groups, at the time when the kernel still takes it.
//! - All this is done when `CMD` starts.
//!
//! Your program is started as `ex3_2 --group ID -- CMD [ARGUMENT …]` and ends with the exit code of
//! `CMD`. The grader draws `ID`. In the trace it looks in which order your program wrote. Its `CMD`
//! waits, and meanwhile the grader looks at `uid_map`, `gid_map` and `setgroups` in `/proc/PID`
//! from outside.
//!
//! hint: The starter maps the group too early. As an ordinary user you get EPERM; root gets away
//!       with it, and `/proc/PID/setgroups` shows that nothing was given up.
//! hint: There is a third file beside `uid_map` and `gid_map`. After the group map is written it
//!       cannot be changed any more.
//! hint: `deny_setgroups(Some(child), …)?` comes before `write_gid_map`. The place of the user map
//!       does not matter.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, IdMap, Namespaces, Pid, Result, Status, ToParent, WindowArgs, become_program,
    own_ids, spawn, step, step_giving, write_gid_map, write_uid_map,
};

// SOLUTION
use primitives::deny_setgroups;
// END SOLUTION

/// Runs CMD in a new user namespace, as root there and in one group.
#[derive(Parser)]
#[command(name = "ex3_2")]
struct Cli {
    /// The group that you shall be in in there
    #[arg(long, value_name = "ID")]
    group: u32,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| run(cli.group, &cli.command))
}

fn run(group: u32, command: &[OsString]) -> Result<Status> {
    let birth = Birth { namespaces: Namespaces::CLONE_NEWUSER, cgroup: None };
    let mut child = step_giving("make a child", || {
        let why = "have a process in a user namespace of which it is the master";
        spawn("child", birth, why, |parent| live_inside(parent, command))
    })?;
    say_who_is_who(child.pid(), group)?;
    step("let it go on", || child.release("tell the child that it is somebody now"))?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

/// What the parent writes about the child.
fn say_who_is_who(child: Pid, group: u32) -> Result<()> {
    let (uid, gid) = own_ids();
    // STARTER: // What must be given up, and when?
    // SOLUTION
    step("deny setgroups", || {
        let why = "give up what a group map without root could be abused for";
        deny_setgroups(Some(child), why)
    })?;
    // END SOLUTION
    step("map the group", || {
        let map = [IdMap::one(group, gid)];
        write_gid_map(Some(child), &map, "say which group we are in in there")
    })?;
    step("map the user", || {
        let map = [IdMap::one(0, uid)];
        write_uid_map(Some(child), &map, "be root in there")
    })
}

fn live_inside(parent: &ToParent, command: &[OsString]) -> Result<u8> {
    step("wait for the maps", || parent.wait("not look who we are before it is said"))?;
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
