//! When does a process get a CPU, on which, when the disk, and where does its memory lie?

use nix::errno::Errno;
use nix::unistd::Pid;
use trace::Arg;

use crate::args::{ToArg, Word, fields, flags, word};
use crate::call;
use crate::error::Result;
use crate::gate::perform;

/// The policies by their numbers in `linux/sched.h`; 4 was never used.
const POLICIES: [(&str, u32); 7] = [
    ("SCHED_OTHER", 0),
    ("SCHED_FIFO", 1),
    ("SCHED_RR", 2),
    ("SCHED_BATCH", 3),
    ("SCHED_ISO", 4),
    ("SCHED_IDLE", 5),
    ("SCHED_DEADLINE", 6),
];

/// A way to share the CPUs: sched(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy(u32);

impl Policy {
    /// The one of this name, such as `SCHED_BATCH`.
    pub fn named(name: &str) -> Option<Policy> {
        POLICIES.iter().find(|(known, _)| *known == name).map(|(_, number)| Policy(*number))
    }
}

impl ToArg for Policy {
    fn to_arg(&self) -> Arg {
        let name = POLICIES.iter().find(|(_, number)| *number == self.0);
        word(name.map_or("SCHED_?", |(name, _)| name))
    }
}

bitflags::bitflags! {
    /// What goes with a policy, by the names in C (sched_setattr(2)).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SchedFlags: u64 {
        /// Children start without it.
        const SCHED_FLAG_RESET_ON_FORK = 0x01;
        /// It may have what others of the deadline policy leave.
        const SCHED_FLAG_RECLAIM = 0x02;
        /// SIGXCPU when it needs longer than it said.
        const SCHED_FLAG_DL_OVERRUN = 0x04;
        /// The policy stays what it is.
        const SCHED_FLAG_KEEP_POLICY = 0x08;
        /// The parameters stay what they are.
        const SCHED_FLAG_KEEP_PARAMS = 0x10;
        /// The least use of a CPU that is assumed.
        const SCHED_FLAG_UTIL_CLAMP_MIN = 0x20;
        /// The most.
        const SCHED_FLAG_UTIL_CLAMP_MAX = 0x40;
    }
}

/// How a process shares the CPUs: `struct sched_attr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedAttr {
    /// The policy.
    pub policy: Policy,
    /// What goes with it.
    pub flags: SchedFlags,
    /// The nice value, for policies that have one.
    pub nice: i32,
    /// The priority, for real-time policies.
    pub priority: u32,
    /// Of the deadline policy, in nanoseconds: how long it may run.
    pub runtime: u64,
    /// By when.
    pub deadline: u64,
    /// How often.
    pub period: u64,
}

impl ToArg for SchedAttr {
    fn to_arg(&self) -> Arg {
        let number = |n: u64| word(n);
        fields([
            ("sched_policy", self.policy.to_arg()),
            ("sched_flags", flags(&self.flags)),
            ("sched_nice", self.nice.to_arg()),
            ("sched_priority", self.priority.to_arg()),
            ("sched_runtime", number(self.runtime)),
            ("sched_deadline", number(self.deadline)),
            ("sched_period", number(self.period)),
        ])
    }
}

/// Says how a process shares the CPUs with others.
///
/// - man: sched_setattr(2), sched(7)
/// - since: Linux 3.14
/// - EPERM: a real-time policy, or a lower nice value, takes CAP_SYS_NICE in the first user namespace
/// - EINVAL: the policy does not go with these values
/// - EBUSY: the CPUs are promised to others already
#[track_caller]
pub fn sched_setattr(pid: Pid, attr: SchedAttr, why: &'static str) -> Result<()> {
    perform(call!("sched_setattr", pid, attr, 0), why, || {
        // SAFETY: the structure is numbers alone, for which all zeros means "nothing asked".
        let mut kernel: libc::sched_attr = unsafe { std::mem::zeroed() };
        kernel.size = u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(48);
        kernel.sched_policy = attr.policy.0;
        kernel.sched_flags = attr.flags.bits();
        kernel.sched_nice = attr.nice;
        kernel.sched_priority = attr.priority;
        kernel.sched_runtime = attr.runtime;
        kernel.sched_deadline = attr.deadline;
        kernel.sched_period = attr.period;
        let (number, pid, none) = (libc::SYS_sched_setattr, pid.as_raw(), 0);
        // SAFETY: the structure says how long it is and lives until the call returns.
        Errno::result(unsafe { libc::syscall(number, pid, &raw const kernel, none) }).map(drop)
    })
}

