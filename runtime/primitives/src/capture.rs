//! What does another program say?

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::exec::{execve, find_program};
use crate::files::memfd_create_inheritable;
use crate::process::dup2;
use crate::program::own_environment;
use crate::spawn::{Birth, spawn};
use crate::wait::Status;

/// Runs a program of this machine, found by PATH, and gives what it has written to its standard output.
///
/// # Errors
/// There is no such program, it failed, or it wrote more than 16 MiB.
#[track_caller]
pub fn output_of(program: &str, arguments: &[String], why: &'static str) -> Result<String> {
    let search = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let path = find_program(program.as_ref(), &search)?;
    let words: Vec<OsString> =
        std::iter::once(program.into()).chain(arguments.iter().map(OsString::from)).collect();
    let said = memfd_create_inheritable("said", b"", "keep what the program says")?;
    let child = spawn(program_role(program), Birth::default(), why, |_| run(&path, &words, &said))?;
    match child.finish("have all that it says")? {
        Status::Exited(0) => read(said),
        status => Err(Error::Unusable(format!("{program} failed ({status})"))),
    }
}

/// Roles are constants; which program it is, its execve says.
fn program_role(program: &str) -> &'static str {
    if program == "ps" { "ps" } else { "program" }
}

fn run(path: &Path, words: &[OsString], said: &OwnedFd) -> Result<u8> {
    dup2(said.as_fd(), 1, "write where we read")?;
    match execve(path, words, &own_environment(), "describe what there is")? {}
}

fn read(said: OwnedFd) -> Result<String> {
    const LARGEST: u64 = 16 << 20;
    let unusable = |error| Error::Unusable(format!("what the program has said: {error}"));
    let file = File::from(said);
    let length = file.metadata().map_err(unusable)?.len();
    if length > LARGEST {
        return Err(Error::Unusable("the program has said more than 16 MiB".to_string()));
    }
    let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut text, 0).map_err(unusable)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
