//! Does the program say what the rules say? Random rules, random calls, and both must agree.

use primitives::{Instruction, SystemCall};

use super::compile;
use crate::arch::{Arch, X32_BIT};
use crate::bpf::interpret;
use crate::profile::{Action, Compare, Op, Profile, Rule};

/// Numbers that look random and are the same in every run (xorshift, Marsaglia 2003).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// Values that lie close together, at the borders of halves and signs, and anywhere.
    fn value(&mut self) -> u64 {
        let edges = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 32, 1 << 63, u64::MAX];
        match self.below(4) {
            0 => self.next(),
            1 => self.below(4),
            _ => self.one_of(&edges).wrapping_add(self.below(3)).wrapping_sub(1),
        }
    }

    fn compare(&mut self) -> Compare {
        let mask = self.value();
        let ops = [Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge, Op::MaskedEq(mask)];
        let op = self.one_of(&ops);
        let value = self.value();
        // A value with bits outside of the mask never fits; most should.
        let value = if let Op::MaskedEq(mask) = op { value & mask } else { value };
        Compare { index: self.below(6) as u8, op, value }
    }

    fn rule(&mut self) -> Rule {
        const ACTIONS: [Action; 6] = [
            Action::Allow,
            Action::Log,
            Action::Errno(1),
            Action::Errno(38),
            Action::KillProcess,
            Action::Trap,
        ];
        let names = (0..=self.below(3)).map(|_| self.one_of(&NAMES).to_string()).collect();
        let args = (0..self.below(4)).map(|_| self.compare()).collect();
        Rule { names, action: self.one_of(&ACTIONS), args }
    }

    fn profile(&mut self) -> Profile {
        let mut architectures = vec![Arch::X86_64];
        architectures.extend([Arch::X86, Arch::X32].into_iter().filter(|_| self.below(2) == 0));
        Profile {
            default: self.one_of(&[Action::Allow, Action::Errno(1), Action::KillThread]),
            architectures,
            rules: (0..self.below(12)).map(|_| self.rule()).collect(),
            checks_architecture: self.below(4) != 0,
            flags: Vec::new(),
        }
    }

    /// Mostly a call that some rule is about.
    fn call(&mut self) -> SystemCall {
        let arch = self.one_of(&Arch::ALL);
        let number = match self.below(5) {
            0 => self.below(500) as u32 | self.one_of(&[0, X32_BIT, 1 << 31]),
            _ => arch.number(self.one_of(&NAMES)).unwrap_or(0),
        };
        let args = std::array::from_fn(|_| self.value());
        SystemCall { arch: self.one_of(&[arch.audit(), arch.audit(), 0x1234]), number, args }
    }
}

const NAMES: [&str; 8] =
    ["read", "mkdir", "mkdirat", "clone", "socket", "personality", "mknod", "not_a_call"];

#[test]
fn the_program_says_what_the_rules_say() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut decided = std::collections::HashMap::new();
    for _ in 0..2_000 {
        let profile = chance.profile();
        let program = compile(&profile).unwrap();
        accepted_by_the_kernel(&program);
        for _ in 0..50 {
            let call = chance.call();
            let way = interpret(&program, &call).unwrap();
            let (said, meant) = (Action::from_code(way.answer).unwrap(), profile.decide(&call));
            assert_eq!(said, meant, "{call:x?} by {profile:#?}");
            *decided.entry(format!("{meant:?}")).or_insert(0) += 1;
        }
    }
    // If every call were decided alike, nothing would have been compared.
    assert!(decided.len() >= 7 && decided.values().all(|count| *count > 500), "{decided:?}");
}

/// What the kernel checks before it takes a program: every jump stays inside, the last one returns.
fn accepted_by_the_kernel(program: &[Instruction]) {
    assert!(!program.is_empty() && program.len() <= 4096);
    assert_eq!(program.last().unwrap().code, 0x06);
    for (at, instruction) in program.iter().enumerate() {
        let furthest = match instruction.code {
            0x05 => 1 + instruction.k as usize,
            0x15 | 0x25 | 0x35 => 1 + usize::from(instruction.jt.max(instruction.jf)),
            _ => 0,
        };
        assert!(at + furthest < program.len(), "{at} jumps out");
    }
}

#[test]
fn each_operator_at_its_border() {
    let border = 0x1_0000_0005_u64;
    let fits = |op: Op, value: u64, seen: u64| {
        let rule = Rule {
            names: vec!["socket".into()],
            action: Action::Errno(13),
            args: vec![Compare { index: 2, op, value }],
        };
        let mut profile = Profile::denying(vec![rule]);
        profile.architectures = vec![Arch::X86_64];
        let mut args = [0; 6];
        args[2] = seen;
        let call = SystemCall { arch: Arch::X86_64.audit(), number: 41, args };
        let way = interpret(&compile(&profile).unwrap(), &call).unwrap();
        Action::from_code(way.answer) == Some(Action::Errno(13))
    };
    let around = [border - 1, border, border + 1, 5, 0x2_0000_0000];
    let table = [
        (Op::Eq, [false, true, false, false, false]),
        (Op::Ne, [true, false, true, true, true]),
        (Op::Lt, [true, false, false, true, false]),
        (Op::Le, [true, true, false, true, false]),
        (Op::Gt, [false, false, true, false, true]),
        (Op::Ge, [false, true, true, false, true]),
    ];
    for (op, expected) in table {
        assert_eq!(around.map(|seen| fits(op, border, seen)), expected, "{op:?}");
    }
    assert!(fits(Op::MaskedEq(0xff), 5, border));
    assert!(!fits(Op::MaskedEq(0xff), 4, border));
    assert!(fits(Op::MaskedEq(1 << 32), 1 << 32, border));
}

#[test]
fn a_number_of_another_architecture_is_never_believed() {
    let rule = Rule { names: vec!["mkdir".into()], action: Action::Errno(1), args: vec![] };
    let mut profile = Profile::denying(vec![rule]);
    profile.architectures = vec![Arch::X86_64];
    let says = |profile: &Profile, arch: Arch, name: &str| {
        let number = arch.number(name).unwrap();
        let call = SystemCall { arch: arch.audit(), number, args: [0; 6] };
        let way = interpret(&compile(profile).unwrap(), &call).unwrap();
        Action::from_code(way.answer).unwrap()
    };
    for arch in [Arch::X86, Arch::X32, Arch::Aarch64] {
        assert_eq!(says(&profile, arch, "mkdirat"), Action::KillProcess, "{arch:?}");
    }
    profile.checks_architecture = false;
    assert_eq!(says(&profile, Arch::X86, "mkdir"), Action::Allow);
    assert_eq!(says(&profile, Arch::X32, "mkdir"), Action::Allow);
    // And it takes the wrong one for it.
    assert_eq!(says(&profile, Arch::X86, "symlink"), Action::Errno(1));
}

#[test]
fn a_program_that_is_too_long_is_not_made() {
    let names = (0..2_500).map(|_| "read".to_string()).collect();
    let rule = Rule { names, action: Action::Allow, args: vec![] };
    let error = compile(&Profile::denying(vec![rule])).unwrap_err();
    assert!(error.to_string().contains("4096"), "{error}");
}
