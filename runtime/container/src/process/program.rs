//! Which program, with which files, and the moment in which it takes over.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bundle::Process;
use primitives::{
    CANNOT_EXECUTE, Errno, Error, Failure, NOT_FOUND, Result, close_range_on_exec, default_signals,
    execve, execve_behind, may_execute, read_untrusted, seccomp_on_execve, step, step_giving,
};

use super::Ready;

/// Descriptors that the program inherits beside its standard input and output: those from 3 on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inherited {
    /// How many.
    count: u32,
    /// What the program is told of them.
    env: Vec<OsString>,
}

/// The descriptors that this process was given for the program: those of socket activation
/// (sd_listen_fds(3)), and then so many as `--preserve-fds` says. Asked by the parent, before it opens
/// any itself.
///
/// # Errors
/// When one of them is not open.
pub fn inherited(preserve: u32) -> Result<Inherited> {
    let variable = |name| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let ours = variable("LISTEN_PID") == Some(std::process::id());
    let listening = if ours { variable("LISTEN_FDS").unwrap_or(0) } else { 0 };
    let count = listening.saturating_add(preserve);
    for fd in 3..count.saturating_add(3) {
        if std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_err() {
            return Err(Error::Unusable(format!(
                "unable to stat preserved-fd {} (of {count}): descriptor {fd} is not open",
                fd - 3
            )));
        }
    }
    let env = match listening {
        0 => Vec::new(),
        // The program is the first process of its pid namespace.
        _ => vec![format!("LISTEN_FDS={listening}").into(), "LISTEN_PID=1".into()],
    };
    Ok(Inherited { count, env })
}

/// A program file, by what no path can pretend: its device and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Myself {
    device: u64,
    inode: u64,
}

/// The file of this very program.
pub(super) fn myself() -> Option<Myself> {
    std::fs::metadata("/proc/self/exe").ok().map(|file| Myself::of(&file))
}

impl Myself {
    fn of(file: &std::fs::Metadata) -> Myself {
        Myself { device: file.dev(), inode: file.ino() }
    }
}

/// Sees whether there is such a program, while somebody waits who made the container and can say so.
/// It is looked for with the rights that this process still has; [`execute`] looks again.
///
/// # Errors
/// As runc words them where there is none, with the exit codes of a shell.
pub fn look_for_program(ready: &Ready) -> Result<()> {
    let program = find(&ready.args[0], &ready.env)?;
    refuse_myself(&program, ready.myself)
}

/// Becomes the container's program: finds it, sees to it that no descriptor goes along, and goes
/// behind the filter in the same breath.
///
/// # Errors
/// As runc words them where there is no such program, with the exit codes of a shell; and those of the
/// requests.
pub fn execute(process: &Process, mut ready: Ready, inherited: &Inherited) -> Result<Infallible> {
    default_signals();
    complete(&mut ready.env, inherited, process.user.uid);
    let program = find(&ready.args[0], &ready.env)?;
    refuse_myself(&program, ready.myself)?;
    if ready.asks() {
        return Err(Error::Unusable(
            "the filter's listener was not handed over, so nobody could be asked".to_string(),
        ));
    }
    step("let go of all files", || {
        close_range_on_exec(3 + inherited.count, "let no file of the host go along")
    })?;
    step_giving("become the program", || {
        let why = "run what the container is for";
        match ready.filter.take() {
            None => execve(&program, &ready.args, &ready.env, why),
            Some(filter) => {
                let why_filter = "make only the calls that the configuration allows";
                let filter = seccomp_on_execve(&filter.program, filter.flags, why_filter)?;
                execve_behind(filter, &program, &ready.args, &ready.env, why)
            }
        }
    })
}

/// What every program counts on: a home.
fn complete(env: &mut Vec<OsString>, inherited: &Inherited, uid: u32) {
    env.extend(inherited.env.iter().cloned());
    let is_home = |entry: &OsString| entry.as_bytes().starts_with(b"HOME=");
    let empty = |entry: &OsString| is_home(entry) && entry.len() == "HOME=".len();
    if env.iter().any(|entry| is_home(entry) && !empty(entry)) {
        return;
    }
    env.retain(|entry| !is_home(entry));
    let mut entry = OsString::from("HOME=");
    entry.push(home(uid).unwrap_or_else(|| "/".into()));
    env.push(entry);
}

/// The home of a user, as the container's own /etc/passwd has it. The file is the image's, so it is
/// read up to a bound.
fn home(uid: u32) -> Option<OsString> {
    const LARGEST: u64 = 1 << 20;
    let text = read_untrusted(Path::new("/etc/passwd"), LARGEST).ok()?;
    home_in(&text, uid)
}

/// passwd(5): `name:password:uid:gid:comment:home:shell`.
fn home_in(passwd: &[u8], uid: u32) -> Option<OsString> {
    let uid = uid.to_string();
    let mut lines = passwd.split(|byte| *byte == b'\n');
    let fields = |line: &[u8]| line.split(|byte| *byte == b':').map(<[u8]>::to_vec).collect();
    lines.find_map(|line| {
        let fields: Vec<Vec<u8>> = fields(line);
        let theirs = fields.get(2).is_some_and(|field| field == uid.as_bytes());
        let home = fields.get(5).filter(|home| theirs && !home.is_empty())?;
        // A zero byte would end the environment's entry early.
        (!home.contains(&0)).then(|| OsStr::from_bytes(home).to_os_string())
    })
}

