//! The rules for devices as a program of the kernel, for cgroup v2.
//!
//! It is asked with three numbers: what for (the kind of device in the lower half, the access in the
//! upper), major, minor. It answers 1 or 0. The rules are gone through from the last one to the first,
//! and each that is about the device decides over what it names of the access: if it forbids any of
//! that, the answer is 0; if it allows, that part is settled, and when nothing is left the answer is 1.
//!
//! runc and crun ask instead whether *all* of the access is named by one rule. Then a rule that forbids
//! writing says nothing to who opens for reading and writing, and is no protection.

use bundle::{DeviceRule, RuleKind};
use primitives::BpfInstruction;

use super::devices::{ALL, access_of, is_about_all};

/// Where an answer goes, and what the program is asked with.
const ANSWER: u8 = 0;
const ASKED: u8 = 1;
/// After the beginning the question is not needed any more.
const SPARE: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// `BPF_DEVCG_DEV_BLOCK` and `BPF_DEVCG_DEV_CHAR` of the kernel.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;

/// Codes of instructions: a class, and an operation in it (Documentation/bpf/standardization).
const LOAD_WORD: u8 = 0x61;
const COPY: u8 = 0xbc;
const SET: u8 = 0xb4;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
/// Jumps that compare all 64 bits: every kernel has them, and the upper halves are zero here.
const JUMP_EQUAL: u8 = 0x15;
const JUMP_UNEQUAL: u8 = 0x55;
const EXIT: u8 = 0x95;

/// The program for these rules. Without one that is about all devices the answer is no.
pub(super) fn program(rules: &[DeviceRule]) -> Vec<BpfInstruction> {
    let mut program = vec![
        load(KIND, 0),
        copy(ACCESS, KIND),
        with(AND, KIND, 0xffff),
        with(SHIFT_RIGHT, ACCESS, 16),
        load(MAJOR, 4),
        load(MINOR, 8),
    ];
    for rule in rules.iter().rev() {
        let access = access_of(rule);
        if is_about_all(rule) && access == ALL {
            // The kernel takes no program in which something is never reached.
            program.extend(answer(rule.allow));
            return program;
        }
        if access != 0 {
            program.extend(decision(rule, access));
        }
    }
    program.extend(answer(false));
    program
}

/// Each comparison skips the rest when the rule is not about this device.
fn decision(rule: &DeviceRule, access: u8) -> Vec<BpfInstruction> {
    let kind = match rule.kind {
        RuleKind::All => None,
        RuleKind::Character => Some(CHARACTER),
        RuleKind::Block => Some(BLOCK),
    };
    let number = |number: Option<u32>| number.map(u32::cast_signed);
    let compared = [(KIND, kind), (MAJOR, number(rule.major)), (MINOR, number(rule.minor))];
    let compared = compared.into_iter().filter_map(|(register, value)| Some((register, value?)));

    let named = i32::from(access);
    let mut end = match rule.allow {
        true => vec![with(AND, ACCESS, i32::from(ALL & !access)), jump(JUMP_UNEQUAL, ACCESS, 0, 2)],
        false => {
            vec![copy(SPARE, ACCESS), with(AND, SPARE, named), jump(JUMP_EQUAL, SPARE, 0, 2)]
        }
    };
    end.extend(answer(rule.allow));

    let compared: Vec<(u8, i32)> = compared.collect();
    let mut all = Vec::new();
    for (index, (register, value)) in compared.iter().enumerate() {
        let rest = compared.len() - index - 1 + end.len();
        let rest = i16::try_from(rest).expect("three comparisons and an end are few");
        all.push(jump(JUMP_UNEQUAL, *register, *value, rest));
    }
    all.extend(end);
    all
}

fn answer(allow: bool) -> [BpfInstruction; 2] {
    [with(SET, ANSWER, i32::from(allow)), instruction(EXIT, 0, 0, 0, 0)]
}

fn load(register: u8, offset: i16) -> BpfInstruction {
    instruction(LOAD_WORD, register, ASKED, offset, 0)
}

fn copy(to: u8, from: u8) -> BpfInstruction {
    instruction(COPY, to, from, 0, 0)
}

fn with(code: u8, register: u8, constant: i32) -> BpfInstruction {
    instruction(code, register, 0, 0, constant)
}

fn jump(code: u8, register: u8, constant: i32, skip: i16) -> BpfInstruction {
    instruction(code, register, 0, skip, constant)
}

fn instruction(code: u8, to: u8, from: u8, offset: i16, constant: i32) -> BpfInstruction {
    BpfInstruction { code, registers: from << 4 | to, offset, constant }
}

#[cfg(test)]
mod tests {
    use bundle::DeviceRule;
    use primitives::BpfInstruction;

    use super::program;
    use crate::cgroup::devices::tests::rules;
    use crate::cgroup::devices::{MAKE, READ, WRITE};

