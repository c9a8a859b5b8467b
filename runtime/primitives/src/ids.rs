//! Who is who in a user namespace: maps of ids, and taking on other ids.

use std::ffi::OsString;
use std::path::Path;

use nix::unistd::{Gid, Pid, Uid};
use trace::Arg;

use crate::ToArg;
use crate::call;
use crate::error::{Error, Result};
use crate::exec::execve_shown;
use crate::files::write_once;
use crate::gate::perform;
use crate::spawn::{Birth, spawn};
use crate::wait::Status;

/// One line of a map: `count` ids from `inside` on are, seen from the parent's user namespace, the
/// ids from `outside` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMap {
    /// The first id in the new namespace.
    pub inside: u32,
    /// The first id in the namespace above.
    pub outside: u32,
    /// How many follow each other.
    pub count: u32,
}

impl IdMap {
    /// A single id.
    pub fn one(inside: u32, outside: u32) -> IdMap {
        IdMap { inside, outside, count: 1 }
    }
}

impl ToArg for IdMap {
    fn to_arg(&self) -> Arg {
        Arg::IdMap(vec![[self.inside, self.outside, self.count]])
    }
}

/// Says which users of the namespace above the users in a process's user namespace are.
///
/// It can be said once, for all lines in one write. Until then everybody inside is "nobody", 65534.
///
/// - man: user_namespaces(7)
/// - since: Linux 3.8; 340 lines instead of 5 since 4.15
/// - EPERM: without CAP_SETUID in the namespace above one may map oneself alone, on a single line; or
///   the map was written before
/// - EACCES: the process has ended
/// - ENOENT: the process has ended, and its status was taken
/// - EINVAL: the lines overlap, or there are too many, or one is no triple of numbers
#[track_caller]
pub fn write_uid_map(pid: Option<Pid>, map: &[IdMap], why: &'static str) -> Result<()> {
    let call = call!("write" as "write_uid_map", file(pid, "uid_map"), lines(map));
    perform(call, why, || write_once(&path(pid, "uid_map"), text(map).as_bytes()))
}

/// Says which groups of the namespace above the groups in a process's user namespace are.
///
/// - man: user_namespaces(7)
/// - since: Linux 3.8; needs setgroups to be denied first since 3.19, when written without privilege
/// - EPERM: without CAP_SETGID in the namespace above, first write "deny" to setgroups; then one may
///   map one's own group alone; or the map was written before
/// - EACCES: the process has ended
/// - ENOENT: the process has ended, and its status was taken
/// - EINVAL: the lines overlap, or there are too many, or one is no triple of numbers
#[track_caller]
pub fn write_gid_map(pid: Option<Pid>, map: &[IdMap], why: &'static str) -> Result<()> {
    let call = call!("write" as "write_gid_map", file(pid, "gid_map"), lines(map));
    perform(call, why, || write_once(&path(pid, "gid_map"), text(map).as_bytes()))
}

/// Forbids a user namespace to change its supplementary groups, for ever.
///
/// A group can *forbid* something (`rwx---r-x`: everybody but its members may). Who could leave such
/// a group by making a user namespace would get around it.
///
/// - man: user_namespaces(7)
/// - since: Linux 3.19
/// - EPERM: the gid map is written already: this comes before it
/// - EACCES: the process has ended
#[track_caller]
pub fn deny_setgroups(pid: Option<Pid>, why: &'static str) -> Result<()> {
    let call = call!("write" as "deny_setgroups", file(pid, "setgroups"), "deny");
    perform(call, why, || write_once(&path(pid, "setgroups"), b"deny"))
}

/// Takes on a user id: real, effective and saved.
///
/// - man: setresuid(2)
/// - since: Linux 2.1.44
/// - EPERM: without CAP_SETUID one can only change between the three that one has
/// - EINVAL: the id is not mapped in this user namespace
#[track_caller]
pub fn setresuid(uid: u32, why: &'static str) -> Result<()> {
    let id = Uid::from_raw(uid);
    perform(call!("setresuid", uid, uid, uid), why, || nix::unistd::setresuid(id, id, id))
}

/// Takes on a group id: real, effective and saved.
///
/// - man: setresgid(2)
/// - since: Linux 2.1.44
/// - EPERM: without CAP_SETGID one can only change between the three that one has
/// - EINVAL: the id is not mapped in this user namespace
#[track_caller]
pub fn setresgid(gid: u32, why: &'static str) -> Result<()> {
    let id = Gid::from_raw(gid);
    perform(call!("setresgid", gid, gid, gid), why, || nix::unistd::setresgid(id, id, id))
}