/// The file of a program: by its path where the name has a slash, else by the container's own PATH.
fn find(name: &OsStr, env: &[OsString]) -> Result<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        return match executable(&path) {
            Ok(()) => Ok(path),
            Err(Errno::ENOENT) => {
                let stat = format!("stat {}: no such file or directory", path.display());
                Err(no_program(name, &stat, NOT_FOUND))
            }
            Err(errno) => Err(no_program(name, said(errno), CANNOT_EXECUTE)),
        };
    }
    let path = env.iter().rev().find_map(|entry| entry.as_bytes().strip_prefix(b"PATH="));
    let mut refused = false;
    for directory in std::env::split_paths(OsStr::from_bytes(path.unwrap_or_default())) {
        let path = directory.join(name);
        match executable(&path) {
            // A directory that is not absolute depends on where one stands: who put `.` there?
            Ok(()) if path.is_absolute() => return Ok(path),
            Ok(()) => {
                let dot = "cannot run executable found relative to current directory";
                return Err(no_program(name, dot, CANNOT_EXECUTE));
            }
            Err(errno) => refused |= errno == Errno::EACCES,
        }
    }
    let code = if refused { CANNOT_EXECUTE } else { NOT_FOUND };
    Err(no_program(name, "executable file not found in $PATH", code))
}

fn executable(path: &Path) -> std::result::Result<(), Errno> {
    let file = std::fs::metadata(path).map_err(errno_of)?;
    if file.is_dir() {
        return Err(Errno::EISDIR);
    }
    match may_execute(path) {
        // The kernel's word at execve counts, where it has no other.
        Err(Errno::ENOSYS | Errno::EPERM) if file.mode() & 0o111 != 0 => Ok(()),
        Err(Errno::ENOSYS | Errno::EPERM) => Err(Errno::EACCES),
        other => other,
    }
}

fn errno_of(error: std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn said(errno: Errno) -> &'static str {
    match errno {
        // Of a directory too: by these words Docker and Podman make 126 of it.
        Errno::EACCES | Errno::EISDIR => "permission denied",
        Errno::ENOTDIR => "not a directory",
        Errno::ELOOP => "too many levels of symbolic links",
        other => other.desc(),
    }
}

/// Worded as runc words it, because engines look for these words.
fn no_program(name: &OsStr, why: &str, code: u8) -> Error {
    let message = format!("exec: {name:?}: {why}");
    Error::Child(Failure { message, code })
}

/// The runtime's own program is no program of a container: run in there, it would be a process of the
/// container that has the runtime's file open (CVE-2019-5736). That file is also not the interpreter
/// of a script.
fn refuse_myself(program: &Path, myself: Option<Myself>) -> Result<()> {
    let Some(myself) = myself else {
        return Ok(());
    };
    let mut file = program.to_path_buf();
    // The kernel follows five interpreters (BINPRM_MAX_RECURSION) and no more.
    for _ in 0..6 {
        if std::fs::metadata(&file).is_ok_and(|file| Myself::of(&file) == myself) {
            let why = "this is the runtime itself, which does not run inside a container";
            return Err(no_program(program.as_os_str(), why, CANNOT_EXECUTE));
        }
        match interpreter(&file) {
            Some(next) => file = next,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// What a script names in its first line.
fn interpreter(file: &Path) -> Option<PathBuf> {
    // The kernel looks at so many bytes: BINPRM_BUF_SIZE.
    let start = read_untrusted(file, 256).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| *byte == b' ' || *byte == b'\t');
    let word = words.find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(word)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::{Inherited, complete, find, home_in, interpreter, myself, refuse_myself};

    #[test]
    fn programs_are_found_and_missed_as_in_runc() {
        let env = [OsString::from("PATH=/nowhere:/usr/bin:/bin")];
        assert!(find("sh".as_ref(), &env).unwrap().ends_with("bin/sh"));
        let said = |name: &str, env: &[OsString]| {
            let error = find(name.as_ref(), env).unwrap_err();
            (error.to_string(), error.exit_code())
        };
        let missing = "exec: \"foo\": executable file not found in $PATH";
        assert_eq!(said("foo", &env), (missing.to_string(), 127));
        assert_eq!(said("foo", &[]).1, 127);
        let missing = "exec: \"/no/foo\": stat /no/foo: no such file or directory";
        assert_eq!(said("/no/foo", &env), (missing.to_string(), 127));
        assert_eq!(said("/etc", &env), ("exec: \"/etc\": permission denied".to_string(), 126));
        let denied = "exec: \"/etc/passwd\": permission denied";
        assert_eq!(said("/etc/passwd", &env), (denied.to_string(), 126));
        assert_eq!(said("/etc/passwd/x", &env).1, 126);
    }

    #[test]
    fn a_home_is_that_of_the_container() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\n#\nweb:x:33:33::/srv/w:/bin/false\nno:x:7";
        assert_eq!(home_in(passwd, 33).unwrap(), "/srv/w");
        assert_eq!(home_in(passwd, 7), None);
        assert_eq!(home_in(b"\xff:::\n", 0), None);
        let mut env = vec![OsString::from("HOME=/mine")];
        complete(&mut env, &Inherited::default(), 0);
        assert_eq!(env, ["HOME=/mine"]);
        let mut env = vec![OsString::from("HOME=")];
        complete(&mut env, &Inherited::default(), 4_000_000);
        assert_eq!(env, ["HOME=/"]);
    }

    #[test]
    fn the_runtime_does_not_run_itself() {
        assert!(refuse_myself(Path::new("/bin/sh"), myself()).is_ok());
        let error = refuse_myself(Path::new("/proc/self/exe"), myself()).unwrap_err();
        assert_eq!(error.exit_code(), 126);
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("script");
        primitives::create(&script, b"#! /proc/self/exe x\n", 0o755, "have a script").unwrap();
        assert_eq!(interpreter(&script).unwrap(), Path::new("/proc/self/exe"));
        assert!(refuse_myself(&script, myself()).is_err());
    }
}