    /// Runs a program as the kernel would, but for what our programs do not use.
    fn run(program: &[BpfInstruction], asked: [u32; 3]) -> bool {
        let (mut registers, mut at) = ([0_u64; 11], 0_usize);
        loop {
            let one = program[at];
            let (to, from) = (usize::from(one.registers & 15), usize::from(one.registers >> 4));
            let constant = u64::from(one.constant.cast_unsigned());
            at += 1;
            let skip = usize::try_from(one.offset).unwrap();
            match one.code {
                super::LOAD_WORD => registers[to] = u64::from(asked[skip / 4]),
                super::COPY => registers[to] = registers[from],
                super::SET => registers[to] = constant,
                super::AND => registers[to] &= constant,
                super::SHIFT_RIGHT => registers[to] >>= constant,
                super::JUMP_EQUAL if registers[to] == constant => at += skip,
                super::JUMP_UNEQUAL if registers[to] != constant => at += skip,
                super::JUMP_EQUAL | super::JUMP_UNEQUAL => {}
                super::EXIT => return registers[0] == 1,
                other => panic!("no such instruction: {other:#x}"),
            }
        }
    }

    fn ask(program: &[BpfInstruction], kind: char, device: (u32, u32), access: u8) -> bool {
        let kind = if kind == 'b' { 1 } else { 2 };
        run(program, [u32::from(access) << 16 | kind, device.0, device.1])
    }

    #[test]
    fn the_last_rule_counts() {
        type Case = (&'static [&'static str], char, (u32, u32), u8, bool);
        let cases: [Case; 14] = [
            (&[], 'c', (1, 3), READ, false),
            (&["-a"], 'c', (1, 3), READ, false),
            (&["-a", "+a"], 'b', (8, 0), WRITE, true),
            (&["-a", "+c 1:3 rwm"], 'c', (1, 3), READ | WRITE, true),
            (&["-a", "+c 1:3 rwm"], 'b', (1, 3), READ, false),
            (&["-a", "+c 1:3 rwm"], 'c', (1, 5), READ, false),
            (&["-a", "+c 1:3 r"], 'c', (1, 3), READ | WRITE, false),
            (&["-a", "+c 1:3 r", "+c 1:* w"], 'c', (1, 3), READ | WRITE, true),
            (&["-a", "+c *:* m"], 'c', (9, 9), MAKE, true),
            (&["-a", "+c *:* m"], 'c', (9, 9), READ, false),
            (&["+a", "-c 1:1 w"], 'c', (1, 1), READ | WRITE, false),
            (&["+a", "-c 1:1 w"], 'c', (1, 1), READ, true),
            (&["-a", "+c *:* rw", "-c 1:1 rw"], 'c', (1, 1), READ, false),
            (&["-a", "-c 1:1 rwm", "+c 1:1 r"], 'c', (1, 1), READ, true),
        ];
        for (texts, kind, device, access, expected) in cases {
            let program = program(&rules(texts));
            assert_eq!(ask(&program, kind, device, access), expected, "{texts:?} {device:?}");
        }
    }

    /// What the rules mean, said in another way.
    fn meant(rules: &[DeviceRule], kind: char, (major, minor): (u32, u32), access: u8) -> bool {
        let about = |rule: &&DeviceRule| {
            let kind_of = match rule.kind {
                bundle::RuleKind::All => "cb",
                bundle::RuleKind::Character => "c",
                bundle::RuleKind::Block => "b",
            };
            kind_of.contains(kind)
                && rule.major.is_none_or(|own| own == major)
                && rule.minor.is_none_or(|own| own == minor)
        };
        [(MAKE, 'm'), (READ, 'r'), (WRITE, 'w')].iter().filter(|(bit, _)| access & bit != 0).all(
            |(_, letter)| {
                let named = |rule: &&DeviceRule| rule.access.contains(*letter);
                rules.iter().rfind(|rule| about(rule) && named(rule)).is_some_and(|rule| rule.allow)
            },
        )
    }

    #[test]
    fn programs_mean_what_their_rules_say() {
        let words = ["-a", "+a", "+c 1:3 rwm", "-c 1:* w", "+a *:3 r", "-b 1:3 rm", "+c *:* m"];
        for first in words {
            for second in words {
                for third in words {
                    let rules = rules(&[first, second, third]);
                    let program = program(&rules);
                    for access in 1..=7 {
                        for (kind, device) in [('c', (1, 3)), ('b', (1, 3)), ('c', (1, 4))] {
                            let (ours, theirs) = (
                                ask(&program, kind, device, access),
                                meant(&rules, kind, device, access),
                            );
                            assert_eq!(ours, theirs, "{first}, {second}, {third}: {access}");
                        }
                    }
                }
            }
        }
    }
}
