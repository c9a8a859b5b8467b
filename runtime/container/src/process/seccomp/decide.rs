//! What happens to which number?

use bundle::{Action, Condition, Rule, Seccomp};

use super::arch::{Arch, X32_BIT};
use super::calls;
use super::multiplexed;

/// What a filter answers: `SECCOMP_RET_…` in `linux/seccomp.h`.
pub(super) const KILL_PROCESS: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;
const ENOSYS: u32 = 38;

/// The numbers from `first` to the next range.
#[derive(Debug)]
pub(super) struct Range<'a> {
    pub(super) first: u32,
    /// Whether an argument has 32 bits, so that there is no more to compare.
    pub(super) narrow: bool,
    pub(super) leaf: Leaf<'a>,
}

/// What happens to a call: the first alternative that holds decides.
#[derive(Debug, PartialEq)]
pub(super) struct Leaf<'a> {
    pub(super) alternatives: Vec<Alternative<'a>>,
    pub(super) otherwise: u32,
}

/// An answer, if all conditions hold; at most one about each argument.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alternative<'a> {
    pub(super) conditions: &'a [Condition],
    pub(super) answer: u32,
}

/// A rule about a number.
#[derive(Clone, Copy)]
struct Entry<'a> {
    number: u32,
    conditions: &'a [Condition],
    answer: u32,
}

/// Where ranges are put, and how wide the arguments of the calls in them are.
struct Ranges<'a> {
    all: Vec<Range<'a>>,
    narrow: bool,
}

/// A name in a rule, and its row in the table of calls.
pub(super) struct Named<'a> {
    rule: &'a Rule,
    name: &'a str,
    row: &'static [u32; 5],
}

/// All names that some architecture has, in the order of the rules.
pub(super) fn named(seccomp: &Seccomp) -> Vec<Named<'_>> {
    let mut all = Vec::with_capacity(512);
    for rule in &seccomp.rules {
        let known = |name| Some(Named { rule, name, row: calls::numbers(name)? });
        all.extend(rule.names.iter().filter_map(|name| known(name)));
    }
    all
}

/// Everything from 0 to the last number, in rising order.
pub(super) fn ranges<'a>(
    named: &[Named<'a>],
    default: Action,
    arch: Arch,
    x32: bool,
) -> Vec<Range<'a>> {
    let mut ranges = Ranges { all: Vec::with_capacity(64), narrow: arch.narrow };
    ranges.fill(0, Calls::of(named, default, arch, Arch::number), default);
    if arch.has_x32 && x32 {
        ranges.narrow = true;
        ranges.fill(X32_BIT, Calls::of(named, default, arch, Arch::x32_number), default);
    } else if arch.has_x32 {
        ranges.push(X32_BIT, always(KILL_PROCESS));
        // Not a call: what a tracer puts in place of one that shall not happen.
        ranges.push(u32::MAX, always(code(default)));
    }
    ranges.all
}

/// The rules of a profile that are about calls of one architecture.
struct Calls<'a> {
    /// By number, and in their order where that is the same.
    entries: Vec<Entry<'a>>,
    /// The last call that the profile knows.
    last: Option<u32>,
}

impl<'a> Calls<'a> {
    fn of(
        named: &[Named<'a>],
        default: Action,
        arch: Arch,
        number: fn(Arch, &str, &[u32; 5]) -> Option<u32>,
    ) -> Calls<'a> {
        let default = code(default);
        let mut calls = Calls { entries: Vec::with_capacity(named.len()), last: None };
        for Named { rule, name, row } in named {
            let answer = code(rule.action);
            let number = number(arch, name, row);
            calls.last = calls.last.max(number);
            if answer == default {
                continue;
            }
            let direct = |number| Entry { number, conditions: &rule.conditions, answer };
            calls.entries.extend(number.map(direct));
            // Some calls have this door alone.
            calls.entries.extend(multiplexed(arch, name, rule, answer));
        }
        calls.entries.sort_by_key(|entry| entry.number);
        calls
    }
}

/// The same call by its other door, where the architecture has one.
fn multiplexed<'a>(arch: Arch, name: &str, rule: &Rule, answer: u32) -> Option<Entry<'a>> {
    let behind = arch.multiplexes.then(|| multiplexed::behind(name, rule)).flatten()?;
    Some(Entry { number: behind.number, conditions: behind.conditions, answer })
}

impl<'a> Ranges<'a> {
    /// The ranges from `first` on.
    fn fill(&mut self, first: u32, calls: Calls<'a>, default: Action) {
        let otherwise = code(default);
        let mut next = first;
        for same in calls.entries.chunk_by(|one, other| one.number == other.number) {
            let number = same[0].number;
            if next < number {
                self.push(next, always(otherwise));
            }
            self.push(number, leaf(same, otherwise));
            next = number + 1;
        }
        self.push(next, always(otherwise));
        if let Some(last) = calls.last.filter(|_| refuses_unknown(default)) {
            self.push(last + 1, always(ERRNO | ENOSYS));
        }
    }

    /// Adds a range, which ends the one before it. Two that are decided alike are one.
    fn push(&mut self, first: u32, leaf: Leaf<'a>) {
        if self.all.last().is_some_and(|last| last.first == first) {
            self.all.pop();
        }
        if self.all.last().is_none_or(|last| last.leaf != leaf) {
            self.all.push(Range { first, narrow: self.narrow, leaf });
        }
    }
}

/// Whether a call that the profile does not name may not be made, and is not said to be missing.
fn refuses_unknown(action: Action) -> bool {
    // A tracer can say of itself which calls there are.
    !matches!(action, Action::Allow | Action::Log | Action::Trace(_))
}

fn always<'a>(answer: u32) -> Leaf<'a> {
    Leaf { alternatives: Vec::new(), otherwise: answer }
}

/// What all rules about one call come to.
fn leaf<'a>(entries: &[Entry<'a>], otherwise: u32) -> Leaf<'a> {
    match entries.iter().rfind(|entry| entry.conditions.is_empty()) {
        Some(unconditional) => always(unconditional.answer),
        None => Leaf { alternatives: entries.iter().flat_map(alternatives).collect(), otherwise },
    }
}

/// All conditions at once; each for itself where two are about the same argument.
fn alternatives<'a>(entry: &Entry<'a>) -> Vec<Alternative<'a>> {
    let all = entry.conditions;
    let again = |at: usize| all[..at].iter().any(|other| other.argument == all[at].argument);
    let size = if (0..all.len()).any(again) { 1 } else { all.len() };
    let some = all.chunks(size);
    some.map(|conditions| Alternative { conditions, answer: entry.answer }).collect()
}

/// An action, as a filter answers it.
pub(super) fn code(action: Action) -> u32 {
    match action {
        Action::Allow => 0x7fff_0000,
        Action::Errno(errno) => ERRNO | u32::from(errno),
        Action::KillThread => 0,
        Action::KillProcess => KILL_PROCESS,
        Action::Log => 0x7ffc_0000,
        Action::Notify => 0x7fc0_0000,
        Action::Trace(number) => 0x7ff0_0000 | u32::from(number),
        Action::Trap => 0x0003_0000,
    }
}
