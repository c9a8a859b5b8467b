//! The machine behind the door: what does a filter do, instruction by instruction?
//!
//! It has one register, sees 64 bytes about the call and can compare, jump forward and return. So it
//! always comes to an end, and it can follow no pointer. This is the kernel's machine in small
//! (net/core/filter.c, `seccomp_check_filter` in kernel/seccomp.c says which instructions are allowed).

use primitives::{Instruction, SystemCall};

/// Load 4 bytes at a place of [`data`].
pub(crate) const LOAD: u16 = 0x20;
/// Keep only some bits of what was loaded.
pub(crate) const AND: u16 = 0x54;
/// Skip so many instructions.
pub(crate) const JUMP: u16 = 0x05;
/// Skip `jt` instructions when equal, `jf` otherwise.
pub(crate) const IF_EQUAL: u16 = 0x15;
/// … when greater.
pub(crate) const IF_GREATER: u16 = 0x25;
/// … when greater or equal.
pub(crate) const IF_AT_LEAST: u16 = 0x35;
/// Come to an end with this answer.
pub(crate) const RETURN: u16 = 0x06;

/// Where things lie in what a filter sees: `struct seccomp_data`.
pub(crate) const NUMBER: u32 = 0;
pub(crate) const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
const SIZE: u32 = 64;

/// Where the low half of an argument lies; the high half is behind it, for both architectures are
/// little-endian.
pub(crate) fn low_half(index: u8) -> u32 {
    ARGUMENTS + 8 * u32::from(index)
}

/// Where its high half lies.
pub(crate) fn high_half(index: u8) -> u32 {
    low_half(index) + 4
}

// ANCHOR: data
/// What a filter sees of a call: the number, the architecture, where the program stands (here always
/// 0), and six registers. If one of them is a pointer, this is where it points, and not what is there.
pub(crate) fn data(call: &SystemCall) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[0..4].copy_from_slice(&call.number.to_le_bytes());
    bytes[4..8].copy_from_slice(&call.arch.to_le_bytes());
    for (index, value) in call.args.iter().enumerate() {
        bytes[16 + 8 * index..][..8].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}
// ANCHOR_END: data

/// How a filter came to its answer.
#[derive(Debug)]
pub(crate) struct Way {
    /// The instructions that it came through.
    pub(crate) steps: Vec<usize>,
    /// What it returned.
    pub(crate) answer: u32,
}

/// Runs a filter over a call.
///
/// # Errors
/// Says what no kernel would accept: an unknown instruction, a place outside of the data, a way past
/// the end.
pub(crate) fn interpret(program: &[Instruction], call: &SystemCall) -> Result<Way, String> {
    let data = data(call);
    let mut register: u32 = 0;
    let mut steps = Vec::new();
    let mut at = 0;
    // ANCHOR: turn
    loop {
        let instruction = program.get(at).ok_or("it runs past its end")?;
        steps.push(at);
        let skip = |holds: bool| if holds { instruction.jt } else { instruction.jf };
        let skipped = match instruction.code {
            LOAD => {
                register = load(&data, instruction.k)?;
                0
            }
            AND => {
                register &= instruction.k;
                0
            }
            JUMP => instruction.k as usize,
            IF_EQUAL => skip(register == instruction.k).into(),
            IF_GREATER => skip(register > instruction.k).into(),
            IF_AT_LEAST => skip(register >= instruction.k).into(),
            RETURN => return Ok(Way { steps, answer: instruction.k }),
            code => return Err(format!("no filter may have an instruction {code:#04x}")),
        };
        at += 1 + skipped;
    }
    // ANCHOR_END: turn
}

fn load(data: &[u8; 64], place: u32) -> Result<u32, String> {
    if place > SIZE - 4 || !place.is_multiple_of(4) {
        return Err(format!("there is nothing to load at {place}"));
    }
    let start = place as usize;
    let mut word = [0; 4];
    word.copy_from_slice(&data[start..start + 4]);
    Ok(u32::from_le_bytes(word))
}
