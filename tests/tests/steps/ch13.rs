//! Chapter 13: joining and talking.

use crate::checks::Check::{DiesWithParent, EndsWell, EndsWith, Says, SaysAmongOthers};
use crate::checks::{Step, step};

/// A terminal around the program, so that the first one of the machine is taken.
const ON_A_TERMINAL: &[&str] =
    &["sh", "-c", r#"script -qec "$(printf '"%s" ' "$@")" /dev/null"#, "sh"];

const LEADS: &str = "read a b c d e session rest < /proc/$$/stat; [ $session = $$ ] && echo leads";

pub(super) const STEPS: &[Step] = &[
    step("map root", "chapter13", &[], SaysAmongOthers("user 0")),
    step("let it go on", "chapter13", &[], EndsWell),
    step("take a name", "chapter13", &[], SaysAmongOthers("of box")),
    step("mount proc", "chapter13", &[], SaysAmongOthers("process 2 of")),
    step("mount pts", "chapter13", &[], SaysAmongOthers("at /dev/pts/0")).under(ON_A_TERMINAL),
    step("join its namespaces", "chapter13", &["exec", "{target}", "--", "hostname"], {
        Says("target\n")
    }),
    step("tie to the parent", "chapter13", &["exec", "{target}", "--", "sleep", "60"], {
        DiesWithParent
    }),
    step("tie to the parent", "chapter13", &["run", "box", "--", "sleep", "60"], DiesWithParent),
    step("lead a session", "chapter13", &["exec", "{target}", "--", "sh", "-c", LEADS], {
        Says("leads\n")
    }),
    step("lead a session", "chapter13", &["run", "--rm", "box", "--", "true"], EndsWell),
    step("get it ready", "chapter13", &["exec", "--tty", "{box}", "--", "echo", "x"], Says("x\n")),
    step("sit down at it", "chapter13", &["exec", "--tty", "{box}", "--", "tty"], {
        Says("/dev/pts/1\n")
    }),
    step("close the rest", "chapter13", &["exec", "{target}", "--", "ls", "/proc/self/fd"], {
        Says("0\n1\n2\n3\n")
    })
    .under(&["sh", "-c", "exec 7</dev/null; exec \"$@\"", "sh"]),
    step("live in there", "chapter13", &["race", "--by", "path"], EndsWith(1)),
];
