//! Chapter 10: fewer doors.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use tempfile::TempDir;
use tests::places::{Place, has_landlock, has_program};
use tests::programs::workspace;
use tests::running::{Ran, Run};
use tests::suite;

/// A test of this chapter, its name, and what it needs besides.
type Named = (&'static str, fn(Place), Needs);

#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Nothing,
    Compiler,
    Landlock,
}

/// What is seen of this chapter's programs from outside, and its attacks before and after their defence.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let tests: [Named; 12] = [
        ("filter-seen-from-outside", filter_seen_from_outside, Needs::Nothing),
        ("each-action", each_action, Needs::Nothing),
        ("arguments", arguments, Needs::Nothing),
        ("a-door-more-is-no-door-less", a_door_more, Needs::Nothing),
        ("record-then-run", record_then_run, Needs::Nothing),
        ("bad-profiles", bad_profiles, Needs::Nothing),
        ("mknod-by-somebody-else", mknod_by_somebody_else, Needs::Nothing),
        ("attack-int80", attack_int80, Needs::Compiler),
        ("attack-io-uring", attack_io_uring, Needs::Compiler),
        ("attack-clone3", attack_clone3, Needs::Nothing),
        ("landlock", landlock, Needs::Landlock),
        ("landlock-sees-what-a-filter-cannot", landlock_and_paths, Needs::Landlock),
    ];
    let trial = |(name, test, needs): Named| {
        let name = format!("ch10/{}/{name}", place.name());
        match needs {
            Needs::Compiler if !has_program("cc") => suite::skipped(name, "a C compiler, cc"),
            Needs::Landlock if !has_landlock() => suite::skipped(name, "Landlock in the kernel"),
            _ => suite::test(name, move || test(place)),
        }
    };
    tests.into_iter().map(trial).collect()
}

fn chapter10(place: Place, args: &[&str]) -> Ran {
    let ran = Run::new(place, "chapter10").args(args).go();
    assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
    ran
}

fn says(ran: &Ran, text: &str) {
    assert!(ran.stdout.contains(text), "{:?} {:?} {}", ran.stdout, ran.stderr, ran.code);
}

/// The kernel's own word, read by the program behind the filter: mode 2 is a filter.
fn filter_seen_from_outside(place: Place) {
    let look = ["sec", "run", "--deny", "chroot", "--", "grep", "-E", "^(Seccomp|NoNew)"];
    let ran = chapter10(place, &[&look[..], &["/proc/self/status"]].concat());
    says(&ran, "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n");
}

fn each_action(place: Place) {
    let run = |flags: &[&str]| {
        let end = ["--", "sh", "-c", "umask 77 && echo passed"];
        chapter10(place, &[&["sec", "run", "--deny", "umask"], flags, &end].concat())
    };
    assert_eq!(run(&["--kill"]).code, 128 + 31, "SIGSYS");
    says(&run(&["--log"]), "passed");
    let mkdir = |errno: &str| {
        let doors = ["sec", "run", "--deny", "mkdir,mkdirat", "--errno", errno];
        let program = ["--", "mkdir", "/tmp/never"];
        let ran = chapter10(place, &[&doors[..], &program].concat());
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        ran.stderr
    };
    assert!(mkdir("EPERM").contains("Operation not permitted"));
    assert!(mkdir("ENOSYS").contains("Function not implemented"));
}

/// `umask` returns what it was: the one value is refused, all others pass.
fn arguments(place: Place) {
    let umask = |rule: &str, value: &str| {
        let script = format!("umask 22; umask {value}; umask");
        let ran = chapter10(place, &["sec", "run", "--deny", rule, "--", "sh", "-c", &script]);
        ran.stdout.trim().to_string()
    };
    // 077 is 63.
    assert_eq!(umask("umask:0=63", "077"), "0022");
    assert_eq!(umask("umask:0=63", "027"), "0027");
    assert_eq!(umask("umask:0>=63", "077"), "0022");
    assert_eq!(umask("umask:0>63", "077"), "0077");
    assert_eq!(umask("umask:0&0x28=0x28", "077"), "0022");
    assert_eq!(umask("umask:0&0x28=0x28", "027"), "0027");
    assert_eq!(umask("umask:0=0x10000003f", "077"), "0077", "the upper half counts");
}

