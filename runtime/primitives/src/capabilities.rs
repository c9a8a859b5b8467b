//! What may a process do that others may not, and how does it give some of that up?
//!
//! The rights of root are cut into some forty pieces, the capabilities. A process has five sets of
//! them (capabilities(7)): what it may use (permitted), what is switched on (effective), what it may
//! never get again (all but the bounding set), and what it hands on through `execve` (inheritable,
//! ambient).

use std::fmt::{self, Display, Formatter};
use std::io;
use std::str::FromStr;
use std::sync::OnceLock;

use bitflags::bitflags;
use nix::unistd::Pid;
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet};
use trace::Arg;

use crate::args::{ToArg, Word, fields, flags};
use crate::call;
use crate::error::Result;
use crate::files::read_small;
use crate::gate::perform;
use crate::process::from_rustix;

/// The names by number, as in `linux/capability.h` of Linux 5.9, which added the last one.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// No capability.
    pub const NONE: Capabilities = Capabilities(0);

    /// All that this kernel has.
    pub fn all() -> Capabilities {
        Capabilities(u64::MAX >> (63 - last_capability().min(63)))
    }

    /// The one with this name, such as `CAP_NET_RAW`; none when this kernel has no such capability.
    pub fn named(name: &str) -> Option<Capabilities> {
        let number = NAMES.iter().position(|known| *known == name)?;
        let found = Capabilities(1 << number);
        Capabilities::all().contains(found).then_some(found)
    }

    /// The set with these bits, as the kernel writes it into `/proc/PID/status`.
    pub fn from_bits(bits: u64) -> Capabilities {
        Capabilities(bits)
    }

    /// What is in either set.
    pub fn and(self, others: Capabilities) -> Capabilities {
        Capabilities(self.0 | others.0)
    }

    /// What is in this set and not in the other.
    pub fn without(self, others: Capabilities) -> Capabilities {
        Capabilities(self.0 & !others.0)
    }

    /// Whether all of the others are in this set.
    pub fn contains(self, others: Capabilities) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Each of them, as a set of its own, by number.
    pub fn each(self) -> impl Iterator<Item = Capabilities> {
        (0..64).map(|number| Capabilities(1 << number)).filter(move |one| self.contains(*one))
    }

    /// Their names, by number.
    pub fn names(self) -> Vec<String> {
        self.each().map(Capabilities::name).collect()
    }

    fn name(self) -> String {
        let number = self.0.trailing_zeros();
        let known = NAMES.get(number as usize).map(|name| (*name).to_string());
        // A newer kernel has more than this table.
        known.unwrap_or_else(|| format!("CAP_{number}"))
    }

    fn for_kernel(self) -> CapabilitySet {
        CapabilitySet::from_bits_retain(self.0)
    }
}

/// As a person would say it: `none`, `all`, the names, or `all but` the names.
impl Display for Capabilities {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let missing = Capabilities::all().without(*self);
        match (self.is_empty(), missing.is_empty()) {
            (true, _) => f.write_str("none"),
            (_, true) => f.write_str("all"),
            _ if missing.count() < self.count() => {
                write!(f, "all but {}", missing.names().join("|"))
            }
            _ => f.write_str(&self.names().join("|")),
        }
    }
}

/// Reads what [`Display`] writes.
impl FromStr for Capabilities {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Capabilities, String> {
        match text {
            "none" => return Ok(Capabilities::NONE),
            "all" => return Ok(Capabilities::all()),
            _ => {}
        }
        if let Some(names) = text.strip_prefix("all but ") {
            return Ok(Capabilities::all().without(names.parse()?));
        }
        text.split('|').try_fold(Capabilities::NONE, |set, name| {
            let one = Capabilities::named(name);
            Ok(set.and(one.ok_or_else(|| format!("{name:?} is no capability of this kernel"))?))
        })
    }
}

impl ToArg for Capabilities {
    fn to_arg(&self) -> Arg {
        Arg::Word(self.to_string())
    }
}

/// The number of this kernel's last capability.
fn last_capability() -> u32 {
    static LAST: OnceLock<u32> = OnceLock::new();
    *LAST.get_or_init(|| {
        let text = read_small("/proc/sys/kernel/cap_last_cap".as_ref()).unwrap_or_default();
        text.trim().parse().unwrap_or(NAMES.len() as u32 - 1)
    })
}

/// The three sets that `capset` changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilitySets {
    /// What the kernel looks at when it checks a request.
    pub effective: Capabilities,
    /// What may be switched on in the effective set.
    pub permitted: Capabilities,
    /// What a program with file capabilities may get from us; else it has no use of its own.
    pub inheritable: Capabilities,
}

