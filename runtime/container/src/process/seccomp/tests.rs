//! Does the program say what the rules say? Random rules, random calls, and both must agree.

use bundle::{Action, Condition, Operator, Rule, Seccomp};
use primitives::{Instruction, SystemCall};

use super::arch::{
    ARCH_AARCH64, ARCH_ARM, ARCH_X86, ARCH_X86_64, Arch, Machine, X32_BIT, this_machine, wants_x32,
};
use super::compile::compile;
use super::decide::{KILL_PROCESS, code};
use super::{calls, multiplexed};

const INTEL: &Machine = &[ARCH_X86_64, ARCH_X86];
const ENOSYS: u32 = 0x0005_0000 | 38;

/// The kernel's machine in small; it refuses what the kernel would refuse.
fn run(program: &[Instruction], call: &SystemCall) -> u32 {
    let mut words = vec![call.number, call.arch, 0, 0];
    words.extend(call.args.iter().flat_map(|arg| [*arg as u32, (*arg >> 32) as u32]));
    let (mut register, mut at) = (0_u32, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        let skip = |holds: bool| usize::from(if holds { jt } else { jf });
        at += 1 + match code {
            0x20 => {
                register = words[k as usize / 4];
                0
            }
            0x54 => {
                register &= k;
                0
            }
            0x05 => k as usize,
            0x15 => skip(register == k),
            0x25 => skip(register > k),
            0x35 => skip(register >= k),
            0x06 => return k,
            other => panic!("{other:#x} is no instruction of ours"),
        };
    }
}

/// What the kernel checks before it takes a program: every jump stays inside, the last one returns.
fn accepted_by_the_kernel(program: &[Instruction]) {
    assert!(!program.is_empty() && program.len() <= 4096);
    assert_eq!(program.last().unwrap().code, 0x06);
    for (at, instruction) in program.iter().enumerate() {
        let furthest = match instruction.code {
            0x05 => 1 + instruction.k as usize,
            0x15 | 0x25 | 0x35 => 1 + usize::from(instruction.jt.max(instruction.jf)),
            0x20 => {
                assert!(instruction.k <= 60 && instruction.k % 4 == 0);
                0
            }
            _ => 0,
        };
        assert!(at + furthest < program.len(), "{at} jumps out");
    }
}

/// The rules, read one by one.
fn meant(seccomp: &Seccomp, machine: &Machine, call: &SystemCall) -> u32 {
    let default = code(seccomp.default_action);
    let named = |name: &str| seccomp.architectures.iter().any(|it| it == name);
    let Some(arch) = machine.iter().find(|arch| arch.audit == call.arch) else {
        return KILL_PROCESS;
    };
    if machine[0] != *arch && !named(arch.name) {
        return KILL_PROCESS;
    }
    let x32 = arch.has_x32 && call.number >= X32_BIT;
    if x32 && !wants_x32(seccomp) {
        return if call.number == u32::MAX { default } else { KILL_PROCESS };
    }
    by_rules(seccomp, *arch, x32, call)
}

fn by_rules(seccomp: &Seccomp, arch: Arch, x32: bool, call: &SystemCall) -> u32 {
    let default = code(seccomp.default_action);
    let narrow = arch.narrow || x32;
    let (mut conditional, mut always, mut last) = (None, None, None);
    for (rule, name) in seccomp.rules.iter().flat_map(|r| r.names.iter().map(move |n| (r, n))) {
        let Some(row) = calls::numbers(name) else {
            continue;
        };
        let number = if x32 { arch.x32_number(name, row) } else { arch.number(name, row) };
        last = last.max(number);
        let answer = code(rule.action);
        if answer == default {
            continue;
        }
        if number == Some(call.number) && rule.conditions.is_empty() {
            always = Some(answer);
        } else if number == Some(call.number) && fits(&rule.conditions, narrow, call) {
            conditional = conditional.or(Some(answer));
        }
        let behind = arch.multiplexes.then(|| multiplexed::behind(name, rule)).flatten();
        if behind.is_some_and(|it| it.number == call.number && fits(it.conditions, true, call)) {
            conditional = conditional.or(Some(answer));
        }
    }
    let permissive =
        matches!(seccomp.default_action, Action::Allow | Action::Log | Action::Trace(_));
    let newer = last.is_some_and(|last| call.number > last) && !permissive;
    always.or(conditional).unwrap_or(if newer { ENOSYS } else { default })
}