/// Replaces the supplementary groups.
///
/// - man: setgroups(2)
/// - since: Linux 1.0
/// - EPERM: this needs CAP_SETGID, and in a user namespace the gid map written and setgroups not
///   denied
/// - EINVAL: a group is not mapped in this user namespace, or there are too many
#[track_caller]
pub fn setgroups(groups: &[u32], why: &'static str) -> Result<()> {
    let shown = Arg::List(groups.iter().map(ToArg::to_arg).collect());
    let count = u32::try_from(groups.len()).unwrap_or(u32::MAX);
    let ids: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    perform(call!("setgroups", count, shown), why, || nix::unistd::setgroups(&ids))
}

/// Which of the two maps a set-user-ID helper shall write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helper {
    /// `newuidmap`, by /etc/subuid.
    Newuidmap,
    /// `newgidmap`, by /etc/subgid.
    Newgidmap,
}

/// Has a map of several ids written by a program that may: `newuidmap` or `newgidmap`.
///
/// They are set-user-ID root and look into /etc/subuid or /etc/subgid whether the ids were given to
/// this user. The program runs in a child of its own, whose requests are in the trace as well.
///
/// # Errors
/// [`Error::NotFound`] when the program is not installed (Debian: `uidmap`); [`Error::Unusable`] when
/// it refuses, after it said why on standard error.
#[track_caller]
pub fn run_map_helper(helper: Helper, pid: Pid, map: &[IdMap], why: &'static str) -> Result<()> {
    let (name, ranges) = match helper {
        Helper::Newuidmap => ("newuidmap", "/etc/subuid"),
        Helper::Newgidmap => ("newgidmap", "/etc/subgid"),
    };
    let program = crate::find_program(name.as_ref(), "/usr/bin:/usr/local/bin:/bin".as_ref())?;
    let mut arguments: Vec<OsString> = vec![name.into(), pid.to_string().into()];
    for line in map {
        arguments.extend([line.inside, line.outside, line.count].map(|n| n.to_string().into()));
    }
    let shown = shown_arguments(name, pid, &arguments);
    let child = spawn(name, Birth::default(), why, |_| run(&program, &arguments, shown))?;
    match child.finish("see whether the helper has written the map")? {
        Status::Exited(0) => Ok(()),
        status => Err(Error::Unusable(format!(
            "{name} refused ({status}): are these ids given to you in {ranges}?"
        ))),
    }
}

fn run(program: &Path, arguments: &[OsString], shown: Arg) -> Result<u8> {
    let why = "run the program that may write the map";
    match execve_shown(program, arguments, shown, &[], why)? {}
}

/// The arguments in the trace: the second is a process, which differs in each run.
fn shown_arguments(name: &str, pid: Pid, arguments: &[OsString]) -> Arg {
    let start = [Arg::Text(name.to_string()), Arg::PidText(pid.as_raw())];
    Arg::List(start.into_iter().chain(arguments[2..].iter().map(ToArg::to_arg)).collect())
}

fn file(pid: Option<Pid>, name: &str) -> Arg {
    match pid {
        Some(pid) => Arg::ProcPath { pid: pid.as_raw(), file: name.to_string() },
        None => Arg::Path(format!("/proc/self/{name}")),
    }
}

fn path(pid: Option<Pid>, name: &str) -> std::path::PathBuf {
    match pid {
        Some(pid) => format!("/proc/{pid}/{name}").into(),
        None => format!("/proc/self/{name}").into(),
    }
}

fn lines(map: &[IdMap]) -> Arg {
    Arg::IdMap(map.iter().map(|line| [line.inside, line.outside, line.count]).collect())
}

fn text(map: &[IdMap]) -> String {
    let lines: Vec<String> =
        map.iter().map(|line| format!("{} {} {}", line.inside, line.outside, line.count)).collect();
    lines.join("\n")
}

/// The lines of a map as the kernel prints it.
pub(crate) fn parse_map(text: &str) -> Vec<[u32; 3]> {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
    };
    text.lines().filter_map(line).collect()
}

/// The user and group that this process acts as: its effective ids. Asking changes nothing.
pub fn own_ids() -> (u32, u32) {
    (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::{IdMap, lines, parse_map, text};

    #[test]
    fn a_map_is_written_as_the_kernel_reads_it() {
        let map = [IdMap::one(0, 1000), IdMap { inside: 1, outside: 100_000, count: 65_536 }];
        assert_eq!(text(&map), "0 1000 1\n1 100000 65536");
        assert_eq!(lines(&map).to_string(), "\"0 1000 1\\n1 100000 65536\"");
    }

    #[test]
    fn a_map_is_read_as_the_kernel_prints_it() {
        let printed = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!(parse_map(printed), [[0, 1000, 1], [1, 100_000, 65_536]]);
    }
}
