//! How do rules about system calls become a program that the kernel runs before each of them?
//!
//! First the architecture, without which a number means nothing. Then the number, found by halving
//! among ranges that are decided alike, so that a profile of 350 names is some eight comparisons deep.
//! Only where a rule asks for arguments are those looked at. The meaning is that of runc, with
//! libseccomp below it, which is what profiles are written for:
//!
//! - a name that no table has is no call that anybody could make, and is passed over;
//! - a rule without conditions decides about its call whatever the others say, and of two such the
//!   last; else the first rule decides whose conditions hold. A rule that says what would happen anyway
//!   is as good as none;
//! - of a rule that has two conditions about one argument it is enough that any condition holds;
//! - calls of an architecture that the profile does not name kill the process;
//! - a call that is newer than every call the profile names fails with ENOSYS, unless the profile lets
//!   calls pass that it does not know: programs then fall back to what they did before there was such
//!   a call, where EPERM would make them give up.

mod arch;
mod bpf;
mod calls;
mod compile;
mod decide;
mod multiplexed;
#[cfg(test)]
mod tests;

use bundle::{Action, Rule, Seccomp};
use primitives::{FilterFlags, Instruction, Result};

/// What a rule can have happen, by the names in config.json.
pub const SECCOMP_ACTIONS: &[&str] = &[
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

/// How a rule can compare an argument.
pub const SECCOMP_OPERATORS: &[&str] = &[
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];

/// Of whose calls there are tables. Others may be named, and are passed over.
pub const SECCOMP_ARCHS: &[&str] = &[
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
];

/// How a filter can go in.
pub const SECCOMP_FLAGS: &[&str] = &[
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

/// A filter that is ready to go in.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// The program.
    pub(super) program: Vec<Instruction>,
    /// How it goes in.
    pub(super) flags: FilterFlags,
}

impl Filter {
    /// Whether somebody is asked about some calls, and has to be given the listener.
    pub(super) fn asks(&self) -> bool {
        self.flags.contains(FilterFlags::SECCOMP_FILTER_FLAG_NEW_LISTENER)
    }
}

/// The filter for the machine that this program was built for.
///
/// # Errors
/// When there is no table of its calls, or the kernel would not take so long a program.
pub(super) fn filter(seccomp: &Seccomp) -> Result<Filter> {
    let program = compile::compile(seccomp, arch::this_machine()?)?;
    Ok(Filter { program, flags: flags(seccomp) })
}

fn flags(seccomp: &Seccomp) -> FilterFlags {
    let named = seccomp.flags.iter().filter_map(|name| FilterFlags::from_name(name));
    let mut flags: FilterFlags = named.collect();
    if asks(seccomp) {
        flags |= FilterFlags::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        // The kernel cannot return both a listener and the thread that could not follow; and there is
        // one thread.
        flags -= FilterFlags::SECCOMP_FILTER_FLAG_TSYNC;
    }
    flags
}

/// Whether somebody is asked about some call.
pub(super) fn asks(seccomp: &Seccomp) -> bool {
    let asks = |rule: &Rule| rule.action == Action::Notify;
    seccomp.rules.iter().any(asks)
}
