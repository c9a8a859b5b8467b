//! What does another program answer to a question?

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use crate::error::{Error, Result};
use crate::exec::{execve, find_program};
use crate::files::memfd_create_inheritable;
use crate::process::dup2;
use crate::program::own_environment;
use crate::spawn::{Birth, spawn};
use crate::wait::Status;

/// What a program has said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// How it ended.
    pub status: Status,
    /// What it has written to its standard output.
    pub output: Vec<u8>,
}

/// Runs a program of this machine, found by PATH, with `question` as its standard input, and waits for
/// its answer. The question may be a secret: it is in no trace, no argument and no file with a name.
///
/// # Errors
/// There is no such program, or it wrote more than a megabyte; or this process has threads.
#[track_caller]
pub fn consult(
    program: &str,
    arguments: &[&str],
    question: &[u8],
    why: &'static str,
) -> Result<Said> {
    let search = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let path = find_program(program.as_ref(), &search)?;
    let words: Vec<OsString> =
        std::iter::once(program.into()).chain(arguments.iter().map(OsString::from)).collect();
    let asks = memfd_create_inheritable("question", question, "let the program read a question")?;
    let says = memfd_create_inheritable("answer", b"", "keep what the program answers")?;
    let child = spawn("program", Birth::default(), why, |_| {
        dup2(asks.as_fd(), 0, "read the question")?;
        dup2(says.as_fd(), 1, "write where we read")?;
        match execve(&path, &words, &own_environment(), "answer it")? {}
    })?;
    let status = child.finish("have the whole answer")?;
    Ok(Said { status, output: read(says)? })
}

fn read(said: OwnedFd) -> Result<Vec<u8>> {
    const LARGEST: u64 = 1 << 20;
    let unusable = |error| Error::Unusable(format!("what the program has said: {error}"));
    let file = File::from(said);
    let length = file.metadata().map_err(unusable)?.len();
    if length > LARGEST {
        return Err(Error::Unusable("the program has said more than a megabyte".to_string()));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0).map_err(unusable)?;
    Ok(bytes)
}