fn fits(conditions: &[Condition], narrow: bool, call: &SystemCall) -> bool {
    let mut arguments: Vec<u8> = conditions.iter().map(|it| it.argument).collect();
    arguments.sort_unstable();
    let twice = arguments.windows(2).any(|pair| pair[0] == pair[1]);
    let mut each = conditions.iter().map(|it| holds(it, narrow, call));
    if twice { each.any(|it| it) } else { each.all(|it| it) }
}

fn holds(condition: &Condition, narrow: bool, call: &SystemCall) -> bool {
    let cut = |value: u64| if narrow { value & 0xffff_ffff } else { value };
    let seen = cut(call.args[usize::from(condition.argument)]);
    let (value, second) = (cut(condition.value), cut(condition.second));
    match condition.operator {
        Operator::NotEqual => seen != value,
        Operator::Less => seen < value,
        Operator::LessOrEqual => seen <= value,
        Operator::Equal => seen == value,
        Operator::GreaterOrEqual => seen >= value,
        Operator::Greater => seen > value,
        Operator::MaskedEqual => seen & value == second & value,
    }
}

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

    fn condition(&mut self) -> Condition {
        const OPERATORS: [Operator; 7] = [
            Operator::NotEqual,
            Operator::Less,
            Operator::LessOrEqual,
            Operator::Equal,
            Operator::GreaterOrEqual,
            Operator::Greater,
            Operator::MaskedEqual,
        ];
        let (value, second) = (self.value(), self.value());
        // A value with bits outside of the mask never fits; most should.
        let second = if self.below(8) == 0 { second } else { second & value };
        let operator = self.one_of(&OPERATORS);
        Condition { argument: self.below(6) as u8, operator, value, second }
    }

    fn rule(&mut self) -> Rule {
        let names = (0..=self.below(3)).map(|_| self.name()).collect();
        let conditions = match self.below(2) {
            0 => Vec::new(),
            _ => (0..=self.below(6)).map(|_| self.condition()).collect(),
        };
        Rule { names, action: self.one_of(&ACTIONS), conditions }
    }

    /// Often one of a few, so that rules meet at the same call.
    fn name(&mut self) -> String {
        const SOME: [&str; 12] = [
            "read",
            "socket",
            "connect",
            "socketcall",
            "ipc",
            "semget",
            "execve",
            "ioctl",
            "personality",
            "file_setattr",
            "no_such_call",
            "set_tls",
        ];
        let all: Vec<&str> = calls::names().collect();
        if self.below(2) == 0 { self.one_of(&SOME) } else { self.one_of(&all) }.to_string()
    }

    fn profile(&mut self) -> Seccomp {
        let names = [
            "SCMP_ARCH_X86_64",
            "SCMP_ARCH_X86",
            "SCMP_ARCH_X32",
            "SCMP_ARCH_ARM",
            "SCMP_ARCH_AARCH64",
            "SCMP_ARCH_S390X",
        ];
        let named = names.into_iter().filter(|_| self.below(2) == 0).map(str::to_string);
        let architectures = named.collect();
        let many = self.below(40);
        Seccomp {
            default_action: self.one_of(&ACTIONS),
            architectures,
            flags: Vec::new(),
            rules: (0..self.below(many + 1)).map(|_| self.rule()).collect(),
            listener: None,
        }
    }

    /// Mostly a call that some rule is about.
    fn call(&mut self, seccomp: &Seccomp) -> SystemCall {
        const ALL: [Arch; 4] = [ARCH_X86_64, ARCH_X86, ARCH_AARCH64, ARCH_ARM];
        let arch = self.one_of(&ALL);
        let names: Vec<&String> = seccomp.rules.iter().flat_map(|rule| &rule.names).collect();
        let named = (!names.is_empty()).then(|| self.one_of(&names));
        let row = named.and_then(|name| calls::numbers(name));
        let number = match (self.below(4), row) {
            (0, _) => self.one_of(&[102, 117, 469, 470, 1000, u32::MAX, X32_BIT + 5, 0]),
            (1, Some(row)) => calls::number(row, arch.column).unwrap_or(3) | X32_BIT,
            (_, Some(row)) => calls::number(row, arch.column).unwrap_or(3),
            (_, None) => self.below(500) as u32,
        };
        let args = std::array::from_fn(|_| self.value());
        SystemCall { arch: self.one_of(&[arch.audit, arch.audit, 0x1234]), number, args }
    }
}