/// Filters add up: the strictest answer of all counts, and none can be taken out.
fn a_door_more(place: Place) {
    let inner = ["chapter10", "--trace", "off", "sec", "run", "--deny", "chroot", "--"];
    let path = tests::programs::program("chapter10", place);
    let path = path.to_string_lossy();
    let outer = ["sec", "run", "--deny", "mkdir,mkdirat", "--", &path];
    let words = [&outer[..], &inner[1..], &["sh", "-c", LOOK]].concat();
    let ran = chapter10(place, &words);
    says(&ran, "Seccomp_filters:\t2");
    says(&ran, "mkdir: closed");
}

const LOOK: &str = "grep Seccomp_filters /proc/self/status; \
    mkdir /tmp/never 2>/dev/null && rmdir /tmp/never || echo mkdir: closed";

/// What a program was seen to call is enough for it to run, and not enough for another one.
fn record_then_run(place: Place) {
    let folder = open_folder();
    let profile = folder.path().join("profile.json");
    let profile = profile.to_string_lossy().into_owned();
    let script = "echo hello | cat; test -e /";
    let ran = chapter10(place, &["sec", "record", "--output", &profile, "--", "sh", "-c", script]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "hello\n"), "{}", ran.stderr);
    let text = fs::read_to_string(&profile).expect("the profile was written");
    for part in ["\"SCMP_ACT_ERRNO\"", "\"execve\"", "\"read\"", "\"write\"", "\"exit_group\""] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("\"mkdir\"") && !text.contains("\"socket\""), "{text}");
    let behind = |words: &[&str]| {
        chapter10(place, &[&["sec", "run", "--allow-file", &profile, "--"], words].concat())
    };
    let ran = behind(&["sh", "-c", script]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "hello\n"), "{}", ran.stderr);
    let ran = behind(&["mkdir", "/tmp/never"]);
    assert_ne!(ran.code, 0);
    assert!(!Path::new("/tmp/never").exists());
}

