//! How do rules become a program?
//!
//! First the architecture, because without it a number means nothing. Then, for each call that a rule
//! names, a few instructions that either return or go on to the next. At the end stands what happens
//! to all others.

use primitives::{Error, Instruction, Result};

use crate::arch::{Arch, X32_BIT};
use crate::bpf::{
    AND, ARCHITECTURE, IF_AT_LEAST, IF_EQUAL, IF_GREATER, JUMP, LOAD, NUMBER, RETURN, high_half,
    low_half,
};
use crate::profile::{Action, Compare, OTHER_ARCHITECTURE, Op, Profile, Rule};

/// The kernel takes no longer program (BPF_MAXINSNS in linux/bpf_common.h).
const LONGEST: usize = 4096;

// ANCHOR: compile
/// The program that does what a profile says.
///
/// # Errors
/// When it would be longer than the kernel takes.
pub(crate) fn compile(profile: &Profile) -> Result<Vec<Instruction>> {
    let mut program = Vec::new();
    if !profile.checks_architecture {
        let arch = profile.architectures.first().copied().unwrap_or(Arch::native());
        program.extend(rules(profile, arch));
        return checked(program);
    }
    program.push(plain(LOAD, ARCHITECTURE));
    for (audit, section) in sections(profile) {
        // A section may be longer than a conditional jump reaches, so that goes over a longer one.
        program.push(Instruction { code: IF_EQUAL, jt: 1, jf: 0, k: audit });
        program.push(plain(JUMP, length(&section)));
        program.extend(section);
    }
    program.push(ret(OTHER_ARCHITECTURE));
    checked(program)
}
// ANCHOR_END: compile

fn checked(program: Vec<Instruction>) -> Result<Vec<Instruction>> {
    match program.len() {
        0..=LONGEST => Ok(program),
        long => Err(Error::Unusable(format!(
            "the filter would have {long} instructions, and the kernel takes {LONGEST}"
        ))),
    }
}

/// The part for each architecture that the kernel can tell apart, by the number it has for it.
fn sections(profile: &Profile) -> Vec<(u32, Vec<Instruction>)> {
    let has = |arch: Arch| profile.architectures.contains(&arch);
    let mut sections = Vec::new();
    for arch in [Arch::X86, Arch::Aarch64] {
        if has(arch) {
            sections.push((arch.audit(), rules(profile, arch)));
        }
    }
    if has(Arch::X86_64) || has(Arch::X32) {
        sections.insert(0, (Arch::X86_64.audit(), intel(profile)));
    }
    sections
}

// ANCHOR: x32
/// x86_64 and x32 are one architecture to the kernel; a bit of the number tells them apart.
fn intel(profile: &Profile) -> Vec<Instruction> {
    let own = |arch: Arch| match profile.architectures.contains(&arch) {
        true => rules(profile, arch),
        false => vec![ret(OTHER_ARCHITECTURE)],
    };
    let (wide, narrow) = (own(Arch::X86_64), own(Arch::X32));
    let mut section = vec![
        plain(LOAD, NUMBER),
        Instruction { code: IF_AT_LEAST, jt: 0, jf: 1, k: X32_BIT },
        plain(JUMP, length(&wide)),
    ];
    section.extend(wide);
    section.extend(narrow);
    section
}
// ANCHOR_END: x32

/// The rules for the calls of one architecture, and what happens to all others.
fn rules(profile: &Profile, arch: Arch) -> Vec<Instruction> {
    let mut program = vec![plain(LOAD, NUMBER)];
    for rule in &profile.rules {
        // A name that this architecture does not have is no call that anybody could make.
        for number in rule.names.iter().filter_map(|name| arch.number(name)) {
            program.extend(one_call(rule, number));
        }
    }
    program.push(ret(profile.default));
    program
}

