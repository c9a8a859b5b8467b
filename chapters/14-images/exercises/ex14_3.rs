//! Exercise 14.3: No way out (15 minutes)
//!
//! A layer has a symbolic link in it, and then a file "in" that link. Write a program that unpacks it, so that
//! every file lands below `ROOT`.
//!
//! - The layer has plain files, directories and symbolic links, in an order that makes sense.
//! - A link is made as it is, wherever it points. It is never followed to anything that is not below `ROOT`: for
//!   your program `ROOT` is `/`, and `..` of it is itself.
//! - An entry whose directory is a link lands where that link leads *inside*: that is legal, and many real images
//!   do it (`var/run` is a link to `/run`).
//!
//! Your program is started as `ex14_3 --layer TAR --root ROOT`, and `ROOT` is there and empty. The grader draws
//! the names, and has put a file outside that the layer is after.
//!
//! hint: `root.join("way/file")` is a text. Who follows the link `way` in it, and from where?
//! hint: openat2(2) has a flag that makes a directory the root for one look-up. This crate has a function that
//!       opens a directory in that manner.
//! hint: `open_directory_in_root(root.as_fd(), above, …)` where `above` is the path without its last part, and
//!       then `create_at`, `mkdirat` or `symlinkat` with the last part alone.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Error, Form, Result, Status, WindowArgs, create_at, mkdirat, open_directory,
    open_directory_in_root, step, symlinkat,
};
use tar::EntryType;

/// Unpacks a layer.
#[derive(Parser)]
#[command(name = "ex14_3")]
struct Cli {
    /// The layer
    #[arg(long, value_name = "TAR")]
    layer: PathBuf,
    /// Where it is unpacked
    #[arg(long, value_name = "ROOT")]
    root: PathBuf,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, unpack)
}

fn unpack(cli: &Cli) -> Result<Status> {
    let mut archive = tar::Archive::new(File::open(&cli.layer).map_err(unread)?);
    for entry in archive.entries().map_err(unread)? {
        let mut entry = entry.map_err(unread)?;
        let path = entry.path().map_err(unread)?.into_owned();
        let name = Path::new(path.file_name().unwrap_or(OsStr::new("."))).to_path_buf();
        let above = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let above = if above == Path::new("") { Path::new(".") } else { &above };
        let link = entry.link_name().map_err(unread)?.map(|link| link.into_owned());
        let kind = entry.header().entry_type();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(unread)?;
        step("write an entry", || {
            let parent = directory(&cli.root, above)?;
            write(&parent, &name, kind, link.as_deref(), &content)
        })?;
    }
    Ok(Status::Exited(0))
}

/// The directory that an entry is in.
fn directory(root: &Path, above: &Path) -> Result<OwnedFd> {
    // STARTER: // The kernel follows every link in this path, from the root of the machine.
    // STARTER: let _ = open_directory_in_root;
    // STARTER: open_directory(&root.join(above)).map_err(unread)
    // SOLUTION
    let root = open_directory(root).map_err(unread)?;
    open_directory_in_root(root.as_fd(), above, "find the place of an entry in the tree")
    // END SOLUTION
}

fn write(
    parent: &OwnedFd,
    name: &Path,
    kind: EntryType,
    link: Option<&Path>,
    content: &[u8],
) -> Result<()> {
    let parent = parent.as_fd();
    match (kind, link) {
        (EntryType::Directory, _) => mkdirat(parent, name, 0o755, "have the layer's directory"),
        (EntryType::Symlink, Some(link)) => symlinkat(link, parent, name, "have the layer's link"),
        _ => {
            let why = "have the layer's file";
            create_at(parent, name, 0o644, why, |file| file.write::<Error>(content))?.map(drop)
        }
    }
}

fn unread(error: std::io::Error) -> Error {
    Error::Unusable(format!("the layer cannot be read: {error}"))
}
