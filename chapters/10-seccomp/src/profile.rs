//! What may be called? A list of rules, before it is a program.
//!
//! [`Profile::decide`] says directly what the rules mean; the compiled program must say the same.

use primitives::{Errno, SystemCall};

use crate::arch::{Arch, X32_BIT};

/// What happens at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The whole process is killed, as by SIGSYS.
    KillProcess,
    /// The thread is.
    KillThread,
    /// The process gets SIGSYS, which it can catch.
    Trap,
    /// The call fails with this errno, and the kernel does nothing.
    Errno(u16),
    /// A tracer decides; without one the call fails with ENOSYS.
    Trace(u16),
    /// Somebody with the filter's listener decides.
    Notify,
    /// It is done, and the kernel's log tells of it.
    Log,
    /// It is done.
    Allow,
}

impl Action {
    /// What a filter returns: `SECCOMP_RET_…` in linux/seccomp.h, with its data in the low half.
    pub(crate) fn code(self) -> u32 {
        match self {
            Action::KillProcess => 0x8000_0000,
            Action::KillThread => 0,
            Action::Trap => 0x0003_0000,
            Action::Errno(errno) => 0x0005_0000 | u32::from(errno),
            Action::Notify => 0x7fc0_0000,
            Action::Trace(data) => 0x7ff0_0000 | u32::from(data),
            Action::Log => 0x7ffc_0000,
            Action::Allow => 0x7fff_0000,
        }
    }

    /// What a returned value means.
    pub(crate) fn from_code(code: u32) -> Option<Action> {
        let data = (code & 0xffff) as u16;
        Some(match code & 0xffff_0000 {
            0x8000_0000 => Action::KillProcess,
            0 => Action::KillThread,
            0x0003_0000 => Action::Trap,
            0x0005_0000 => Action::Errno(data),
            0x7fc0_0000 => Action::Notify,
            0x7ff0_0000 => Action::Trace(data),
            0x7ffc_0000 => Action::Log,
            0x7fff_0000 => Action::Allow,
            _ => return None,
        })
    }

    /// What it does, in words.
    pub(crate) fn words(self) -> String {
        match self {
            Action::KillProcess => "kill the process".to_string(),
            Action::KillThread => "kill the thread".to_string(),
            Action::Trap => "send SIGSYS".to_string(),
            Action::Errno(errno) => {
                format!("refuse it with {:?}", Errno::from_raw(i32::from(errno)))
            }
            Action::Notify => "ask the one who listens".to_string(),
            Action::Trace(_) => "ask the tracer".to_string(),
            Action::Log => "let it pass and log it".to_string(),
            Action::Allow => "let it pass".to_string(),
        }
    }
}

/// How an argument is compared, all in 64 bits and without a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// Of the argument only the bits in this mask.
    MaskedEq(u64),
}

/// One comparison of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compare {
    /// Which argument, from 0 to 5.
    pub(crate) index: u8,
    pub(crate) op: Op,
    pub(crate) value: u64,
}

impl Compare {
    fn holds(&self, args: &[u64; 6]) -> bool {
        let seen = args[usize::from(self.index)];
        match self.op {
            Op::Eq => seen == self.value,
            Op::Ne => seen != self.value,
            Op::Lt => seen < self.value,
            Op::Le => seen <= self.value,
            Op::Gt => seen > self.value,
            Op::Ge => seen >= self.value,
            Op::MaskedEq(mask) => seen & mask == self.value,
        }
    }
}

/// What happens to a call of one of these names whose arguments fit all comparisons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) names: Vec<String>,
    pub(crate) action: Action,
    pub(crate) args: Vec<Compare>,
}

/// Rules, of which the first that fits decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    /// What happens when no rule fits.
    pub(crate) default: Action,
    /// The sets of calls that the rules are about.
    pub(crate) architectures: Vec<Arch>,
    pub(crate) rules: Vec<Rule>,
    /// Whether the program looks at the architecture before it believes a number. Without it the rules
    /// are about the first architecture, and every number is taken for one of it.
    pub(crate) checks_architecture: bool,
    /// Flags for the kernel, by their names.
    pub(crate) flags: Vec<String>,
}

/// What happens to a call of another set than those that the rules are about: nobody has thought of it.
pub(crate) const OTHER_ARCHITECTURE: Action = Action::KillProcess;

impl Profile {
    /// Closes the doors of `rules` and leaves all others open.
    pub(crate) fn denying(rules: Vec<Rule>) -> Profile {
        Profile {
            default: Action::Allow,
            architectures: vec![Arch::native()],
            rules,
            checks_architecture: true,
            flags: Vec::new(),
        }
    }

    // ANCHOR: decide
    /// What the rules say of a call.
    pub(crate) fn decide(&self, call: &SystemCall) -> Action {
        let Some(arch) = self.architecture_of(call) else {
            return OTHER_ARCHITECTURE;
        };
        let named =
            |rule: &Rule| rule.names.iter().any(|name| arch.number(name) == Some(call.number));
        let fits =
            |rule: &&Rule| named(rule) && rule.args.iter().all(|compare| compare.holds(&call.args));
        self.rules.iter().find(fits).map_or(self.default, |rule| rule.action)
    }
    // ANCHOR_END: decide

    fn architecture_of(&self, call: &SystemCall) -> Option<Arch> {
        if !self.checks_architecture {
            return self.architectures.first().copied();
        }
        let x32 = call.number >= X32_BIT;
        let meant = |arch: &Arch| match arch {
            Arch::X86_64 => !x32,
            Arch::X32 => x32,
            Arch::X86 | Arch::Aarch64 => true,
        };
        let mut own = self.architectures.iter().copied();
        own.find(|arch| arch.audit() == call.arch && meant(arch))
    }

    /// Names that none of its architectures has: rules about them do nothing.
    pub(crate) fn unknown_names(&self) -> Vec<&str> {
        let known = |name: &str| self.architectures.iter().any(|arch| arch.number(name).is_some());
        let names = self.rules.iter().flat_map(|rule| &rule.names);
        names.map(String::as_str).filter(|name| !known(name)).collect()
    }
}
