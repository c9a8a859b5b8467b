//! Becoming another program: finding it, and execve.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::socket::{Shutdown, shutdown};
use trace::{Arg, Record};

use crate::args::{ToArg, Word};
use crate::call;
use crate::error::{Error, Result};
use crate::gate::{self, Call};
use crate::line::{Line, Message};
use crate::process::c_string;
use crate::seccomp::ReadyFilter;
use crate::window;

/// Becomes another program: it takes over this process, its pid, its namespaces and its open files.
///
/// `program` is a path; `arguments` begin with the name under which the program runs; `environment`
/// is all that it gets, as `NAME=value`.
///
/// - man: execve(2)
/// - since: Linux 1.0
/// - ENOENT: the file is not there, or the interpreter that it names in its first line or its ELF
///   header is not
/// - EACCES: the file may not be executed, or lies on a mount with noexec
/// - ENOEXEC: the file is no program of a format that this kernel knows; a script names its
///   interpreter in its first line, as in #!/bin/sh
/// - E2BIG: the arguments and the environment together are too long, or one of them alone is longer
///   than 128 KiB
/// - EPERM: the file counts on capabilities that are not in the bounding set
#[track_caller]
pub fn execve(
    program: &Path,
    arguments: &[OsString],
    environment: &[OsString],
    why: &'static str,
) -> Result<Infallible> {
    execve_shown(program, arguments, arguments.to_arg(), environment, why)
}

/// As [`execve`], with the arguments in the trace as `shown`.
#[track_caller]
pub(crate) fn execve_shown(
    program: &Path,
    arguments: &[OsString],
    shown: Arg,
    environment: &[OsString],
    why: &'static str,
) -> Result<Infallible> {
    let call = call!("execve", program, shown, Word("environ"));
    let image = Image::new(program, arguments, environment);
    become_it(None, call, why, Location::caller(), image)
}

/// As [`execve`], behind a filter that goes in with the same breath.
///
/// - man: execve(2), seccomp(2)
/// - since: Linux 1.0; filters since 3.5
/// - EPERM: the filter closes the door of execve as well
/// - ENOENT: the file is not there, or the interpreter that it names in its first line or its ELF
///   header is not
#[track_caller]
pub fn execve_behind(
    filter: ReadyFilter,
    program: &Path,
    arguments: &[OsString],
    environment: &[OsString],
    why: &'static str,
) -> Result<Infallible> {
    let call = call!("execve" as "execve_behind", program, arguments, Word("environ"));
    let image = Image::new(program, arguments, environment);
    become_it(Some(filter), call, why, Location::caller(), image)
}

/// The record of an execve that succeeds can only be written by somebody else. So it is announced to
/// the window first, and the parent tells the window when it sees the line close. A filter that goes
/// in just before is announced with it: who is behind it may not be able to say anything any more.
fn become_it(
    mut filter: Option<ReadyFilter>,
    call: impl FnOnce() -> Call,
    why: &'static str,
    caller: &'static Location<'static>,
    image: std::result::Result<Image, Errno>,
) -> Result<Infallible> {
    let asked = gate::ask_first(call, why, caller)?;
    let image = match image {
        Ok(image) => image,
        Err(errno) => return Err(asked.failed(errno)),
    };
    let ready = filter.as_ref().and_then(ReadyFilter::record);
    if let Err(errno) = announce(ready.into_iter().chain(asked.record.clone()).collect()) {
        return Err(asked.failed(errno));
    }
    if let Some(mut it) = filter.take() {
        if let Err(errno) = it.install() {
            return Err(it.failed(errno));
        }
        filter = Some(it);
    }
    let errno = image.execve();
    if let Some(filter) = filter {
        filter.report();
    }
    Err(asked.failed(errno))
}

/// Tells the window what is about to happen, when somebody watches.
fn announce(records: Vec<Record>) -> std::result::Result<(), Errno> {
    if records.is_empty() {
        return Ok(());
    }
    let Some(line) = line() else {
        // The first process has nobody to say it for it, so it is written down as yet unknown.
        records.into_iter().for_each(window::report);
        return Ok(());
    };
    window::announce(line.number(), records);
    let announced = line.say(&Message::Execve(line.number()));
    std::mem::forget(line);
    announced.map(drop)
}

/// What execve takes, in the form in which the kernel takes it: behind a filter there may be no way
/// left to get memory for it.
struct Image {
    path: CString,
    arguments: Strings,
    environment: Strings,
}

struct Strings {
    /// Where the strings lie, with a null at the end.
    places: Vec<*const libc::c_char>,
    _strings: Vec<CString>,
}

impl Strings {
    fn new(list: &[OsString]) -> std::result::Result<Strings, Errno> {
        let strings: Vec<CString> =
            list.iter().map(|text| c_string(text)).collect::<std::result::Result<_, _>>()?;
        let places = strings.iter().map(|text| text.as_ptr());
        Ok(Strings { places: places.chain([std::ptr::null()]).collect(), _strings: strings })
    }
}

