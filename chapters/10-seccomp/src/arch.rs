//! Which number is which call?
//!
//! It depends on the architecture, and one kernel answers to several: a 64-bit Intel machine also runs
//! 32-bit programs, for which the same names have other numbers. 83 is `mkdir` to the one and
//! `symlink` to the other.

use syscalls::{aarch64, x86, x86_64};

/// A set of system calls with their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arch {
    /// 64-bit Intel and AMD.
    X86_64,
    /// Their 32-bit calls, by `int 0x80` or from 32-bit programs.
    X86,
    /// 64-bit calls with 32-bit pointers: the numbers of `X86_64` and one bit more.
    X32,
    /// 64-bit ARM.
    Aarch64,
}

/// The bit that tells a call of x32 from one of x86_64; the architecture is the same.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

impl Arch {
    /// All that this chapter knows.
    pub(crate) const ALL: [Arch; 4] = [Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64];

    /// The one of this machine.
    pub(crate) fn native() -> Arch {
        if cfg!(target_arch = "aarch64") { Arch::Aarch64 } else { Arch::X86_64 }
    }

    /// As the kernel names it to a filter: `AUDIT_ARCH_…` in linux/audit.h.
    pub(crate) fn audit(self) -> u32 {
        match self {
            Arch::X86_64 | Arch::X32 => 0xc000_003e,
            Arch::X86 => 0x4000_0003,
            Arch::Aarch64 => 0xc000_00b7,
        }
    }

    /// As a profile names it.
    pub(crate) fn oci(self) -> &'static str {
        match self {
            Arch::X86_64 => "SCMP_ARCH_X86_64",
            Arch::X86 => "SCMP_ARCH_X86",
            Arch::X32 => "SCMP_ARCH_X32",
            Arch::Aarch64 => "SCMP_ARCH_AARCH64",
        }
    }

    /// As a person names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::X86 => "x86",
            Arch::X32 => "x32",
            Arch::Aarch64 => "aarch64",
        }
    }

    /// The number of a call; none when this table has none of that name.
    pub(crate) fn number(self, name: &str) -> Option<u32> {
        let id = match self {
            Arch::X86_64 | Arch::X32 => name.parse::<x86_64::Sysno>().ok()?.id(),
            Arch::X86 => name.parse::<x86::Sysno>().ok()?.id(),
            Arch::Aarch64 => name.parse::<aarch64::Sysno>().ok()?.id(),
        };
        let bit = if self == Arch::X32 { X32_BIT } else { 0 };
        Some(u32::try_from(id).ok()? | bit)
    }

    /// The call of a number, as far as the table knows it.
    pub(crate) fn call(self, number: u32) -> Option<&'static str> {
        let bare = if self == Arch::X32 { number & !X32_BIT } else { number };
        let bare = usize::try_from(bare).ok()?;
        match self {
            Arch::X86_64 | Arch::X32 => x86_64::Sysno::new(bare).map(|call| call.name()),
            Arch::X86 => x86::Sysno::new(bare).map(|call| call.name()),
            Arch::Aarch64 => aarch64::Sysno::new(bare).map(|call| call.name()),
        }
    }

    /// The one that a filter is told of, by the two numbers that it sees.
    pub(crate) fn of(audit: u32, number: u32) -> Option<Arch> {
        let x32 = number >= X32_BIT;
        let meant = |arch: &Arch| arch.audit() == audit && (*arch == Arch::X32) == x32;
        Arch::ALL.into_iter().find(meant).or(match audit {
            0x4000_0003 => Some(Arch::X86),
            0xc000_00b7 => Some(Arch::Aarch64),
            _ => None,
        })
    }

    /// From its name.
    pub(crate) fn parse(name: &str) -> Result<Arch, String> {
        let known = Arch::ALL.into_iter().find(|arch| arch.name() == name || arch.oci() == name);
        known.ok_or_else(|| {
            let names = Arch::ALL.map(Arch::name).join(", ");
            format!("{name:?} is no architecture of this chapter: {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Arch;

    #[test]
    fn one_name_has_many_numbers() {
        assert_eq!(Arch::X86_64.number("mkdir"), Some(83));
        assert_eq!(Arch::X86.number("mkdir"), Some(39));
        assert_eq!(Arch::X32.number("mkdir"), Some(0x4000_0053));
        assert_eq!(Arch::Aarch64.number("mkdir"), None);
        assert_eq!(Arch::Aarch64.number("mkdirat"), Some(34));
        assert_eq!(Arch::X86.call(83), Some("symlink"));
        assert_eq!(Arch::X86_64.number("no_such_call"), None);
    }

    #[test]
    fn a_call_tells_its_architecture() {
        assert_eq!(Arch::of(0xc000_003e, 83), Some(Arch::X86_64));
        assert_eq!(Arch::of(0xc000_003e, 0x4000_0053), Some(Arch::X32));
        assert_eq!(Arch::of(0x4000_0003, 39), Some(Arch::X86));
        assert_eq!(Arch::of(0x1234, 39), None);
    }
}
