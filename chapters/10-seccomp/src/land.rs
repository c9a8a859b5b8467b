//! Can a program give up files, as it gives up calls?
//!
//! A filter sees that `openat` is called, and of the path only where in memory it lies. Landlock sits
//! behind the lookup of the path and sees the file itself. The program says what it will do below which
//! directories, and that it will do nothing else.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use primitives::{
    Birth, Child, Error, LandlockAccess, Result, Signal, Status, ToParent, become_program,
    landlock_abi, landlock_add_path, landlock_create_ruleset, landlock_restrict_self, open_path,
    prctl_set_no_new_privs, spawn, step, step_giving,
};

/// What a program keeps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// Below these it may read and run programs.
    pub(crate) read: Vec<PathBuf>,
    /// Below these it may do everything.
    pub(crate) write: Vec<PathBuf>,
}

/// Says what this kernel's Landlock can watch over.
pub(crate) fn show() -> Result<Status> {
    let abi = offered()?;
    println!("Landlock, version {abi}: it watches over");
    for (name, _) in LandlockAccess::known_to(abi).iter_names() {
        println!("  {}", name.trim_start_matches("LANDLOCK_ACCESS_FS_").to_lowercase());
    }
    Ok(Status::Exited(0))
}

fn offered() -> Result<u32> {
    landlock_abi().ok_or_else(|| {
        Error::Unusable(
            "this kernel offers no Landlock: it needs Linux 5.13, CONFIG_SECURITY_LANDLOCK, and \
             \"landlock\" in the list lsm= of the kernel's command line"
                .into(),
        )
    })
}

/// Runs a program that can reach no files but those that it keeps, and ends as it ended.
pub(crate) fn run(kept: &Kept, command: &[OsString]) -> Result<Status> {
    let handled = LandlockAccess::known_to(offered()?);
    let child = step_giving("make a child", || make(kept, handled, command))?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn make(kept: &Kept, handled: LandlockAccess, command: &[OsString]) -> Result<Child> {
    let why = "have a process that can give up files without us losing them";
    spawn("child", Birth::default(), why, |parent| live(parent, kept, handled, command))
}

fn live(
    parent: &ToParent,
    kept: &Kept,
    handled: LandlockAccess,
    command: &[OsString],
) -> Result<u8> {
    step("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end when the one that watches over it ends")
    })?;
    step("give up gaining rights", || {
        prctl_set_no_new_privs("not let a setuid program miss files that it relies on")
    })?;
    // ANCHOR: give_up
    let ruleset = step_giving("say what is given up", || {
        landlock_create_ruleset(handled, "forbid all of it wherever no rule allows it")
    })?;
    step("keep what is read", || keep(ruleset.as_fd(), &kept.read, reading()))?;
    step("keep what is written", || keep(ruleset.as_fd(), &kept.write, handled))?;
    step("give it up", || {
        landlock_restrict_self(ruleset.as_fd(), "let the kernel hold us and all we become to it")
    })?;
    // ANCHOR_END: give_up
    step_giving("become the program", || become_program(command, "run what was asked for"))
}

fn reading() -> LandlockAccess {
    LandlockAccess::LANDLOCK_ACCESS_FS_EXECUTE
        | LandlockAccess::LANDLOCK_ACCESS_FS_READ_FILE
        | LandlockAccess::LANDLOCK_ACCESS_FS_READ_DIR
}

fn keep(ruleset: BorrowedFd<'_>, paths: &[PathBuf], access: LandlockAccess) -> Result<()> {
    for path in paths {
        // Of a single file there is no list to read and nothing to make below it.
        let access = if path.is_dir() { access } else { access & of_files() };
        let beneath = open_path(path, "name the file itself and not where it lies now")?;
        landlock_add_path(ruleset, access, beneath.as_fd(), "keep everything from there on down")?;
    }
    Ok(())
}

/// Rights that make sense for a file.
fn of_files() -> LandlockAccess {
    LandlockAccess::LANDLOCK_ACCESS_FS_EXECUTE
        | LandlockAccess::LANDLOCK_ACCESS_FS_READ_FILE
        | LandlockAccess::LANDLOCK_ACCESS_FS_WRITE_FILE
        | LandlockAccess::LANDLOCK_ACCESS_FS_TRUNCATE
        | LandlockAccess::LANDLOCK_ACCESS_FS_IOCTL_DEV
}
