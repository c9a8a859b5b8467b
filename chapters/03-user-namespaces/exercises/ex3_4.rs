//! Exercise 3.4: Root of root of root (15 minutes)
//!
//! Who is root in a user namespace may make another one in it. Write a program that makes `N` of
//! them, each in the one before, and runs `CMD` in the innermost, as root.
//!
//! - At each level user 0 and group 0 are mapped to whoever made that level. A level without maps
//!   breaks the chain: who is nobody in a user namespace may not make one.
//! - Each level goes on only when its maps are written.
//!
//! Your program is started as `ex3_4 --depth N -- CMD [ARGUMENT …]`, with `N` from 1 on, and ends
//! with the exit code of `CMD`. The grader draws `N`. Its `CMD` waits, and meanwhile the grader
//! asks the kernel how many user namespaces are above that of `CMD`, and who `CMD` is out here. In
//! the trace it counts what was made and mapped, and looks for what makes sure that each map comes
//! before the next level.
//!
//! hint: You made one level in exercise 3.1. What does the child have to do to make the next?
//! hint: A function that makes one level and hands its child the number of levels that are left can
//!       call itself. At 0 it becomes `CMD`.
//! hint: In the child: `parent.wait(…)?`, then `nest(depth - 1, command)`. In `nest` itself, first
//!       of all: `if depth == 0` become the program.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, IdMap, Namespaces, Pid, Result, Status, ToParent, WindowArgs, become_program,
    deny_setgroups, own_ids, spawn, step, step_giving, write_gid_map, write_uid_map,
};

/// Runs CMD as root of the innermost of several user namespaces.
#[derive(Parser)]
#[command(name = "ex3_4")]
struct Cli {
    /// How many user namespaces shall be made, each in the last
    #[arg(long, value_name = "N")]
    depth: u32,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(
        Form::Pretty,
        |cli: &Cli| &cli.window,
        |cli| {
            let code = nest(cli.depth, &cli.command)?;
            Ok(Status::Exited(code.into()))
        },
    )
}

/// Makes `depth` user namespaces and becomes the program in the innermost; gives its exit code.
fn nest(depth: u32, command: &[OsString]) -> Result<u8> {
    // SOLUTION
    if depth == 0 {
        return step_giving("become the program", || {
            become_program(command, "run what was asked for")
        });
    }
    // END SOLUTION
    let (uid, gid) = own_ids();
    let birth = Birth { namespaces: Namespaces::CLONE_NEWUSER, cgroup: None };
    let mut child = step_giving("make a child", || {
        let why = "have a process that is root one level further in";
        spawn("child", birth, why, |parent| live_inside(parent, depth, command))
    })?;
    say_who_is_who(child.pid(), uid, gid)?;
    step("let it go on", || child.release("tell the child that it is root now"))?;
    let status = step_giving("take its status", || child.finish("pass its exit code on"))?;
    Ok(status.code())
}

/// Makes root in there the same as whoever is out here.
fn say_who_is_who(child: Pid, uid: u32, gid: u32) -> Result<()> {
    step("deny setgroups", || deny_setgroups(Some(child), "be allowed to map a group"))?;
    step("map the user", || {
        let map = [IdMap::one(0, uid)];
        write_uid_map(Some(child), &map, "make root in there the same as us")
    })?;
    step("map the group", || {
        let map = [IdMap::one(0, gid)];
        write_gid_map(Some(child), &map, "make its group the same as ours")
    })
}

fn live_inside(parent: &ToParent, depth: u32, command: &[OsString]) -> Result<u8> {
    step("wait for the map", || parent.wait("not go on before we are root"))?;
    // STARTER: // One level is made, whatever `depth` says.
    // STARTER: let _ = depth;
    // STARTER: step_giving("become the program", || {
    // STARTER:     become_program(command, "run what was asked for")
    // STARTER: })
    // SOLUTION
    nest(depth - 1, command)
    // END SOLUTION
}
