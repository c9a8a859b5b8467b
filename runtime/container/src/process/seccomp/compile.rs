//! From decisions to instructions.

use bundle::{Condition, Operator, Seccomp};
use primitives::{Error, Instruction, Result};

use super::arch::{Machine, wanted, wants_x32};
use super::bpf::{
    AND, ARCHITECTURE, IF_AT_LEAST, IF_EQUAL, IF_GREATER, LOAD, NUMBER, answer, either, high_half,
    low_half, plain,
};
use super::decide::{Alternative, KILL_PROCESS, Leaf, Range, named, ranges};

/// The kernel takes no longer program (`BPF_MAXINSNS` in `linux/bpf_common.h`).
const LONGEST: usize = 4096;

/// The program that does what a profile says, for the calls that a machine can make.
///
/// # Errors
/// When it would be longer than the kernel takes.
pub(super) fn compile(seccomp: &Seccomp, machine: &Machine) -> Result<Vec<Instruction>> {
    let mut program = Vec::with_capacity(512);
    program.push(plain(LOAD, ARCHITECTURE));
    let named = named(seccomp);
    let x32 = wants_x32(seccomp);
    for arch in wanted(seccomp, machine) {
        let ranges = ranges(&named, seccomp.default_action, arch, x32);
        either(IF_EQUAL, arch.audit, &section(&ranges), &mut program);
    }
    program.push(answer(KILL_PROCESS));
    match program.len() {
        0..=LONGEST => Ok(program),
        long => Err(Error::Unusable(format!(
            "linux.seccomp becomes a filter of {long} instructions, and the kernel takes {LONGEST}"
        ))),
    }
}

/// All calls of one architecture.
fn section(ranges: &[Range<'_>]) -> Vec<Instruction> {
    let mut program = vec![plain(LOAD, NUMBER)];
    halve(ranges, &mut program);
    program
}

/// Finds the range that a number is in: the upper half or the lower one, until there is one left.
fn halve(ranges: &[Range<'_>], program: &mut Vec<Instruction>) {
    match ranges {
        [] => {}
        [one] => leaf(&one.leaf, one.narrow, program),
        more => {
            let (lower, upper) = more.split_at(more.len() / 2);
            let mut above = Vec::new();
            halve(upper, &mut above);
            either(IF_AT_LEAST, upper[0].first, &above, program);
            halve(lower, program);
        }
    }
}

/// What happens to one call.
fn leaf(leaf: &Leaf<'_>, narrow: bool, program: &mut Vec<Instruction>) {
    for alternative in &leaf.alternatives {
        program.extend(checks(alternative, narrow));
    }
    program.push(answer(leaf.otherwise));
}

/// Returns when all conditions hold, and goes on behind its end when one does not.
fn checks(alternative: &Alternative<'_>, narrow: bool) -> Vec<Instruction> {
    let mut body = vec![answer(alternative.answer)];
    for condition in alternative.conditions.iter().rev() {
        let rest = body.len();
        body.splice(0..0, comparison(condition, narrow, rest));
    }
    body
}

/// Where a comparison goes on.
#[derive(Clone, Copy)]
enum To {
    /// To the next instruction of this comparison.
    Next,
    /// It holds: to what follows.
    Holds,
    /// It does not: behind the whole alternative, `rest` instructions after this comparison.
    Fails,
}

type Step = (u16, u32, To, To);

/// One comparison of an argument, of which the machine sees one half at a time.
fn comparison(condition: &Condition, narrow: bool, rest: usize) -> Vec<Instruction> {
    use To::{Fails, Holds, Next};
    let (mask, value) = match condition.operator {
        // Bits outside of the mask are not compared, as in libseccomp.
        Operator::MaskedEqual => (condition.value, condition.second & condition.value),
        _ => (u64::MAX, condition.value),
    };
    let (high, low) = ((value >> 32) as u32, value as u32);
    let (lower, upper) = (low_half(condition.argument), high_half(condition.argument));
    let last = |code, yes, no| vec![(LOAD, lower, Next, Next), (code, low, yes, no)];
    // The upper halves decide, unless they are the same.
    let first = |greater: To, smaller: To| {
        let load = (LOAD, upper, Next, Next);
        vec![load, (IF_GREATER, high, greater, Next), (IF_EQUAL, high, Next, smaller)]
    };
    let same = |differ: To| vec![(LOAD, upper, Next, Next), (IF_EQUAL, high, Next, differ)];
    let (mut steps, tail): (Vec<Step>, Vec<Step>) = match condition.operator {
        Operator::Equal => (same(Fails), last(IF_EQUAL, Holds, Fails)),
        Operator::NotEqual => (same(Holds), last(IF_EQUAL, Fails, Holds)),
        Operator::Greater => (first(Holds, Fails), last(IF_GREATER, Holds, Fails)),
        Operator::GreaterOrEqual => (first(Holds, Fails), last(IF_AT_LEAST, Holds, Fails)),
        Operator::LessOrEqual => (first(Fails, Holds), last(IF_GREATER, Fails, Holds)),
        Operator::Less => (first(Fails, Holds), last(IF_AT_LEAST, Fails, Holds)),
        Operator::MaskedEqual => {
            let half = |place, mask, value, yes| {
                vec![
                    (LOAD, place, Next, Next),
                    (AND, mask, Next, Next),
                    (IF_EQUAL, value, yes, Fails),
                ]
            };
            (half(upper, (mask >> 32) as u32, high, Next), half(lower, mask as u32, low, Holds))
        }
    };
    if narrow {
        steps.clear();
    }
    steps.extend(tail);
    placed(&steps, rest)
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
        u8::try_from(skipped).expect("six conditions have at most 37 instructions")
    };
    let one = |(at, (code, k, yes, no)): (usize, &Step)| Instruction {
        code: *code,
        jt: skip(at, *yes),
        jf: skip(at, *no),
        k: *k,
    };
    steps.iter().enumerate().map(one).collect()
}