/// Ranges of CPUs or memory nodes, first and last included, as a mask.
fn mask(ranges: &[(u32, u32)]) -> Vec<libc::c_ulong> {
    let width = libc::c_ulong::BITS;
    let last = ranges.iter().map(|(_, last)| *last).max().unwrap_or(0);
    let mut mask = vec![0; (last / width + 1) as usize];
    for number in ranges.iter().flat_map(|(first, last)| *first..=*last) {
        mask[(number / width) as usize] |= 1 << (number % width);
    }
    mask
}

/// The same as a set, with blanks between, as strace has it.
fn set_shown(ranges: &[(u32, u32)]) -> Arg {
    let all: Vec<String> =
        ranges.iter().flat_map(|(first, last)| *first..=*last).map(|n| n.to_string()).collect();
    word(format!("[{}]", all.join(" ")))
}

/// Says on which CPUs a process may run.
///
/// - man: sched_setaffinity(2)
/// - since: Linux 2.5.8
/// - EINVAL: none of these CPUs is there, or none is in its cpuset
/// - EPERM: the process belongs to another user
/// - ESRCH: there is no such process
#[track_caller]
pub fn sched_setaffinity(pid: Pid, cpus: &[(u32, u32)], why: &'static str) -> Result<()> {
    let bytes = |mask: &[libc::c_ulong]| size_of_val(mask);
    let size = u32::try_from(bytes(&mask(cpus))).unwrap_or(u32::MAX);
    perform(call!("sched_setaffinity", pid, size, set_shown(cpus)), why, || {
        let mask = mask(cpus);
        let (number, pid) = (libc::SYS_sched_setaffinity, pid.as_raw());
        // SAFETY: the call reads as many bytes as it is told, which live until it returns.
        let done = unsafe { libc::syscall(number, pid, bytes(&mask), mask.as_ptr()) };
        Errno::result(done).map(drop)
    })
}

/// A class of access to the disk, by its number in `linux/ioprio.h`.
const IO_CLASSES: [&str; 4] =
    ["IOPRIO_CLASS_NONE", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"];

/// How urgent it is when a process wants the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoUrgency {
    class: u8,
    level: u8,
}

impl IoUrgency {
    /// Of a class, such as `IOPRIO_CLASS_BE`, and a level in it: 0, the highest, to 7.
    pub fn new(class: &str, level: u8) -> Option<IoUrgency> {
        let number = IO_CLASSES.iter().position(|known| *known == class)?;
        Some(IoUrgency { class: u8::try_from(number).ok()?, level })
    }
}

impl ToArg for IoUrgency {
    fn to_arg(&self) -> Arg {
        word(format!("IOPRIO_PRIO_VALUE({}, {})", IO_CLASSES[usize::from(self.class)], self.level))
    }
}

