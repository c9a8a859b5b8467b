//! Chapter 1: a container is a process.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("ch1-default", "chapter1", &[]),
    case("ch1-spawn-clone3", "chapter1", &["spawn", "--", "sh", "-c", "exit 7"]).exits(7),
    case("ch1-spawn-fork", "chapter1", &["spawn", "--by", "fork", "--", "true"]),
    case("ch1-spawn-signal", "chapter1", &["spawn", "--", "sh", "-c", "kill -TERM $$"]).exits(143),
    case("ch1-spawn-missing", "chapter1", &["spawn", "--", "no-such-program"]).exits(127),
    case("ch1-spawn-no-program", "chapter1", &["spawn", "--", "/etc/passwd"]).exits(126),
    case("ch1-spawn-real-time-signal", "chapter1", &["spawn", "--", "sh", "-c", "kill -40 $$"])
        .exits(168),
    case("ch1-zombie", "chapter1", &["zombie"]),
    case("ch1-orphan", "chapter1", &["orphan"]).varies(),
    case("ch1-leak", "chapter1", &["leak"]),
    case("ch1-leak-attack", "chapter1", &["leak", "--without", "close-the-rest"]),
    case("ch1-fork-refused", "chapter1", &["spawn", "--fail", "clone3=EAGAIN", "--", "true"])
        .exits(125),
];
