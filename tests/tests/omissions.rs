//! Is every step needed? Each is left out, and then its check must fail: a step that nobody misses is
//! a hole in the tests, or should not be there.

mod checks;

use std::collections::BTreeSet;
use std::process::ExitCode;

use checks::{Check, Step};
use libtest_mimic::Trial;
use tests::catalogue::{CASES, Case};
use tests::places::{Place, has_user_namespaces};
use tests::suite;

use Check::{DiesWithParent, Says};

const fn step(
    name: &'static str,
    program: &'static str,
    args: &'static [&'static str],
    check: Check,
) -> Step {
    Step { name, program, args, check, under: &[], root: false }
}

/// Each step of each program that can be left out, and what is seen to hold while it is there.
const STEPS: &[Step] = &[
    // Chapter 1
    step("tie to the parent", "chapter1", &["spawn", "--", "sleep", "60"], DiesWithParent),
    step(
        "close the rest",
        "chapter1",
        &["leak"],
        Says("descriptor 3 is closed: nothing to read\n"),
    ),
    step(
        "take its status",
        "chapter1",
        &["zombie"],
        Says("it has ended:          Z (zombie)\nits status was taken:  gone\n"),
    ),
    step("offer to adopt", "chapter1", &["orphan"], Check::EndsWell),
    // Chapter 2
    // Around it is a namespace in which even an ordinary user could change the name, and where
    // nobody else is bothered.
    step("leave the shared name", "chapter2", &[], Check::KeepsTheHostName)
        .under(&["unshare", "-ru"]),
    step("take a name", "chapter2", &[], Check::SaysAmongOthers("inside:          porthole")),
    step("tie to the parent", "chapter2", &["unshare", "-r", "sleep", "60"], DiesWithParent),
    step("tie to the parent", "chapter2", &["unshare", "-rpf", "sleep", "60"], DiesWithParent),
    step("tie again", "chapter2", &["unshare", "-S", "7", "sleep", "60"], DiesWithParent).as_root(),
    step("tie again", "chapter2", &["unshare", "-f", "-G", "7", "sleep", "60"], DiesWithParent)
        .as_root(),
    step(
        "tie to the parent",
        "chapter2",
        &["ns", "enter", "{target}", "--", "sleep", "60"],
        DiesWithParent,
    ),
    step(
        "join its namespaces",
        "chapter2",
        &["ns", "enter", "{target}", "--", "hostname"],
        Says("target\n"),
    ),
    step(
        "leave what is shared",
        "chapter2",
        &["unshare", "-rpf", "sh", "-c", "echo $$"],
        Says("1\n"),
    ),
    step(
        "deny setgroups",
        "chapter2",
        &["unshare", "-r", "cat", "/proc/self/setgroups"],
        Says("deny\n"),
    ),
    step("map the user", "chapter2", &["unshare", "-r", "id", "-u"], Says("0\n")),
    step("map the group", "chapter2", &["unshare", "-r", "id", "-g"], Says("0\n")),
    step(
        "cut the mount ties",
        "chapter2",
        &["unshare", "-m", "sh", "-c", "grep -c shared: /proc/self/mountinfo || true"],
        Says("0\n"),
    )
    .under(&["unshare", "-rm", "--propagation", "shared"]),
    step(
        "mount proc",
        "chapter2",
        &["unshare", "-rpf", "--mount-proc", "readlink", "/proc/self"],
        Check::SaysLittle(2),
    ),
    step(
        "change the root",
        "chapter2",
        &["unshare", "-r", "-R", "/usr", "/bin/ls", "/include/linux/../../lib/os-release"],
        Check::EndsWell,
    ),
    step("enter the root", "chapter2", &["unshare", "-r", "-R", "/usr", "/bin/pwd"], Says("/\n")),
    step("change the directory", "chapter2", &["unshare", "-w", "/proc", "pwd"], Says("/proc\n")),
    step("drop the groups", "chapter2", &["unshare", "-G", "5", "id", "-G"], Says("5\n"))
        .under(&["setpriv", "--groups", "7"])
        .as_root(),
    step("change the group", "chapter2", &["unshare", "-G", "5", "id", "-g"], Says("5\n"))
        .as_root(),
    step("change the user", "chapter2", &["unshare", "-S", "7", "id", "-u"], Says("7\n")).as_root(),
    // Chapter 3
    step("tie to the parent", "chapter3", &["userns", "run", "--", "sleep", "60"], DiesWithParent),
    step(
        "wait for the maps",
        "chapter3",
        &["userns", "run", "--late", "200", "--", "id", "-u"],
        Says("0\n"),
    ),
    step("let it go on", "chapter3", &["userns", "run", "--", "true"], Check::EndsWell),
    step(
        "deny setgroups",
        "chapter3",
        &["userns", "run", "--", "cat", "/proc/self/setgroups"],
        Says("deny\n"),
    ),
    step("map the users", "chapter3", &["userns", "run", "--", "id", "-u"], Says("0\n")),
    step("map the groups", "chapter3", &["userns", "run", "--", "id", "-g"], Says("0\n")),
    step("map root", "chapter3", &["userns", "nest", "2"], Says("root of the innermost: user 0\n")),
];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for place in Place::possible() {
        for (index, step) in STEPS.iter().enumerate().filter(|(_, step)| step.possible(place)) {
            let name = format!("omissions/{}/{}/{index}-{}", place.name(), step.program, step.name);
            trials.push(match has_user_namespaces(place) {
                true => suite::test(name, move || step.is_missed(place)),
                false => suite::skipped(name, "user namespaces"),
            });
        }
    }
    // Leaving two steps out at once says nothing of either, and the tour is no lesson.
    let complete = |case: &&Case| {
        case.exit.0 == 0 && !case.args.contains(&"--without") && case.program != "tour"
    };
    trials.extend(CASES.iter().filter(complete).map(|case| whole(*case)));
    suite::run(trials)
}

/// Whether every step of a program either stands in the list above, or cannot be left out.
fn whole(case: Case) -> Trial {
    suite::test(format!("omissions/all-steps-of/{}", case.name), move || {
        let place = Place::possible()[0];
        let (run, _target) = case.prepare(place);
        let ran = run.go();
        let steps = ran.records().into_iter().flat_map(|record| record.step.clone());
        for name in steps.map(|step| step.to_string()).collect::<BTreeSet<String>>() {
            let listed = STEPS.iter().any(|step| step.program == case.program && step.name == name);
            assert!(listed || cannot_be_left_out(&case, place, &name), "nobody misses {name:?}");
        }
    })
}

fn cannot_be_left_out(case: &Case, place: Place, step: &str) -> bool {
    let (run, _target) = case.prepare(place);
    let ran = run.flags(["--without", step]).go();
    ran.stderr.contains("cannot be left out")
}
