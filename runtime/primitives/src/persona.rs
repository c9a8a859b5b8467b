//! What is a process to the kernel and to other processes, besides its ids and rights?

use std::path::Path;

use nix::errno::Errno;
use nix::unistd::Pid;
use trace::Arg;

use crate::args::{ToArg, Word};
use crate::call;
use crate::error::Result;
use crate::files::write_once;
use crate::gate::{Shown, perform};
use crate::process::c_string;

/// The number of a keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyring(i32);

impl Shown for Keyring {
    fn shown(&self) -> Arg {
        Arg::Number(i64::from(self.0))
    }
}

/// Leaves the session keyring for another one, of this name: one that is there, or a new one. Keys
/// that somebody keeps in the old one cannot be reached from then on.
///
/// - man: keyctl(2), KEYCTL_JOIN_SESSION_KEYRING(2const), session-keyring(7)
/// - since: Linux 2.6.10
/// - ENOSYS: this kernel has no keyrings
/// - EDQUOT: the user has too many keys: see /proc/sys/kernel/keys
/// - EPERM: there is one of this name that may not be joined, or a filter forbids it
#[track_caller]
pub fn keyctl_join_session_keyring(name: &str, why: &'static str) -> Result<Keyring> {
    let what = Word("KEYCTL_JOIN_SESSION_KEYRING");
    perform(call!("keyctl" as "keyctl_join_session_keyring", what, name), why, || {
        let text = c_string(name.as_ref())?;
        let (number, what) = (libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING);
        // SAFETY: the string ends with a zero byte and lives until the call returns, which copies it.
        let ring = Errno::result(unsafe { libc::syscall(number, what, text.as_ptr()) })?;
        i32::try_from(ring).map(Keyring).map_err(|_| Errno::EOVERFLOW)
    })
}

/// Says who may do what with a keyring: six bits each for who holds it, its user, its group and all
/// others, from the highest byte down.
///
/// - man: keyctl(2), KEYCTL_SETPERM(2const)
/// - since: Linux 2.6.10
/// - EACCES: the keyring is another user's
/// - ENOKEY: there is no such keyring any more
#[track_caller]
pub fn keyctl_setperm(keyring: Keyring, permissions: u32, why: &'static str) -> Result<()> {
    let bits = Arg::Word(format!("{permissions:#x}"));
    perform(
        call!("keyctl" as "keyctl_setperm", Word("KEYCTL_SETPERM"), keyring.0, bits),
        why,
        || {
            let (number, what) = (libc::SYS_keyctl, libc::KEYCTL_SETPERM);
            // SAFETY: the call takes numbers alone.
            Errno::result(unsafe { libc::syscall(number, what, keyring.0, permissions) }).map(drop)
        },
    )
}

/// Who may do what with a keyring, as [`keyctl_setperm`] takes it. Asking changes nothing.
///
/// # Errors
/// The errno of keyctl(2).
pub fn keyring_permissions(keyring: Keyring) -> std::result::Result<u32, Errno> {
    // The kernel's answer is `type;uid;gid;permissions;name`.
    let mut room = [0_u8; 4096];
    let (number, what) = (libc::SYS_keyctl, libc::KEYCTL_DESCRIBE);
    // SAFETY: the call writes at most as many bytes as the room has, which outlives it.
    let told = unsafe { libc::syscall(number, what, keyring.0, room.as_mut_ptr(), room.len()) };
    let length = usize::try_from(Errno::result(told)?).unwrap_or(0).min(room.len());
    let text = String::from_utf8_lossy(&room[..length]);
    let permissions = text.split(';').nth(3).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    permissions.ok_or(Errno::EBADMSG)
}

/// A Linux that a program believes to run on: `PER_…` in `linux/personality.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persona {
    /// This one.
    Linux,
    /// One of 32 bits: uname(2) says i686.
    Linux32,
}

impl ToArg for Persona {
    fn to_arg(&self) -> Arg {
        Word(match self {
            Persona::Linux => "PER_LINUX",
            Persona::Linux32 => "PER_LINUX32",
        })
        .to_arg()
    }
}

/// Says which Linux this process and its children believe to run on.
///
/// - man: personality(2)
/// - since: Linux 1.1.20
/// - EPERM: a filter forbids it
#[track_caller]
pub fn personality(persona: Persona, why: &'static str) -> Result<()> {
    perform(call!("personality", persona), why, || {
        let number: libc::c_ulong = match persona {
            Persona::Linux => 0,
            Persona::Linux32 => 8,
        };
        // SAFETY: the call takes a number alone, and changes what this process is told, not its memory.
        Errno::result(unsafe { libc::personality(number) })
    })
    .map(drop)
}

/// Hides this process from others of its user, or lets them see it: who is not dumpable cannot be
/// traced, and its files in `/proc` are root's.
///
/// - man: PR_SET_DUMPABLE(2const), prctl(2)
/// - since: Linux 2.3.20
#[track_caller]
pub fn prctl_set_dumpable(dumpable: bool, why: &'static str) -> Result<()> {
    let value = Word(if dumpable { "SUID_DUMP_USER" } else { "SUID_DUMP_DISABLE" });
    let call = call!("prctl" as "prctl_set_dumpable", Word("PR_SET_DUMPABLE"), value);
    perform(call, why, || nix::sys::prctl::set_dumpable(dumpable))
}

/// Says how readily the kernel kills a process when memory is short: from -1000, never, to 1000.
///
/// - man: proc_pid_oom_score_adj(5)
/// - since: Linux 2.6.36
/// - EACCES: to go below what it is takes CAP_SYS_RESOURCE
/// - EINVAL: the value is not between -1000 and 1000
/// - ENOENT: the process has ended
#[track_caller]
pub fn write_oom_score_adj(pid: Pid, value: i32, why: &'static str) -> Result<()> {
    let file = Arg::ProcPath { pid: pid.as_raw(), file: "oom_score_adj".to_string() };
    let text = value.to_string();
    perform(call!("write" as "write_oom_score_adj", file, text), why, || {
        let path = format!("/proc/{pid}/oom_score_adj");
        write_once(Path::new(&path), text.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::{Keyring, keyring_permissions};

    #[test]
    fn a_keyring_that_is_not_there_has_no_permissions() {
        assert!(keyring_permissions(Keyring(i32::MAX)).is_err());
    }
}
