//! Exercise 4.1: Names that hide (15 minutes)
//!
//! `/proc/self/mountinfo` has a line for each mount, and blanks part its fields. So a blank in a
//! name cannot stand there as it is, and neither can a line feed. Write a program that detaches all
//! mounts whose source is `NAME`, and none of the others, and then runs `CMD`.
//!
//! - Read `/proc/self/mountinfo`. Its form stands in proc_pid_mountinfo(5), and on this chapter's page.
//! - The source is the second field after the lone `-`. Between the sixth field and that `-` there
//!   may be any number of others.
//! - In a name, a backslash and three octal digits stand for one byte.
//! - Detach each mount of this source with `umount`. No mount of them lies on another one.
//!
//! Your program is started as `ex4_1 --source NAME -- CMD [ARGUMENT …]`, in a mount namespace that
//! is made for the purpose, and ends with the exit code of `CMD`. The grader draws the names, of
//! sources and of mount points, and they are not kind. Its `CMD` waits, and meanwhile the grader
//! reads from outside what is still mounted.
//!
//! hint: Do not look for names in the whole text. Take the file apart first, lines, then fields, and
//!       undo the escapes last: after that, blanks mean nothing any more.
//! hint: A field is bytes and not text: split the line at `b' '`, walk over the bytes, and make an
//!       `OsString` of them by `OsString::from_vec`. Compare the source with the whole name.
//! hint: Find the place of the lone `-` by `fields.iter().position(|field| *field == b"-")`; the
//!       source is two further on, the mount point is `fields[4]`, and a byte is
//!       `(a - b'0') * 64 + (b - b'0') * 8 + (c - b'0')`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Error, Form, MntFlags, Result, Status, WindowArgs, become_program, spawn, step,
    step_giving, umount,
};

// SOLUTION
use std::os::unix::ffi::OsStringExt;
// END SOLUTION

/// Detaches all mounts of one source and runs CMD.
#[derive(Parser)]
#[command(name = "ex4_1")]
struct Cli {
    /// The source of the mounts that shall go
    #[arg(long, value_name = "NAME")]
    source: OsString,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| run(&cli.source, &cli.command))
}

fn run(source: &OsStr, command: &[OsString]) -> Result<Status> {
    let child = step_giving("make a child", || {
        let why = "have a process that can become another program";
        spawn("child", Birth::default(), why, |_| {
            step("detach", || detach(source))?;
            step_giving("become the program", || become_program(command, "run what was asked for"))
        })
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn detach(source: &OsStr) -> Result<()> {
    let path = "/proc/self/mountinfo";
    let bytes = std::fs::read(path).map_err(|e| Error::Unusable(format!("{path}: {e}")))?;
    for place in places_of(&bytes, source) {
        umount(&place, MntFlags::MNT_DETACH, "be rid of a mount that was named by its source")?;
    }
    Ok(())
}

/// Where something of this source is mounted.
fn places_of(mountinfo: &[u8], source: &OsStr) -> Vec<PathBuf> {
    // STARTER: // Which lines are about `source`, and what is their mount point?
    // STARTER: let _ = (mountinfo, source);
    // STARTER: Vec::new()
    // SOLUTION
    let mut places = Vec::new();
    for line in mountinfo.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let Some(dash) = fields.iter().position(|field| *field == b"-") else {
            continue;
        };
        if fields.get(dash + 2).is_some_and(|field| unescape(field) == source) {
            places.push(PathBuf::from(unescape(fields[4])));
        }
    }
    places
    // END SOLUTION
}

// SOLUTION
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let Some((first, others)) = rest.split_first() {
        match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    OsString::from_vec(bytes)
}
// END SOLUTION