// ANCHOR: one_call
/// One call of one rule: it returns, or goes on behind its end with the number loaded.
fn one_call(rule: &Rule, number: u32) -> Vec<Instruction> {
    let mut body = Vec::new();
    for compare in rule.args.iter().rev() {
        body.splice(0..0, comparison(compare, body.len() + 1));
    }
    body.push(ret(rule.action));
    if !rule.args.is_empty() {
        // Whoever comes here has compared an argument, and has it loaded instead of the number.
        body.push(plain(LOAD, NUMBER));
    }
    let over = u8::try_from(body.len()).expect("six comparisons have at most 37 instructions");
    let mut program = vec![Instruction { code: IF_EQUAL, jt: 0, jf: over, k: number }];
    program.extend(body);
    program
}
// ANCHOR_END: one_call

/// Where a comparison goes on.
#[derive(Clone, Copy)]
enum To {
    /// To the next instruction of this comparison.
    Next,
    /// It holds: to what follows.
    Holds,
    /// It does not: behind the whole rule, `rest` instructions after this comparison.
    Fails,
}

/// One comparison of a 64-bit argument, of which the machine sees one half at a time.
/// What follows it, until the end of the rule, has `rest` instructions.
fn comparison(compare: &Compare, rest: usize) -> Vec<Instruction> {
    use To::{Fails, Holds, Next};
    let (high, low) = ((compare.value >> 32) as u32, compare.value as u32);
    let (upper, lower) = (high_half(compare.index), low_half(compare.index));
    let steps = match compare.op {
        Op::Eq => vec![
            (LOAD, upper, Next, Next),
            (IF_EQUAL, high, Next, Fails),
            (LOAD, lower, Next, Next),
            (IF_EQUAL, low, Holds, Fails),
        ],
        Op::Ne => vec![
            (LOAD, upper, Next, Next),
            (IF_EQUAL, high, Next, Holds),
            (LOAD, lower, Next, Next),
            (IF_EQUAL, low, Fails, Holds),
        ],
        Op::MaskedEq(mask) => vec![
            (LOAD, upper, Next, Next),
            (AND, (mask >> 32) as u32, Next, Next),
            (IF_EQUAL, high, Next, Fails),
            (LOAD, lower, Next, Next),
            (AND, mask as u32, Next, Next),
            (IF_EQUAL, low, Holds, Fails),
        ],
        Op::Gt => ordered(upper, high, Holds, (lower, IF_GREATER, low, Holds, Fails)),
        Op::Ge => ordered(upper, high, Holds, (lower, IF_AT_LEAST, low, Holds, Fails)),
        Op::Le => ordered(upper, high, Fails, (lower, IF_GREATER, low, Fails, Holds)),
        Op::Lt => ordered(upper, high, Fails, (lower, IF_AT_LEAST, low, Fails, Holds)),
    };
    placed(&steps, rest)
}

type Step = (u16, u32, To, To);

/// Greater or smaller: if the upper halves differ they decide, and else the lower ones.
fn ordered(upper: u32, high: u32, greater: To, lower: (u32, u16, u32, To, To)) -> Vec<Step> {
    let smaller = if matches!(greater, To::Holds) { To::Fails } else { To::Holds };
    let (place, code, low, yes, no) = lower;
    vec![
        (LOAD, upper, To::Next, To::Next),
        (IF_GREATER, high, greater, To::Next),
        (IF_EQUAL, high, To::Next, smaller),
        (LOAD, place, To::Next, To::Next),
        (code, low, yes, no),
    ]
}

/// The steps as instructions, in which a jump counts what it skips.
fn placed(steps: &[Step], rest: usize) -> Vec<Instruction> {
    let skip = |at: usize, to: To| {
        let left = steps.len() - at - 1;
        let skipped = match to {
            To::Next => 0,
            To::Holds => left,
            To::Fails => left + rest,
        };
        u8::try_from(skipped).expect("six comparisons have at most 37 instructions")
    };
    let one = |(at, (code, k, yes, no)): (usize, &Step)| Instruction {
        code: *code,
        jt: skip(at, *yes),
        jf: skip(at, *no),
        k: *k,
    };
    steps.iter().enumerate().map(one).collect()
}

fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

fn ret(action: Action) -> Instruction {
    plain(RETURN, action.code())
}

fn length(program: &[Instruction]) -> u32 {
    u32::try_from(program.len()).expect("no program has so many instructions")
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