const ACTIONS: [Action; 9] = [
    Action::Allow,
    Action::Log,
    Action::Errno(1),
    Action::Errno(38),
    Action::KillProcess,
    Action::KillThread,
    Action::Notify,
    Action::Trace(7),
    Action::Trap,
];

#[test]
fn the_program_says_what_the_rules_say() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut decided = std::collections::BTreeMap::new();
    let machines: [&Machine; 2] = [INTEL, &[ARCH_AARCH64, ARCH_ARM]];
    for _ in 0..4_000 {
        let profile = chance.profile();
        let machine = chance.one_of(&machines);
        let program = compile(&profile, machine).unwrap();
        accepted_by_the_kernel(&program);
        for _ in 0..50 {
            let call = chance.call(&profile);
            let (said, meant) = (run(&program, &call), meant(&profile, machine, &call));
            assert_eq!(said, meant, "{call:x?} by {profile:#?}");
            *decided.entry(meant).or_insert(0) += 1;
        }
    }
    // If every call were decided alike, nothing would have been compared.
    assert!(decided.len() >= 9 && decided.values().all(|count| *count > 1000), "{decided:x?}");
}

fn rule(names: &[&str], action: Action, conditions: &[Condition]) -> Rule {
    let names = names.iter().map(ToString::to_string).collect();
    Rule { names, action, conditions: conditions.to_vec() }
}

fn profile(default_action: Action, rules: Vec<Rule>) -> Seccomp {
    let architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
    let architectures = architectures.map(str::to_string).to_vec();
    Seccomp { default_action, architectures, flags: Vec::new(), rules, listener: None }
}

/// What engines give to every container, in kind and in size: nearly all names, some by conditions.
fn of_an_engine() -> Seccomp {
    let closed = "_sysctl acct add_key bpf clock_settime clone clone3 create_module delete_module \
        finit_module fsconfig fsmount fsopen fspick get_kernel_syms init_module \
        io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load \
        kexec_load keyctl lookup_dcookie mbind mount mount_setattr move_mount move_pages \
        name_to_handle_at nfsservctl open_by_handle_at open_tree perf_event_open personality \
        pivot_root query_module quotactl quotactl_fd reboot request_key set_mempolicy setns \
        settimeofday socket stime swapoff swapon sysfs umount umount2 unshare uselib \
        userfaultfd ustat vm86 vm86old vserver";
    let closed: Vec<&str> = closed.split(' ').collect();
    let open: Vec<&str> = calls::names().filter(|name| !closed.contains(name)).collect();
    let is = |argument, operator, value, second| Condition { argument, operator, value, second };
    let equal = |value| is(0, Operator::Equal, value, 0);
    let mut rules = vec![rule(&open, Action::Allow, &[])];
    for known in [0, 8, 0x20000, 0x20008, 0xffff_ffff] {
        rules.push(rule(&["personality"], Action::Allow, &[equal(known)]));
    }
    let mask = 0x7e02_0000;
    rules.push(rule(&["clone"], Action::Allow, &[is(0, Operator::MaskedEqual, mask, 0)]));
    rules.push(rule(&["clone3"], Action::Errno(38), &[]));
    rules.push(rule(&["socket"], Action::Allow, &[is(0, Operator::NotEqual, 40, 0)]));
    profile(Action::Errno(1), rules)
}

#[test]
fn a_profile_of_an_engine_is_small_and_right() {
    let seccomp = of_an_engine();
    assert!(seccomp.rules[0].names.len() > 400);
    let program = compile(&seccomp, INTEL).unwrap();
    accepted_by_the_kernel(&program);
    assert!(program.len() < 600, "{} instructions", program.len());
    let says = |arch: Arch, number: u32, first: u64| {
        let args = [first, 0, 0, 0, 0, 0];
        let call = SystemCall { arch: arch.audit, number, args };
        assert_eq!(run(&program, &call), meant(&seccomp, INTEL, &call), "{call:?}");
        run(&program, &call)
    };
    let (allow, eperm) = (0x7fff_0000, 0x0005_0001);
    assert_eq!(says(ARCH_X86_64, 0, 0), allow);
    assert_eq!(says(ARCH_X86_64, 165, 0), eperm);
    assert_eq!(says(ARCH_X86_64, 435, 0), ENOSYS);
    assert_eq!(says(ARCH_X86_64, 470, 0), ENOSYS);
    assert_eq!(says(ARCH_X86_64, 135, 8), allow);
    assert_eq!(says(ARCH_X86_64, 135, 9), eperm);
    assert_eq!(says(ARCH_X86_64, 41, 40), eperm);
    assert_eq!(says(ARCH_X86, 21, 0), eperm);
    for arch in [ARCH_X86_64, ARCH_X86, ARCH_ARM] {
        for number in (0..600).flat_map(|number| [number, number | X32_BIT]) {
            says(arch, number, 16);
        }
    }
}

