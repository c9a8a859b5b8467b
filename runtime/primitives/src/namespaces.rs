//! Namespaces: leaving one, joining another, and asking what they are.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::Pid;
use trace::Arg;

use crate::ToArg;
use crate::args::flags;
use crate::call;
use crate::error::Result;
use crate::gate::perform;

bitflags::bitflags! {
    /// A set of kinds of namespaces, by their names in clone(2). Where joined with other flags of
    /// `clone3` they are the same bits.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Namespaces: u64 {
        /// Mounts: the view of files.
        const CLONE_NEWNS = libc::CLONE_NEWNS as u64;
        /// Cgroups: which cgroup looks like the root.
        const CLONE_NEWCGROUP = libc::CLONE_NEWCGROUP as u64;
        /// Host and domain name.
        const CLONE_NEWUTS = libc::CLONE_NEWUTS as u64;
        /// System V IPC and POSIX message queues.
        const CLONE_NEWIPC = libc::CLONE_NEWIPC as u64;
        /// Users, groups and capabilities.
        const CLONE_NEWUSER = libc::CLONE_NEWUSER as u64;
        /// Process numbers.
        const CLONE_NEWPID = libc::CLONE_NEWPID as u64;
        /// Network devices, addresses, ports.
        const CLONE_NEWNET = libc::CLONE_NEWNET as u64;
        /// The monotonic and the boot clock.
        const CLONE_NEWTIME = 0x80;
    }
}

/// The kinds in the order of `/proc/PID/ns`, with the name that each has there.
pub const KINDS: [(&str, Namespaces); 8] = [
    ("cgroup", Namespaces::CLONE_NEWCGROUP),
    ("ipc", Namespaces::CLONE_NEWIPC),
    ("mnt", Namespaces::CLONE_NEWNS),
    ("net", Namespaces::CLONE_NEWNET),
    ("pid", Namespaces::CLONE_NEWPID),
    ("time", Namespaces::CLONE_NEWTIME),
    ("user", Namespaces::CLONE_NEWUSER),
    ("uts", Namespaces::CLONE_NEWUTS),
];

impl ToArg for Namespaces {
    fn to_arg(&self) -> Arg {
        flags(self)
    }
}

/// Leaves namespaces that are shared with others, for new ones of this process alone.
///
/// For pid and time namespaces it is the *children* made from now on that are in the new one: a
/// process keeps its number for as long as it lives. (On recent kernels it gets the new clocks with its
/// next execve.)
///
/// - man: unshare(2), namespaces(7)
/// - since: Linux 2.6.16; user namespaces without root since 3.8
/// - EPERM: only root may, or who makes a new user namespace in the same call (CLONE_NEWUSER, --user);
///   that may be forbidden too, in a chroot or by this system: see lab doctor
/// - EINVAL: a process with several threads cannot leave its user or pid namespace; or the kernel was
///   built without this kind
/// - ENOSPC: user or pid namespaces are nested too deeply (more than 32 levels), or there are too many
///   of this kind: see /proc/sys/user
/// - EUSERS: user namespaces are nested too deeply, before Linux 4.9
#[track_caller]
pub fn unshare(namespaces: Namespaces, why: &'static str) -> Result<()> {
    perform(call!("unshare", namespaces), why, || {
        let bits = i32::try_from(namespaces.bits()).expect("the kinds are bits of an int");
        // SAFETY: the call takes a number alone.
        Errno::result(unsafe { libc::unshare(bits) }).map(drop)
    })
}

/// Joins the namespace that a descriptor stands for: a file of `/proc/PID/ns`.
///
/// - man: setns(2), namespaces(7)
/// - since: Linux 3.0
/// - EPERM: this process lacks CAP_SYS_ADMIN in the namespace's user namespace: join that one first
/// - EINVAL: the descriptor is of another kind; or a user namespace that this process is in already
#[track_caller]
pub fn setns(namespace: BorrowedFd<'_>, kind: Namespaces, why: &'static str) -> Result<()> {
    perform(call!("setns", namespace, kind), why, || set(namespace, kind))
}

/// Joins several namespaces of a process at once, through a descriptor of the process itself.
///
/// - man: setns(2), pidfd_open(2)
/// - since: Linux 5.8
/// - EPERM: this process lacks CAP_SYS_ADMIN in one of the namespaces' user namespaces
/// - EINVAL: the process is in the user namespace of this one, so there is none to join
/// - ESRCH: the process has ended
#[track_caller]
pub fn setns_of_process(pidfd: BorrowedFd<'_>, kinds: Namespaces, why: &'static str) -> Result<()> {
    perform(call!("setns" as "setns_of_process", pidfd, kinds), why, || set(pidfd, kinds))
}

