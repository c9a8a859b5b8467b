//! The machine that runs a filter: one register, 64 bytes about the call, jumps forward alone.
//!
//! `net/core/filter.c` and `seccomp_check_filter` in `kernel/seccomp.c` say what a program may hold.

use primitives::Instruction;

/// Load 4 bytes of what is known about the call.
pub(super) const LOAD: u16 = 0x20;
/// Keep only some bits of what was loaded.
pub(super) const AND: u16 = 0x54;
/// Skip `k` instructions.
pub(super) const JUMP: u16 = 0x05;
/// Skip `jt` instructions when equal, `jf` otherwise.
pub(super) const IF_EQUAL: u16 = 0x15;
/// … when greater.
pub(super) const IF_GREATER: u16 = 0x25;
/// … when greater or equal.
pub(super) const IF_AT_LEAST: u16 = 0x35;
/// Come to an end with this answer.
pub(super) const RETURN: u16 = 0x06;

/// Where things lie in `struct seccomp_data`.
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Where the low half of an argument lies.
pub(super) fn low_half(argument: u8) -> u32 {
    ARGUMENTS + 8 * u32::from(argument) + if cfg!(target_endian = "big") { 4 } else { 0 }
}

/// Where its high half lies.
pub(super) fn high_half(argument: u8) -> u32 {
    low_half(argument) ^ 4
}

pub(super) fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

pub(super) fn answer(value: u32) -> Instruction {
    plain(RETURN, value)
}

/// A comparison that goes on with `yes` when it holds and with what follows `yes` when it does not.
/// Where that is further away than a comparison can jump, a plain jump stands in between.
pub(super) fn either(code: u16, k: u32, yes: &[Instruction], program: &mut Vec<Instruction>) {
    match u8::try_from(yes.len()) {
        Ok(over) => program.push(Instruction { code, jt: 0, jf: over, k }),
        Err(_) => {
            program.push(Instruction { code, jt: 1, jf: 0, k });
            program.push(plain(JUMP, u32::try_from(yes.len()).expect("no filter is so long")));
        }
    }
    program.extend_from_slice(yes);
}