/// Says how urgent it is when a process wants the disk.
///
/// - man: ioprio_set(2)
/// - since: Linux 2.6.13
/// - EPERM: the class IOPRIO_CLASS_RT takes CAP_SYS_ADMIN or CAP_SYS_NICE in the first user namespace
/// - EINVAL: there is no such class, or it has no such level
#[track_caller]
pub fn ioprio_set(pid: Pid, urgency: IoUrgency, why: &'static str) -> Result<()> {
    const WHO_PROCESS: i32 = 1;
    const CLASS_SHIFT: i32 = 13;
    perform(call!("ioprio_set", Word("IOPRIO_WHO_PROCESS"), pid, urgency), why, || {
        let value = i32::from(urgency.class) << CLASS_SHIFT | i32::from(urgency.level);
        let (number, pid) = (libc::SYS_ioprio_set, pid.as_raw());
        // SAFETY: the call takes numbers alone.
        Errno::result(unsafe { libc::syscall(number, WHO_PROCESS, pid, value) }).map(drop)
    })
}

/// The modes by their numbers in `linux/mempolicy.h`.
const MODES: [&str; 7] = [
    "MPOL_DEFAULT",
    "MPOL_PREFERRED",
    "MPOL_BIND",
    "MPOL_INTERLEAVE",
    "MPOL_LOCAL",
    "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE",
];

bitflags::bitflags! {
    /// What goes with a memory policy, by the names in C (set_mempolicy(2)).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MemoryFlags: i32 {
        /// Pages move to where they are used most.
        const MPOL_F_NUMA_BALANCING = 1 << 13;
        /// The nodes are counted among those that the process may use.
        const MPOL_F_RELATIVE_NODES = 1 << 14;
        /// The nodes stay these when those that the process may use change.
        const MPOL_F_STATIC_NODES = 1 << 15;
    }
}

/// On which nodes memory is taken: a mode, such as `MPOL_BIND`, and what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryMode {
    mode: i32,
    flags: MemoryFlags,
}

impl MemoryMode {
    /// The mode of this name.
    pub fn new(name: &str, flags: MemoryFlags) -> Option<MemoryMode> {
        let mode = MODES.iter().position(|known| *known == name)?;
        Some(MemoryMode { mode: i32::try_from(mode).ok()?, flags })
    }
}

impl ToArg for MemoryMode {
    fn to_arg(&self) -> Arg {
        let mode = MODES[usize::try_from(self.mode).unwrap_or(0)];
        let flags = self.flags.iter_names().map(|(name, _)| name);
        word([mode].into_iter().chain(flags).collect::<Vec<_>>().join("|"))
    }
}

/// Says on which nodes this process's memory is taken from now on.
///
/// - man: set_mempolicy(2), numa(7)
/// - since: Linux 2.6.7
/// - EINVAL: none of these nodes is there or may be used, or the mode does not go with nodes
/// - ENOSYS: this kernel was built without NUMA
/// - EPERM: a filter forbids it
#[track_caller]
pub fn set_mempolicy(mode: MemoryMode, nodes: &[(u32, u32)], why: &'static str) -> Result<()> {
    let mask = if nodes.is_empty() { Vec::new() } else { mask(nodes) };
    // The kernel looks at one bit less than it is told.
    let bits = mask.len() * libc::c_ulong::BITS as usize + usize::from(!mask.is_empty());
    let shown = if mask.is_empty() { Word("NULL").to_arg() } else { set_shown(nodes) };
    let count = u32::try_from(bits).unwrap_or(u32::MAX);
    perform(call!("set_mempolicy", mode, shown, count), why, || {
        let place = if mask.is_empty() { std::ptr::null() } else { mask.as_ptr() };
        let (number, mode) = (libc::SYS_set_mempolicy, mode.mode | mode.flags.bits());
        // SAFETY: the mask has as many bits as the call is told, and lives until it returns.
        Errno::result(unsafe { libc::syscall(number, mode, place, bits) }).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::{mask, set_shown};

    #[test]
    fn ranges_become_a_mask() {
        assert_eq!(mask(&[(0, 1), (3, 3)]), [0b1011]);
        assert_eq!(mask(&[(64, 64)]), [0, 1]);
        assert_eq!(set_shown(&[(0, 1), (3, 3)]).to_string(), "[0 1 3]");
    }
}
