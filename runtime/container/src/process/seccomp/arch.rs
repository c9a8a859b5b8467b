//! By whose tables may calls be made?
//!
//! A kernel answers to the calls of its own architecture and to those of a few others: x86_64 also to
//! 32-bit x86 and to x32, aarch64 to 32-bit ARM. What a profile says about all others decides nothing,
//! because no such call can come, so no code is made for it.

use bundle::Seccomp;
use primitives::{Error, Result};

use super::calls::{self, AARCH64, ARM, RISCV64, X86, X86_64};

/// The bit that tells a call of x32 from one of x86_64; to the kernel they are one architecture.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// Calls that a filter can tell apart by the architecture it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arch {
    /// How profiles name it.
    pub(super) name: &'static str,
    /// How a filter sees it: `AUDIT_ARCH_…` in `linux/audit.h`.
    pub(super) audit: u32,
    /// Its column in the table of calls.
    pub(super) column: usize,
    /// Whether an argument has 32 bits, so that there is no more to compare.
    pub(super) narrow: bool,
    /// Whether calls of x32 come under the same name.
    pub(super) has_x32: bool,
    /// Whether sockets and System V's queues can also be had through one call for all.
    pub(super) multiplexes: bool,
}

const fn arch(name: &'static str, audit: u32, column: usize) -> Arch {
    let narrow = audit & 0x8000_0000 == 0;
    Arch { name, audit, column, narrow, has_x32: column == X86_64, multiplexes: column == X86 }
}

pub(super) const ARCH_X86_64: Arch = arch("SCMP_ARCH_X86_64", 0xc000_003e, X86_64);
pub(super) const ARCH_X86: Arch = arch("SCMP_ARCH_X86", 0x4000_0003, X86);
pub(super) const ARCH_AARCH64: Arch = arch("SCMP_ARCH_AARCH64", 0xc000_00b7, AARCH64);
pub(super) const ARCH_ARM: Arch = arch("SCMP_ARCH_ARM", 0x4000_0028, ARM);
pub(super) const ARCH_RISCV64: Arch = arch("SCMP_ARCH_RISCV64", 0xc000_00f3, RISCV64);

impl Arch {
    /// The number of a call, from its row in the table.
    pub(super) fn number(self, _name: &str, row: &[u32; 5]) -> Option<u32> {
        calls::number(row, self.column)
    }

    /// The number of a call of x32.
    pub(super) fn x32_number(self, name: &str, row: &[u32; 5]) -> Option<u32> {
        let number = calls::x32_number(name).or(calls::number(row, self.column))?;
        Some(number | X32_BIT)
    }
}

/// How profiles name x32.
const X32: &str = "SCMP_ARCH_X32";

/// What a machine's kernel answers to: its own first, then the others.
pub(super) type Machine = [Arch];

/// The machine that this program was built for.
///
/// # Errors
/// Where there is no table of its calls.
pub(super) fn this_machine() -> Result<&'static Machine> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(&[ARCH_X86_64, ARCH_X86]),
        "aarch64" => Ok(&[ARCH_AARCH64, ARCH_ARM]),
        "riscv64" => Ok(&[ARCH_RISCV64]),
        other => Err(Error::Unusable(format!(
            "a seccomp filter cannot be made for {other}: this runtime has no table of its calls"
        ))),
    }
}

/// Whose calls a profile is about on a machine: always its own, and of the others those it names.
pub(super) fn wanted(seccomp: &Seccomp, machine: &Machine) -> Vec<Arch> {
    let named = |arch: &Arch| seccomp.architectures.iter().any(|name| name == arch.name);
    let own = machine.iter().take(1);
    own.chain(machine.iter().skip(1).filter(|arch| named(arch))).copied().collect()
}

/// Whether it is about those of x32 too.
pub(super) fn wants_x32(seccomp: &Seccomp) -> bool {
    seccomp.architectures.iter().any(|name| name == X32)
}
