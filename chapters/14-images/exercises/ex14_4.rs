//! Exercise 14.4: The same tree, the same name (15 minutes)
//!
//! Two people pack the same tree, and their layers have two names. Write a program whose layer has the same name
//! whoever packs it, and whenever.
//!
//! - Each file in `TREE` becomes an entry with its content and its permission bits; there are only plain files,
//!   and nothing deeper.
//! - The name of an entry is that of the file. What else stands in a header must not depend on chance.
//! - The tree itself is not changed.
//!
//! Your program is started as `ex14_4 --tree TREE --layer FILE`, and `FILE` is not there yet. The grader packs the
//! same files twice: made in another order, at another time.
//!
//! hint: Print the two archives with `tar -tvf`. In which columns do they differ, and in what besides?
//! hint: A directory lists its names in an order of its own. And `set_metadata` puts more into a header than
//!       the mode.
//! hint: `names.sort()`; then a header with `set_mode(metadata.permissions().mode() & 0o7777)`, `set_size`,
//!       `set_uid(0)`, `set_gid(0)`, `set_mtime(0)`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{Error, Form, Result, Status, WindowArgs, create, step};
use tar::{Builder, Header};

/// Packs a tree as a layer.
#[derive(Parser)]
#[command(name = "ex14_4")]
struct Cli {
    /// The tree
    #[arg(long, value_name = "TREE")]
    tree: PathBuf,
    /// The layer, which is not there yet
    #[arg(long, value_name = "FILE")]
    layer: PathBuf,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, pack)
}

fn pack(cli: &Cli) -> Result<Status> {
    let bytes = layer(&cli.tree).map_err(|error| {
        Error::Unusable(format!("{} cannot be packed: {error}", cli.tree.display()))
    })?;
    step("write the layer", || create(&cli.layer, &bytes, 0o644, "have something to send"))?;
    Ok(Status::Exited(0))
}

fn layer(tree: &Path) -> std::io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for name in names(tree)? {
        let path = tree.join(&name);
        let content = fs::read(&path)?;
        let mut header = header(&path.metadata()?);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, &name, content.as_slice())?;
    }
    builder.into_inner()
}

fn names(tree: &Path) -> std::io::Result<Vec<OsString>> {
    let listed = fs::read_dir(tree)?.map(|entry| entry.map(|entry| entry.file_name()));
    let names = listed.collect::<std::io::Result<Vec<_>>>()?;
    // SOLUTION
    let mut names = names;
    names.sort();
    // END SOLUTION
    Ok(names)
}

fn header(metadata: &fs::Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(metadata.permissions().mode() & 0o7777);
    // STARTER: header.set_metadata(metadata);
    // SOLUTION
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    // END SOLUTION
    header
}