impl Image {
    fn new(
        program: &Path,
        arguments: &[OsString],
        environment: &[OsString],
    ) -> std::result::Result<Image, Errno> {
        Ok(Image {
            path: c_string(program.as_os_str())?,
            arguments: Strings::new(arguments)?,
            environment: Strings::new(environment)?,
        })
    }

    /// Returns only when it fails.
    fn execve(&self) -> Errno {
        let (arguments, environment) = (&self.arguments.places, &self.environment.places);
        // SAFETY: the path ends with a zero byte, and so does each string; both lists end with a null,
        // and all of it lives in `self`, which outlives the call.
        unsafe { libc::execve(self.path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        Errno::last()
    }
}

/// The descriptor of the line to the parent, for `execve`; -1 in the first process.
static LINE: AtomicI32 = AtomicI32::new(-1);

pub(crate) fn set_line(line: &Line) {
    LINE.store(line.as_fd().as_raw_fd(), Ordering::Relaxed);
}

fn line() -> Option<Line> {
    let fd = LINE.load(Ordering::Relaxed);
    // SAFETY: the child's end of the line stays open until this process ends or becomes another
    // program, and the caller forgets the copy instead of closing it.
    (fd >= 0).then(|| Line::from_fd(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// Ends the line to the parent from this side, so that it sees that nothing more will come.
pub(crate) fn hang_up() {
    let line = LINE.swap(-1, Ordering::Relaxed);
    if line >= 0 {
        let _ = shutdown(line, Shutdown::Both);
    }
}

/// The descriptors through which this process speaks to its parent and to the window. Behind a filter
/// with a listener, `sendmsg` and `sendto` on them must pass without an answer.
pub fn lifelines() -> Vec<i32> {
    let line = LINE.load(Ordering::Relaxed);
    (line >= 0).then_some(line).into_iter().chain(window::wire_number()).collect()
}

/// Finds a program as a shell would: by its path when it has a slash, else in `search`, a list of
/// directories with `:` between them.
///
/// # Errors
/// [`Error::NotFound`] and [`Error::NotExecutable`], which have exit codes of their own.
pub fn find_program(program: &OsStr, search: &OsStr) -> Result<PathBuf> {
    let shown = program.to_string_lossy().into_owned();
    if program.as_bytes().contains(&b'/') {
        let path = PathBuf::from(program);
        return match executable(&path) {
            Ok(true) => Ok(path),
            Ok(false) => Err(not_executable(&shown, &path)),
            Err(error) if is_missing(&error) => {
                Err(Error::NotFound { program: shown, searched: "the file system".into() })
            }
            Err(error) => Err(Error::NotExecutable { program: shown, why: error.to_string() }),
        };
    }
    if program.is_empty() {
        return Err(Error::NotFound {
            program: shown,
            searched: "PATH, for it has no name".into(),
        });
    }
    let candidates = std::env::split_paths(search).map(|directory| directory.join(program));
    let mut refused = None;
    for path in candidates {
        match executable(&path) {
            Ok(true) => return Ok(path),
            Ok(false) => refused = refused.or(Some(path)),
            Err(_) => {}
        }
    }
    match refused {
        Some(path) => Err(not_executable(&shown, &path)),
        None => Err(Error::NotFound {
            program: shown,
            searched: format!("PATH ({})", search.to_string_lossy()),
        }),
    }
}

fn executable(path: &Path) -> std::io::Result<bool> {
    let metadata = fs::metadata(path)?;
    Ok(metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn not_executable(program: &str, path: &Path) -> Error {
    let why = match path.is_dir() {
        true => "it is a directory".to_string(),
        false => format!("{} has no execute permission (chmod +x gives it)", path.display()),
    };
    Error::NotExecutable { program: program.to_string(), why }
}

/// Whether the process has run an execve since it was made. The kernel keeps this as a flag
/// (PF_FORKNOEXEC), also for a process that has ended, until its status is taken.
pub(crate) fn has_execed(pid: i32) -> Option<bool> {
    const PF_FORKNOEXEC: u64 = 0x40;
    const FLAGS: usize = 6;
    if !window::proc_is_ours() {
        return None;
    }
    let flags: u64 = crate::process::stat_field(pid, FLAGS)?;
    Some(flags & PF_FORKNOEXEC == 0)
}

#[cfg(test)]
mod tests {
    use super::find_program;

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let found = find_program("sh".as_ref(), "/nowhere:/bin:/usr/bin".as_ref()).unwrap();
        assert_eq!(found.to_string_lossy(), "/bin/sh");
        let missing = find_program("no-such-program".as_ref(), "/bin".as_ref()).unwrap_err();
        assert_eq!(missing.exit_code(), 127);
        let refused = find_program("/etc/passwd".as_ref(), "".as_ref()).unwrap_err();
        assert_eq!(refused.exit_code(), 126);
        assert!(refused.to_string().contains("execute permission"), "{refused}");
    }
}
