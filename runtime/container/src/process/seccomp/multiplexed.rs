//! Two calls of 32-bit x86 are doors to many: `socketcall` and `ipc`, whose first argument says which
//! one is meant.
//!
//! A rule about `socket` that said nothing about them would be half a rule.

use bundle::{Action, Condition, Operator, Rule};

/// A call by its other door.
pub(super) struct Behind {
    pub(super) number: u32,
    pub(super) conditions: &'static [Condition],
}

/// The other door of a call.
///
/// Arguments lie in memory there, where a filter cannot look. A rule that refuses by them refuses
/// whatever they are, as in libseccomp. One that allows by them allows nothing there: it does not say
/// that.
pub(super) fn behind(name: &str, rule: &Rule) -> Option<Behind> {
    let allows = matches!(rule.action, Action::Allow | Action::Log);
    if allows && !rule.conditions.is_empty() {
        return None;
    }
    let place = BEHIND.binary_search_by(|(known, ..)| (*known).cmp(name)).ok()?;
    let (_, number, conditions) = &BEHIND[place];
    Some(Behind { number: *number, conditions })
}

const SOCKETCALL: u32 = 102;
const IPC: u32 = 117;

/// The upper half of the word is a version, which the kernel takes apart from the rest.
const fn one_of(number: u64) -> Condition {
    Condition { argument: 0, operator: Operator::MaskedEqual, value: 0xffff, second: number }
}

/// `linux/net.h` and `linux/ipc.h`, sorted by name.
static BEHIND: [(&str, u32, [Condition; 1]); 32] = [
    ("accept", SOCKETCALL, [one_of(5)]),
    ("accept4", SOCKETCALL, [one_of(18)]),
    ("bind", SOCKETCALL, [one_of(2)]),
    ("connect", SOCKETCALL, [one_of(3)]),
    ("getpeername", SOCKETCALL, [one_of(7)]),
    ("getsockname", SOCKETCALL, [one_of(6)]),
    ("getsockopt", SOCKETCALL, [one_of(15)]),
    ("listen", SOCKETCALL, [one_of(4)]),
    ("msgctl", IPC, [one_of(14)]),
    ("msgget", IPC, [one_of(13)]),
    ("msgrcv", IPC, [one_of(12)]),
    ("msgsnd", IPC, [one_of(11)]),
    ("recv", SOCKETCALL, [one_of(10)]),
    ("recvfrom", SOCKETCALL, [one_of(12)]),
    ("recvmmsg", SOCKETCALL, [one_of(19)]),
    ("recvmsg", SOCKETCALL, [one_of(17)]),
    ("semctl", IPC, [one_of(3)]),
    ("semget", IPC, [one_of(2)]),
    ("semop", IPC, [one_of(1)]),
    ("semtimedop", IPC, [one_of(4)]),
    ("send", SOCKETCALL, [one_of(9)]),
    ("sendmmsg", SOCKETCALL, [one_of(20)]),
    ("sendmsg", SOCKETCALL, [one_of(16)]),
    ("sendto", SOCKETCALL, [one_of(11)]),
    ("setsockopt", SOCKETCALL, [one_of(14)]),
    ("shmat", IPC, [one_of(21)]),
    ("shmctl", IPC, [one_of(24)]),
    ("shmdt", IPC, [one_of(22)]),
    ("shmget", IPC, [one_of(23)]),
    ("shutdown", SOCKETCALL, [one_of(13)]),
    ("socket", SOCKETCALL, [one_of(1)]),
    ("socketpair", SOCKETCALL, [one_of(8)]),
];