/// What the kernel says of a process's capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilityState {
    /// What `capset` changes.
    pub sets: CapabilitySets,
    /// What the process and its children may still get by `execve`.
    pub bounding: Capabilities,
    /// What an ordinary user keeps through `execve`.
    pub ambient: Capabilities,
    /// Whether `execve` gives nothing more.
    pub no_new_privs: bool,
}

/// The five sets of a process (none: this one), from its `/proc/PID/status`.
///
/// # Errors
/// Those of reading; InvalidData when a set is missing.
pub fn capabilities_of(pid: Option<Pid>) -> io::Result<CapabilityState> {
    let folder = pid.map_or("self".to_string(), |pid| pid.to_string());
    let status = read_small(format!("/proc/{folder}/status").as_ref())?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, name))
    };
    let set = |name: &str| {
        let bits = u64::from_str_radix(value(name)?, 16);
        bits.map(Capabilities).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    };
    Ok(CapabilityState {
        sets: CapabilitySets {
            effective: set("CapEff:")?,
            permitted: set("CapPrm:")?,
            inheritable: set("CapInh:")?,
        },
        bounding: set("CapBnd:")?,
        ambient: set("CapAmb:")?,
        no_new_privs: value("NoNewPrivs:")? == "1",
    })
}

/// Sets this process's effective, permitted and inheritable capabilities.
///
/// What leaves the permitted set cannot come back but by `execve` of a program that gives it.
///
/// - man: capset(2), capabilities(7)
/// - since: Linux 2.2; 64 bits since 2.6.26
/// - EPERM: permitted can only shrink, effective must be permitted, and inheritable can only grow by
///   what is permitted and in the bounding set
#[track_caller]
pub fn capset(sets: CapabilitySets, why: &'static str) -> Result<()> {
    let header = fields([("pid", Arg::Number(0))]);
    let data = fields([
        ("effective", sets.effective.to_arg()),
        ("permitted", sets.permitted.to_arg()),
        ("inheritable", sets.inheritable.to_arg()),
    ]);
    perform(call!("capset", header, data), why, || {
        let sets = rustix::thread::CapabilitySets {
            effective: sets.effective.for_kernel(),
            permitted: sets.permitted.for_kernel(),
            inheritable: sets.inheritable.for_kernel(),
        };
        rustix::thread::set_capabilities(None, sets).map_err(from_rustix)
    })
}

/// Takes capabilities out of the bounding set, for ever: one call for each, and one request.
///
/// No `execve` gives them to this process or its children any more, not even that of root.
///
/// - man: PR_CAPBSET_DROP(2const), capabilities(7)
/// - since: Linux 2.6.25
/// - EPERM: this needs CAP_SETPCAP, so it comes before that is given up
/// - EINVAL: this kernel has no such capability
#[track_caller]
pub fn prctl_capbset_drop(dropped: Capabilities, why: &'static str) -> Result<()> {
    if dropped.is_empty() {
        return Ok(());
    }
    let call = call!("prctl" as "prctl_capbset_drop", Word("PR_CAPBSET_DROP"), dropped);
    perform(call, why, || {
        dropped.each().try_for_each(|one| {
            rustix::thread::remove_capability_from_bounding_set(one.for_kernel())
                .map_err(from_rustix)
        })
    })
}

/// Puts capabilities into the ambient set: one call for each, and one request.
///
/// They stay permitted and effective through the `execve` of an ordinary program, also for a user who
/// is not root.
///
/// - man: PR_CAP_AMBIENT(2const), capabilities(7)
/// - since: Linux 4.3
/// - EPERM: it must be permitted and inheritable, and SECBIT_NO_CAP_AMBIENT_RAISE not set
/// - EINVAL: this kernel has no such capability
#[track_caller]
pub fn prctl_cap_ambient_raise(raised: Capabilities, why: &'static str) -> Result<()> {
    if raised.is_empty() {
        return Ok(());
    }
    let raise = Word("PR_CAP_AMBIENT_RAISE");
    let call =
        call!("prctl" as "prctl_cap_ambient_raise", Word("PR_CAP_AMBIENT"), raise, raised, 0, 0);
    perform(call, why, || {
        raised.each().try_for_each(|one| {
            rustix::thread::configure_capability_in_ambient_set(one.for_kernel(), true)
                .map_err(from_rustix)
        })
    })
}