fn set(fd: BorrowedFd<'_>, kinds: Namespaces) -> std::result::Result<(), Errno> {
    let bits = i32::try_from(kinds.bits()).expect("the kinds are bits of an int");
    // SAFETY: the call takes numbers alone, and the descriptor is open for as long as it is borrowed.
    Errno::result(unsafe { libc::setns(fd.as_raw_fd(), bits) }).map(drop)
}

/// One namespace, as the kernel shows it in `/proc/PID/ns`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// `uts`, `pid_for_children`: the name of the file.
    pub name: String,
    /// Two processes are in the same namespace when its inode is the same.
    pub inode: u64,
}

/// The namespaces of a process (none: of this one), by name. Reading them changes nothing.
///
/// # Errors
/// Those of reading the links: the process is gone, or belongs to somebody else.
pub fn namespaces_of(pid: Option<Pid>) -> std::io::Result<Vec<Namespace>> {
    let folder = match pid {
        Some(pid) => format!("/proc/{pid}/ns"),
        None => "/proc/self/ns".to_string(),
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let target = match fs::read_link(entry.path()) {
            Ok(target) => target,
            // A pid namespace for children has no link until the first child is there.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if let Arg::Object { inode, .. } = Arg::from_proc_link(&target.to_string_lossy()) {
            found.push(Namespace { name, inode });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// Opens a namespace by its file. Reading alone, so it passes no gate.
///
/// # Errors
/// Those of opening the file.
pub fn open_namespace(path: &Path) -> std::io::Result<OwnedFd> {
    File::open(path).map(OwnedFd::from)
}

/// The user namespace that owns a namespace (`NS_GET_USERNS`, ioctl_ns(2)). Asking changes nothing.
///
/// # Errors
/// EPERM when it lies outside what this process can see.
pub fn owner_of(namespace: BorrowedFd<'_>) -> std::result::Result<OwnedFd, Errno> {
    const NS_GET_USERNS: libc::c_ulong = 0xb701;
    descriptor_from_ioctl(namespace, NS_GET_USERNS)
}

/// The namespace above a user or pid namespace (`NS_GET_PARENT`, ioctl_ns(2)). Asking changes
/// nothing.
///
/// # Errors
/// EPERM when it lies outside what this process can see; EINVAL for kinds that do not nest.
pub fn parent_of(namespace: BorrowedFd<'_>) -> std::result::Result<OwnedFd, Errno> {
    const NS_GET_PARENT: libc::c_ulong = 0xb702;
    descriptor_from_ioctl(namespace, NS_GET_PARENT)
}

/// The user who made a user namespace (`NS_GET_OWNER_UID`, ioctl_ns(2)). Asking changes nothing.
///
/// # Errors
/// EINVAL when the descriptor is not that of a user namespace.
pub fn owner_uid(namespace: BorrowedFd<'_>) -> std::result::Result<u32, Errno> {
    const NS_GET_OWNER_UID: libc::c_ulong = 0xb704;
    let mut uid: libc::uid_t = 0;
    // SAFETY: the request writes one uid_t, for which `uid` has room until the call returns.
    let done = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_OWNER_UID, &raw mut uid) };
    Errno::result(done).map(|_| uid)
}

fn descriptor_from_ioctl(
    namespace: BorrowedFd<'_>,
    request: libc::c_ulong,
) -> std::result::Result<OwnedFd, Errno> {
    // SAFETY: these requests take no argument and return a new descriptor.
    let fd = Errno::result(unsafe { libc::ioctl(namespace.as_fd().as_raw_fd(), request) })?;
    // SAFETY: the kernel has just opened this descriptor for us, nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The inode of an open namespace, which is its name.
///
/// # Errors
/// Those of fstat(2).
pub fn inode_of(namespace: BorrowedFd<'_>) -> std::result::Result<u64, Errno> {
    nix::sys::stat::fstat(namespace).map(|stat| stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::{KINDS, Namespaces, namespaces_of};
    use crate::ToArg;

    #[test]
    fn sets_are_shown_by_their_names() {
        let set = Namespaces::CLONE_NEWUTS | Namespaces::CLONE_NEWPID;
        assert_eq!(set.to_arg().to_string(), "CLONE_NEWUTS|CLONE_NEWPID");
        assert_eq!(Namespaces::empty().to_arg().to_string(), "0");
    }

    #[test]
    fn this_process_is_in_one_namespace_of_each_kind_that_the_kernel_has() {
        let names: Vec<String> =
            namespaces_of(None).unwrap().into_iter().map(|namespace| namespace.name).collect();
        assert!(names.contains(&"uts".to_string()));
        assert!(KINDS.iter().filter(|(kind, _)| names.contains(&kind.to_string())).count() >= 7);
    }
}