#[test]
fn a_program_longer_than_the_kernel_takes_is_not_made() {
    let six = |value: u64| {
        let each = |argument| Condition { argument, operator: Operator::Less, value, second: 0 };
        (0..6).map(each).collect::<Vec<_>>()
    };
    let rules = (0..300).map(|value| rule(&["read"], Action::Allow, &six(value))).collect();
    let error = compile(&profile(Action::Errno(1), rules), INTEL).unwrap_err();
    assert!(error.to_string().contains("4096"), "{error}");
}

#[test]
fn rules_come_before_each_other_as_in_libseccomp() {
    // Seen with libseccomp 2.5.4.
    let equal =
        |argument, value| [Condition { argument, operator: Operator::Equal, value, second: 0 }];
    let (allow, refuse) = (Action::Allow, Action::Errno(5));
    let says = |rules: Vec<Rule>, arch: Arch, number: u32, first: u64| {
        let args = [first, 0, 0, 0, 0, 0];
        let call = SystemCall { arch: arch.audit, number, args };
        run(&compile(&profile(Action::Errno(1), rules), INTEL).unwrap(), &call)
    };
    let first = |rules: Vec<Rule>| says(rules, ARCH_X86_64, 135, 7);
    let open = || rule(&["personality"], allow, &[]);
    let seven = || rule(&["personality"], refuse, &equal(0, 7));
    assert_eq!(first(vec![seven(), open()]), code(allow));
    assert_eq!(first(vec![open(), seven()]), code(allow));
    let closed = || rule(&["personality"], refuse, &[]);
    assert_eq!(first(vec![open(), closed()]), code(refuse));
    assert_eq!(first(vec![closed(), open()]), code(allow));
    // The other door of 32-bit Intel.
    let socket = |action, conditions: &[Condition]| vec![rule(&["socket"], action, conditions)];
    assert_eq!(says(socket(refuse, &[]), ARCH_X86, 102, 1), code(refuse));
    assert_eq!(says(socket(refuse, &equal(0, 40)), ARCH_X86, 102, 1), code(refuse));
    assert_eq!(says(socket(allow, &[]), ARCH_X86, 102, 1), code(allow));
    assert_eq!(says(socket(allow, &[]), ARCH_X86, 102, 2), 0x0005_0001);
    assert_eq!(says(vec![rule(&["semop"], refuse, &[])], ARCH_X86, 117, 0x1_0001), code(refuse));
    // Where libseccomp would allow whatever it is.
    assert_eq!(says(socket(allow, &equal(0, 40)), ARCH_X86, 102, 1), 0x0005_0001);
}

#[test]
fn the_table_is_sorted_and_of_this_machine() {
    let names: Vec<&str> = calls::names().collect();
    assert!(names.is_sorted());
    assert!(this_machine().is_ok());
    let numbers = |name: &str| *calls::numbers(name).unwrap();
    let none = u32::MAX;
    assert_eq!(numbers("mkdir"), [83, 39, none, 39, none]);
    assert_eq!(numbers("openat2"), [437; 5]);
    assert_eq!(numbers("set_tls")[calls::ARM], 0xf0005);
    assert_eq!(calls::x32_number("execve"), Some(520));
    assert_eq!(calls::x32_number("pwritev2"), Some(547));
    assert!(calls::numbers("no_such_call").is_none());
}

/// The kernel goes through it at every call, and takes at most 4,096 instructions.
#[test]
fn the_filter_of_an_engine_is_small() {
    let seccomp = of_an_engine();
    let length = compile(&seccomp, INTEL).unwrap().len();
    let names = seccomp.rules[0].names.len();
    assert!(names > 300 && length < 1000, "{names} names, {length} instructions");
}