/// Empties the ambient set.
///
/// - man: PR_CAP_AMBIENT(2const), capabilities(7)
/// - since: Linux 4.3
#[track_caller]
pub fn prctl_cap_ambient_clear_all(why: &'static str) -> Result<()> {
    let clear = Word("PR_CAP_AMBIENT_CLEAR_ALL");
    let call =
        call!("prctl" as "prctl_cap_ambient_clear_all", Word("PR_CAP_AMBIENT"), clear, 0, 0, 0);
    perform(call, why, || rustix::thread::clear_ambient_capability_set().map_err(from_rustix))
}

/// Keeps the permitted set when all user ids change from 0 to others; the next `execve` forgets this.
///
/// - man: PR_SET_KEEPCAPS(2const), capabilities(7)
/// - since: Linux 2.2.18
/// - EPERM: SECBIT_KEEP_CAPS is locked
#[track_caller]
pub fn prctl_set_keepcaps(why: &'static str) -> Result<()> {
    let call = call!("prctl" as "prctl_set_keepcaps", Word("PR_SET_KEEPCAPS"), 1);
    perform(call, why, || rustix::thread::set_keep_capabilities(true).map_err(from_rustix))
}

bitflags! {
    /// How special user 0 is to the kernel, by the names in C (capabilities(7)).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SecureBits: u32 {
        /// `execve` gives nothing to root for being root.
        const SECBIT_NOROOT = 1 << 0;
        /// The first bit cannot be changed any more.
        const SECBIT_NOROOT_LOCKED = 1 << 1;
        /// A change of user ids changes no capabilities.
        const SECBIT_NO_SETUID_FIXUP = 1 << 2;
        /// The third bit cannot be changed any more.
        const SECBIT_NO_SETUID_FIXUP_LOCKED = 1 << 3;
        /// As [`prctl_set_keepcaps`].
        const SECBIT_KEEP_CAPS = 1 << 4;
        /// The fifth bit cannot be changed any more.
        const SECBIT_KEEP_CAPS_LOCKED = 1 << 5;
        /// Nothing can be put into the ambient set.
        const SECBIT_NO_CAP_AMBIENT_RAISE = 1 << 6;
        /// The seventh bit cannot be changed any more.
        const SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED = 1 << 7;
    }
}

impl ToArg for SecureBits {
    fn to_arg(&self) -> Arg {
        flags(self)
    }
}

/// Says how special user 0 is to be for this process and its children.
///
/// - man: PR_SET_SECUREBITS(2const), capabilities(7)
/// - since: Linux 2.6.26
/// - EPERM: this needs CAP_SETPCAP, and a bit that is locked stays as it is
#[track_caller]
pub fn prctl_set_securebits(bits: SecureBits, why: &'static str) -> Result<()> {
    let call = call!("prctl" as "prctl_set_securebits", Word("PR_SET_SECUREBITS"), bits);
    perform(call, why, || {
        let bits = CapabilitiesSecureBits::from_bits_retain(bits.bits());
        rustix::thread::set_capabilities_secure_bits(bits).map_err(from_rustix)
    })
}

/// This process's own secure bits; the kernel tells them to nobody else.
pub fn own_securebits() -> SecureBits {
    let bits = rustix::thread::capabilities_secure_bits();
    bits.map_or(SecureBits::empty(), |bits| SecureBits::from_bits_retain(bits.bits()))
}

#[cfg(test)]
mod tests {
    use super::{Capabilities, NAMES, capabilities_of};

    #[test]
    fn a_set_is_said_shortly_and_read_back() {
        let raw = Capabilities::named("CAP_NET_RAW").unwrap();
        let two = raw.and(Capabilities::named("CAP_CHOWN").unwrap());
        let all = Capabilities::all();
        assert_eq!(two.to_string(), "CAP_CHOWN|CAP_NET_RAW");
        assert_eq!(all.without(raw).to_string(), "all but CAP_NET_RAW");
        for set in [Capabilities::NONE, raw, two, all, all.without(two)] {
            assert_eq!(set.to_string().parse(), Ok(set));
        }
        assert!("CAP_NET_ROW".parse::<Capabilities>().is_err());
    }

    #[test]
    fn numbers_and_names_belong_together() {
        assert_eq!(NAMES[21], "CAP_SYS_ADMIN");
        assert_eq!(Capabilities::from_bits(1 << 40).to_string(), "CAP_CHECKPOINT_RESTORE");
        assert_eq!(Capabilities::named("cap_chown"), None);
    }

    #[test]
    fn what_is_effective_is_permitted() {
        let state = capabilities_of(None).unwrap();
        assert!(state.sets.permitted.contains(state.sets.effective));
    }
}
