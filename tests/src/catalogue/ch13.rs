//! Chapter 13: joining and talking.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("ch13-default", "chapter13", &[]),
    case("ch13-run", "chapter13", &["run", "--rm", "box", "--", "sh", "-c", "echo hi; exit 7"])
        .exits(7),
    case("ch13-run-missing", "chapter13", &["run", "box", "--", "no-such-program"]).exits(127),
    case("ch13-run-there", "chapter13", &["run", "/tmp", "--", "true"]).exits(125),
    case("ch13-exec", "chapter13", &["exec", "{target}", "--", "hostname"]),
    case(
        "ch13-exec-order",
        "chapter13",
        &["exec", "--order", "user,uts", "{target}", "--", "hostname"],
    ),
    case("ch13-exec-exit", "chapter13", &["exec", "{target}", "--", "sh", "-c", "exit 7"]).exits(7),
    case("ch13-exec-missing", "chapter13", &["exec", "{target}", "--", "/nowhere"]).exits(127),
    case("ch13-exec-gone", "chapter13", &["exec", "4194304", "--", "true"]).exits(125),
    case("ch13-exec-no-box", "chapter13", &["exec", "nowhere", "--", "true"]).exits(125),
    case("ch13-exec-box", "chapter13", &["exec", "{box}", "--", "sh", "-c", "hostname; id -u"]),
    case("ch13-exec-tty", "chapter13", &["exec", "--tty", "{box}", "--", "tty"]),
    case(
        "ch13-exec-console",
        "chapter13",
        &["exec", "--tty", "--console-socket", "nowhere", "{box}", "--", "true"],
    )
    .exits(125),
    case("ch13-attach", "chapter13", &["attach", "{box}"]),
    case("ch13-logs", "chapter13", &["logs", "{box}"]),
    case("ch13-race-path", "chapter13", &["race", "--by", "path"]).exits(1),
    case("ch13-race-path-early", "chapter13", &["race", "--by", "path", "--swap", "before-look"]),
    case("ch13-race", "chapter13", &["race", "--by", "descriptor"]),
    case("ch13-race-early", "chapter13", &["race", "--by", "descriptor", "--swap", "before-look"])
        .varies(),
];
