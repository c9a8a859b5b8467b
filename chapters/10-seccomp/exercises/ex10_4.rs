//! Exercise 10.4: A room of one's own (10 minutes)
//!
//! A filter sees that a file is opened for writing and not which. Landlock sees the file. Your program
//! runs `CMD` so that it can read everything as before, but change nothing outside of `ROOM` and
//! `/dev/null`: not write, not make, not remove, not rename.
//!
//! Your program is started as `ex10_4 --room ROOM -- CMD [ARGUMENT …]` and ends with the exit code of
//! `CMD`. The grader makes the room and another one, and lets CMD try in both.
//!
//! hint: What no rule allows is forbidden only if the ruleset handles it: everything that this version
//!       of Landlock knows is `LandlockAccess::known_to(landlock_abi()…)`.
//! hint: Three rules: below `/` reading and running, below the room everything, on `/dev/null` writing
//!       and cutting short. A rule takes an open file: `open_path`.
//! hint: Rights about directories are refused with EINVAL for a file. At the end
//!       `landlock_restrict_self`, and before it `prctl_set_no_new_privs`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Error, Form, LandlockAccess, Result, Signal, Status, ToParent, WindowArgs,
    become_program, landlock_abi, spawn, step, step_giving,
};

// SOLUTION
use std::os::fd::AsFd;
use std::path::Path;

use primitives::{
    landlock_add_path, landlock_create_ruleset, landlock_restrict_self, open_path,
    prctl_set_no_new_privs,
};
// END SOLUTION

/// Runs CMD so that it changes files in one room only.
#[derive(Parser)]
#[command(name = "ex10_4")]
struct Cli {
    /// Where everything is allowed
    #[arg(long)]
    room: PathBuf,
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
    let abi = landlock_abi().ok_or(Error::Unusable("this kernel has no Landlock".into()))?;
    let all = LandlockAccess::known_to(abi);
    let child = step_giving("make a child", || {
        let why = "have a process that can give files up";
        spawn("child", Birth::default(), why, |parent| live(parent, cli, all))
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn live(parent: &ToParent, cli: &Cli, all: LandlockAccess) -> Result<u8> {
    step("tie to the parent", || parent.tie(Signal::SIGKILL, "end when the parent ends"))?;
    // STARTER: // Nothing is given up.
    // STARTER: let _ = (&cli.room, all);
    // SOLUTION
    let read = LandlockAccess::LANDLOCK_ACCESS_FS_EXECUTE
        | LandlockAccess::LANDLOCK_ACCESS_FS_READ_FILE
        | LandlockAccess::LANDLOCK_ACCESS_FS_READ_DIR;
    let write =
        LandlockAccess::LANDLOCK_ACCESS_FS_WRITE_FILE | LandlockAccess::LANDLOCK_ACCESS_FS_TRUNCATE;
    step("give files up", || {
        prctl_set_no_new_privs("be allowed to restrict oneself")?;
        let ruleset = landlock_create_ruleset(all, "forbid everything that no rule allows")?;
        let rules: [(&Path, LandlockAccess); 3] =
            [(Path::new("/"), read), (&cli.room, all), (Path::new("/dev/null"), write & all)];
        for (path, access) in rules {
            let place = open_path(path, "name the place of a rule")?;
            landlock_add_path(ruleset.as_fd(), access, place.as_fd(), "allow this from there on")?;
        }
        landlock_restrict_self(ruleset.as_fd(), "let it be so")
    })?;
    // END SOLUTION
    step_giving("become the program", || become_program(&cli.command, "run what was asked for"))
}