fn bad_profiles(place: Place) {
    let folder = open_folder();
    let file = folder.path().join("profile.json");
    let wrong = [
        ("", "EOF while parsing"),
        ("[]", "expected struct"),
        ("{\"defaultAction\": \"ALLOW\"}", "no action of the specification"),
        ("{\"defaultAction\": \"SCMP_ACT_NOTIFY\"}", "here nobody listens"),
        ("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": [\"X\"]}", "no flag of a filter"),
        ("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"archMap\": []}", "template of Docker's"),
    ];
    for (text, part) in wrong {
        fs::write(&file, text).expect("a file can be made in one's own folder");
        let file = file.to_string_lossy();
        let ran = chapter10(place, &["sec", "run", "--allow-file", &file, "--", "true"]);
        assert_eq!(ran.code, 125, "{text}: {}", ran.stderr);
        assert!(ran.error().contains(part), "{text}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{text}: {}", ran.stderr);
        assert!(ran.records().is_empty(), "{text}: nothing was asked of the kernel");
    }
}

fn mknod_by_somebody_else(place: Place) {
    let notify = |script: &str| chapter10(place, &["sec", "notify", "--", "sh", "-c", script]);
    let ran = notify(
        "mknod a c 1 3; stat -c '%F %t:%T' a; mkdir d; mknod d/z c 1 5; head -c 2 d/z | wc -c",
    );
    assert_eq!(ran.stdout, "character special file 1:3\n2\n", "{}", ran.stderr);
    // An absolute path, one that is taken already, one that leads nowhere.
    let ran = notify("mknod /tmp/a c 1 8 && echo made; mknod a c 1 3; mknod no/a c 1 3; ls");
    assert_eq!(ran.stdout, "made\na\n");
    assert!(ran.stderr.contains("File exists"), "{}", ran.stderr);
    assert!(ran.stderr.contains("No such file"), "{}", ran.stderr);
    // What is not on the list is refused: the kernel's memory, a disk.
    let ran = notify("mknod mem c 1 1; mknod disk b 8 0; ls");
    assert_eq!(ran.stdout, "", "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("Operation not permitted").count(), 2, "{}", ran.stderr);
    // And without the one who answers, not even the first.
    let plain =
        Run::new(place, "chapter3").args(["userns", "run", "--", "mknod", "x", "c", "1", "3"]);
    assert_eq!(plain.go().code, 1);
}

const NO_MKDIR: [&str; 4] = ["sec", "run", "--deny", "mkdir,mkdirat"];

/// By the numbers of 32-bit programs, around a filter that does not ask which numbers they are.
fn attack_int80(place: Place) {
    let folder = open_folder();
    let attack = compiled("int80", &folder);
    let run = |flags: &[&str]| chapter10(place, &[&NO_MKDIR, flags, &["--", &attack]].concat());
    says(&run(&["--any-arch"]), "int 0x80: open");
    let ran = run(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (128 + 31, ""), "killed by SIGSYS");
    // x32 is not in this kernel, perhaps: the filter's own machine must do.
    let ask = |flags: &[&str]| {
        let ask = ["sec", "explain", "--ask", "mkdir", "--abi", "x32"];
        chapter10(place, &[&ask[..], flags].concat())
    };
    says(&ask(&["--any-arch"]), "let it pass");
    says(&ask(&[]), "kill the process");
}

/// By a wish in shared memory, around a filter of calls.
fn attack_io_uring(place: Place) {
    let folder = open_folder();
    let attack = compiled("uring", &folder);
    says(&chapter10(place, &[&NO_MKDIR[..], &["--", &attack]].concat()), "io_uring: open");
    let doors = ["sec", "run", "--deny", "mkdir,mkdirat,io_uring_setup", "--", &attack];
    says(&chapter10(place, &doors), "io_uring: closed (io_uring_setup");
    let ran = chapter10(place, &["sec", "run", "--allow-file", "container", "--", &attack]);
    says(&ran, "io_uring: closed (io_uring_setup");
}

/// By flags behind a pointer, around a filter that looks at flags in a register.
fn attack_clone3(place: Place) {
    const NEW_USER: &str = "clone:0&0x10000000=0x10000000,unshare:0&0x10000000=0x10000000";
    let chapter3 = tests::programs::program("chapter3", place);
    let chapter3 = chapter3.to_string_lossy();
    let whoami = ["--", &chapter3, "--trace", "off", "userns", "run", "--", "id", "-u"];
    let ran = chapter10(place, &[&["sec", "run", "--deny", NEW_USER], &whoami[..]].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "0\n"), "{}", ran.stderr);
    let more = format!("{NEW_USER},clone3");
    let doors = ["sec", "run", "--errno", "ENOSYS", "--deny", &more];
    let ran = chapter10(place, &[&doors, &whoami[..]].concat());
    assert_eq!(ran.code, 125);
    assert!(ran.stderr.contains("ENOSYS"), "{}", ran.stderr);
    // The C library takes ENOSYS as "an older kernel" and falls back to clone: nobody misses it.
    let ran = chapter10(place, &[&doors[..], &["--", "sh", "-c", "echo a | cat"]].concat());
    says(&ran, "a");
}

fn landlock(place: Place) {
    let run = |kept: &[&str], script: &str| {
        chapter10(place, &[&["land", "run"], kept, &["--", "sh", "-c", script]].concat())
    };
    let touch = "touch file 2>/dev/null && rm file && echo made || echo closed";
    says(&run(&["--read", "/", "--write", "/dev/null"], touch), "closed");
    says(&run(&["--read", "/", "--write", "/dev/null", "--write", "."], touch), "made");
    let ran = run(
        &["--read", "/usr", "--read", "/bin", "--read", "/lib", "--read", "/lib64"],
        "ls /etc || echo closed",
    );
    says(&ran, "closed");
    assert!(ran.stderr.contains("Permission denied"), "{}", ran.stderr);
}

/// The same call with another path: a filter must take or leave both.
fn landlock_and_paths(place: Place) {
    let script = "cat /etc/hostname >/dev/null && echo read; echo x > /dev/null && echo written; \
                  echo x 2>/dev/null > copy || echo closed";
    let kept = ["land", "run", "--read", "/", "--write", "/dev/null", "--", "sh", "-c", script];
    assert_eq!(chapter10(place, &kept).stdout, "read\nwritten\nclosed\n");
}

/// A folder that every user can read and write in.
fn open_folder() -> TempDir {
    let folder = TempDir::with_prefix("porthole-lab-").expect("a temporary folder can be made");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777))
        .expect("one's own folder can be opened to others");
    folder
}

/// One of the chapter's attacks, as a program.
fn compiled(name: &str, folder: &TempDir) -> String {
    let source = workspace().join(format!("chapters/10-seccomp/attacks/{name}.c"));
    let program = folder.path().join(name);
    let status = Command::new("cc").arg("-O1").arg("-o").arg(&program).arg(source).status();
    assert!(status.expect("cc can be run").success(), "{name}.c does not compile");
    program.to_string_lossy().into_owned()
}
