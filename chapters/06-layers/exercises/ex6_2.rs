//! Exercise 6.2: Two on one (15 minutes)
//!
//! Two containers shall stand on the same files, and neither shall see what the other one writes. Write a
//! program that makes two stacks on one lower directory and runs `CMD` beside them.
//!
//! - `ONE` and `TWO` have three directories each: `upper`, `work` and `merged`.
//! - Stack `LOWER` with `ONE/upper` and show it at `ONE/merged`. Do the same for `TWO`.
//! - Both mounts are in the mount namespace of the child, and nobody outside sees them.
//!
//! Your program is started as `ex6_2 --lower LOWER --one ONE --two TWO -- CMD [ARGUMENT …]` and ends with
//! the exit code of `CMD`, which waits. Meanwhile the grader looks into the child's view of files from
//! outside, writes through one of the stacks, and reads through the other.
//!
//! hint: One call of mount(2) for each stack. The file system is called `overlay`, and all that is to be said
//!       stands in its last argument.
//! hint: `lowerdir=…,upperdir=…,workdir=…`, and `userxattr`, because the child is root of a user
//!       namespace only.
//! hint: `mount_new("stack", &dir.join("merged"), "overlay", MsFlags::empty(), Some(&options), …)`
//!       with `options` = `format!("lowerdir={},upperdir={},workdir={},userxattr", …)`, for `one` and
//!       for `two`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser};
use primitives::{
    Birth, Form, IdMap, MsFlags, Namespaces, Result, Signal, Status, ToParent, WindowArgs,
    become_program, deny_setgroups, mount_change, own_ids, spawn, step, step_giving, unshare,
    write_gid_map, write_uid_map,
};

// SOLUTION
use primitives::mount_new;
// END SOLUTION

/// Runs CMD beside two stacks on one lower directory.
#[derive(Parser)]
#[command(name = "ex6_2")]
struct Cli {
    #[command(flatten)]
    stacks: Stacks,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Args)]
struct Stacks {
    /// The layer that both stand on
    #[arg(long)]
    lower: PathBuf,
    /// A directory with upper, work and merged
    #[arg(long)]
    one: PathBuf,
    /// Another one
    #[arg(long)]
    two: PathBuf,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, run)
}

fn run(cli: &Cli) -> Result<Status> {
    let child = step_giving("make a child", || {
        let why = "have somebody with a view of files of their own";
        spawn("child", Birth::default(), why, |parent| live_inside(parent, cli))
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn live_inside(parent: &ToParent, cli: &Cli) -> Result<u8> {
    step("tie to the parent", || parent.tie(Signal::SIGKILL, "end with the one that watches"))?;
    step_giving("take a view of our own", own_view)?;
    for directory in [&cli.stacks.one, &cli.stacks.two] {
        stack(&cli.stacks.lower, directory)?;
    }
    step_giving("become the program", || become_program(&cli.command, "run what was asked for"))
}

/// As in this chapter: root of a user namespace, with mounts that nobody else sees.
fn own_view() -> Result<()> {
    let (uid, gid) = own_ids();
    let both = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS;
    unshare(both, "be root of a view of files that nobody else has")?;
    deny_setgroups(None, "be allowed to map a group without root")?;
    write_uid_map(None, &[IdMap::one(0, uid)], "make root in here the same as us")?;
    write_gid_map(None, &[IdMap::one(0, gid)], "make its group the same as ours")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount_change(Path::new("/"), private, "keep our mounts from spreading to everybody")
}

fn stack(lower: &Path, directory: &Path) -> Result<()> {
    // STARTER: // Nothing is stacked yet.
    // STARTER: let _ = (lower, directory);
    // STARTER: Ok(())
    // SOLUTION
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr",
        lower.display(),
        directory.join("upper").display(),
        directory.join("work").display()
    );
    let merged = directory.join("merged");
    step("stack the layers", || {
        let why = "see the lower layer and write into a layer of one's own";
        mount_new("stack", &merged, "overlay", MsFlags::empty(), Some(&options), why)
    })
    // END SOLUTION
}
