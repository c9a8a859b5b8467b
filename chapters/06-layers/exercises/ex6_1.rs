//! Exercise 6.1: What is gone (10 minutes)
//!
//! An upper directory says of some files that they are deleted. Write a program that deletes them: from a
//! directory that is a copy of the layers below.
//!
//! - Look at each file that lies in `UPPER` itself; there is nothing deeper in this exercise.
//! - Where it says that a file is deleted, delete the file of that name in `DIR`.
//! - Nothing else changes. An empty file deletes nothing, and neither does a fifo, or a name that
//!   begins with `.wh.`: that one means deletion in a tar, and here it is a name.
//!
//! Your program is started as `ex6_1 --upper UPPER --from DIR`. The grader draws the names, and looks
//! afterwards at what is left in `DIR`, and in the trace at what you have removed.
//!
//! hint: `ls -l` shows one kind of file in the upper directory that nobody has made with a pipe, a pen or an
//!       editor. Which two numbers stand where a size should be?
//! hint: `std::os::unix::fs::FileTypeExt` and `MetadataExt` know whether a file is a character device
//!       and what its number is. Take `symlink_metadata`, which does not follow links.
//! hint: `metadata.file_type().is_char_device() && metadata.rdev() == 0`, and then
//!       `unlink(&from.join(name), …)` for `name` = `entry.file_name()`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{Error, Form, Result, Status, WindowArgs, step, unlink};

// SOLUTION
use std::os::unix::fs::{FileTypeExt, MetadataExt};
// END SOLUTION

/// Deletes from a directory what an upper directory says is deleted.
#[derive(Parser)]
#[command(name = "ex6_1")]
struct Cli {
    /// The upper directory
    #[arg(long, value_name = "UPPER")]
    upper: PathBuf,
    /// The directory to delete from
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| delete(&cli.upper, &cli.from))
}

fn delete(upper: &Path, from: &Path) -> Result<Status> {
    let unread = |error| Error::Unusable(format!("{} cannot be read: {error}", upper.display()));
    for entry in upper.read_dir().map_err(unread)? {
        let entry = entry.map_err(unread)?;
        if says_deleted(&entry.path())? {
            let path = from.join(entry.file_name());
            step("delete a file", || unlink(&path, "have it gone, as the upper directory says"))?;
        }
    }
    Ok(Status::Exited(0))
}

fn says_deleted(path: &Path) -> Result<bool> {
    // STARTER: // Whoever believes this deletes too much.
    // STARTER: Ok(path.exists())
    // SOLUTION
    let metadata = path
        .symlink_metadata()
        .map_err(|error| Error::Unusable(format!("{} cannot be read: {error}", path.display())))?;
    Ok(metadata.file_type().is_char_device() && metadata.rdev() == 0)
    // END SOLUTION
}
