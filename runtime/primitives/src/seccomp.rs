//! Fewer system calls: filters that the kernel asks before it does anything.
//!
//! A filter is a small program. The kernel runs it at the door, before each system call, over the
//! number of the call and its arguments; what it returns decides. It can never be taken out again.
//!
//! A filter is there for what comes after, but the first process it meets is the one that puts it in,
//! which has still to become another program and to report both. [`seccomp_on_execve`] takes care of
//! that: the filter is laid ready and announced, and goes in when nothing is left to do but `execve`.

use std::fmt::{self, Debug, Formatter};
use std::panic::Location;

use nix::errno::Errno;
use trace::{Arg, Record};

use crate::args::{ToArg, Word, fields, flags};
use crate::error::{Error, Result};
use crate::gate::{Asked, Call, ask_first, perform};

/// One instruction of a filter, as the kernel takes it: `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do: a class, a size or operation, a mode.
    pub code: u16,
    /// How many instructions to skip when a comparison holds.
    pub jt: u8,
    /// How many instructions to skip when it does not.
    pub jf: u8,
    /// The value: an offset, a constant, what to return.
    pub k: u32,
}

bitflags::bitflags! {
    /// How a filter is put in.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct FilterFlags: u32 {
        /// For all threads of the process.
        const SECCOMP_FILTER_FLAG_TSYNC = libc::SECCOMP_FILTER_FLAG_TSYNC as u32;
        /// The kernel's log tells of every call that was not simply allowed.
        const SECCOMP_FILTER_FLAG_LOG = libc::SECCOMP_FILTER_FLAG_LOG as u32;
        /// Without the guard against speculation that a filter otherwise brings along.
        const SECCOMP_FILTER_FLAG_SPEC_ALLOW = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW as u32;
        /// Calls that the filter wants answered can be read from a descriptor.
        const SECCOMP_FILTER_FLAG_NEW_LISTENER = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as u32;
        /// Only a fatal signal interrupts a call that is being answered.
        const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV =
            libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV as u32;
    }
}

impl ToArg for FilterFlags {
    fn to_arg(&self) -> Arg {
        flags(self)
    }
}

/// Puts a filter in front of every system call of this process and of all that it makes, for ever.
///
/// With a window open the filter must let through what a report needs: a `sendmsg` on the descriptors
/// of [`crate::lifelines`]. A filter for another program is put in by [`seccomp_on_execve`].
///
/// - man: seccomp(2)
/// - since: Linux 3.17; flags: LOG 4.14, NEW_LISTENER 5.0
/// - EACCES: without CAP_SYS_ADMIN a process must first give up gaining rights: no_new_privs
/// - EINVAL: the program jumps out of itself, is longer than 4096 instructions, or does not end in a
///   return
/// - ENOMEM: all filters of the process together are too long
#[track_caller]
pub fn seccomp_set_mode_filter(
    filter: &[Instruction],
    flags: FilterFlags,
    why: &'static str,
) -> Result<()> {
    perform(described("seccomp_set_mode_filter", filter, flags), why, || {
        install(filter, flags).map(drop)
    })
}

pub(crate) fn described(
    primitive: &'static str,
    filter: &[Instruction],
    flags: FilterFlags,
) -> impl FnOnce() -> Call + use<> {
    let program = fields([("len", Arg::Number(i64::try_from(filter.len()).unwrap_or(i64::MAX)))]);
    let args = vec![Word("SECCOMP_SET_MODE_FILTER").to_arg(), flags.to_arg(), program];
    move || Call::new("seccomp", primitive, args)
}

/// The bare call: 0, or the descriptor of the listener.
pub(crate) fn install(
    filter: &[Instruction],
    flags: FilterFlags,
) -> std::result::Result<i32, Errno> {
    let one = |i: &Instruction| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k };
    let mut program: Vec<libc::sock_filter> = filter.iter().map(one).collect();
    let len = u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?;
    let whole = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    let (number, mode) = (libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER);
    // SAFETY: `whole` says how long `program` is, and both live until the call returns, which copies.
    let done = unsafe { libc::syscall(number, mode, flags.bits(), &raw const whole) };
    let done =
        i32::try_from(Errno::result(done)?).expect("descriptors and threads fit into an i32");
    let listens = flags.contains(FilterFlags::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    match done {
        // A thread that has another filter, and could not be given this one.
        1.. if !listens => Err(Errno::ESRCH),
        done => Ok(done),
    }
}

/// A filter that goes in together with the next program: see [`seccomp_on_execve`].
pub struct ReadyFilter {
    filter: Vec<Instruction>,
    flags: FilterFlags,
    asked: Asked,
}

impl Debug for ReadyFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "ReadyFilter of {} instructions, {:?}", self.filter.len(), self.flags)
    }
}

/// Lays a filter ready for [`crate::execve_behind`], which puts it in and becomes a program in one
/// breath: nothing of ours has to pass it but that `execve`.
///
/// - man: seccomp(2)
/// - since: Linux 3.17; flags: LOG 4.14, NEW_LISTENER 5.0
/// - EACCES: without CAP_SYS_ADMIN a process must first give up gaining rights: no_new_privs
/// - EINVAL: the program jumps out of itself, is longer than 4096 instructions, or does not end in a
///   return
/// - ENOMEM: all filters of the process together are too long
#[track_caller]
pub fn seccomp_on_execve(
    filter: &[Instruction],
    flags: FilterFlags,
    why: &'static str,
) -> Result<ReadyFilter> {
    let call = described("seccomp_on_execve", filter, flags);
    let asked = ask_first(call, why, Location::caller())?;
    Ok(ReadyFilter { filter: filter.to_vec(), flags, asked })
}

impl ReadyFilter {
    pub(crate) fn record(&self) -> Option<Record> {
        self.asked.record.clone()
    }

    pub(crate) fn install(&mut self) -> std::result::Result<(), Errno> {
        self.asked.make(|| install(&self.filter, self.flags).map(drop))
    }

    /// It is in, and yet this process is still here to say so: where the filter lets it.
    pub(crate) fn report(self) {
        self.asked.succeeded(Arg::Number(0));
    }

    pub(crate) fn failed(self, errno: Errno) -> Error {
        self.asked.failed(errno)
    }
}

/// Whether this kernel knows an action of filters, such as `SECCOMP_RET_USER_NOTIF`, by its number.
/// Asking changes nothing.
pub fn seccomp_action_available(action: u32) -> bool {
    let (number, what) = (libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL);
    // SAFETY: the call reads one number, which lives until it returns.
    let answer = unsafe { libc::syscall(number, what, 0, &raw const action) };
    answer == 0
}

/// How many filters the kernel runs for a process; none where it does not tell, before Linux 5.9.
/// It counts also for one that has ended, until its status is taken.
pub(crate) fn filters_of(pid: i32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{FilterFlags, Instruction, install, seccomp_action_available};
    use nix::errno::Errno;

    #[test]
    fn a_filter_that_has_no_end_is_refused() {
        let load = Instruction { code: 0x20, jt: 0, jf: 0, k: 0 };
        // The kernel looks at the program before it looks at who asks.
        assert_eq!(install(&[load], FilterFlags::empty()), Err(Errno::EINVAL));
        assert_eq!(install(&[], FilterFlags::empty()), Err(Errno::EINVAL));
    }

    #[test]
    fn actions_are_known_or_not() {
        assert!(seccomp_action_available(libc::SECCOMP_RET_ALLOW));
        assert!(!seccomp_action_available(0x7ff1_0000));
    }
}
