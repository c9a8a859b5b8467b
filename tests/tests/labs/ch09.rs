//! Chapter 9: less than root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use primitives::{Capabilities, CapabilityState, Pid, Signal, capabilities_of, lsetxattr};
use tempfile::TempDir;
use tests::places::{NOBODY, Place, has_user_namespaces, is_root};
use tests::running::{Ran, Run};
use tests::suite;

/// A test of this chapter, under its name.
type Named = (&'static str, fn(Place));

/// What is seen of this chapter's programs from outside, and its attacks before and after their defence.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let seen: [Named; 8] = [
        ("bounding-set-from-outside", bounding_set_from_outside),
        ("root-gets-all-back", root_gets_all_back),
        ("ambient-stays-with-a-user", ambient_stays_with_a_user),
        ("order-of-users-and-capabilities", order_of_users_and_capabilities),
        ("limits-of-the-right-process", limits_of_the_right_process),
        ("nothing-is-inheritable-unasked", nothing_is_inheritable_unasked),
        ("ids-mean-what-they-say", ids_mean_what_they_say),
        ("shown-is-what-proc-says", shown_is_what_proc_says),
    ];
    let attacks: [Named; 3] = [
        ("set-user-id-file", set_user_id_file),
        ("file-with-capabilities", file_with_capabilities),
        ("file-that-inherits", file_that_inherits),
    ];
    let trial = |(name, test): Named, needs_root: bool| {
        let name = format!("ch09/{}/{name}", place.name());
        match (has_user_namespaces(place), needs_root && !is_root()) {
            (false, _) => suite::skipped(name, "user namespaces"),
            (_, true) => suite::skipped(name, "root, to lay a trap that belongs to root"),
            _ => suite::test(name, move || test(place)),
        }
    };
    let seen = seen.into_iter().map(|named| trial(named, false));
    seen.chain(attacks.into_iter().map(|named| trial(named, true))).collect()
}

fn run(place: Place, args: &[&str]) -> Ran {
    let ran = Run::new(place, "chapter9").args(args).go();
    assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
    ran
}

fn set(name: &str) -> Capabilities {
    Capabilities::named(name).expect("a capability")
}

/// Runs the program with `sleep` to run, and looks at that from outside.
fn while_asleep<T>(place: Place, args: &[&str], look: impl FnOnce(Pid) -> T) -> T {
    let run = Run::new(place, "chapter9").args(args).args(["--", "sleep", "60"]);
    let mut child = run.start();
    let deadline = Instant::now() + Duration::from_secs(10);
    let is_asleep = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n")
    };
    let pid = loop {
        if let Some(pid) = run.processes().into_iter().find(is_asleep) {
            break pid;
        }
        assert!(Instant::now() < deadline, "the program does not start");
        sleep(Duration::from_millis(2));
    };
    let seen = look(Pid::from_raw(pid));
    // The program and not the one that watches it: where `execve` gave it more than it had, the kernel
    // has forgotten the tie between them.
    primitives::kill(Pid::from_raw(pid), Signal::SIGKILL, "end what was looked at")
        .expect("it is there");
    let status = child.wait().expect("one's own child can be waited for");
    assert!(run.look(status).left_behind.is_empty(), "something is left behind");
    seen
}

fn state_of(pid: Pid) -> CapabilityState {
    capabilities_of(Some(pid)).expect("the kernel tells everybody")
}

fn status_line(pid: Pid, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim().to_string()
}

fn bounding_set_from_outside(place: Place) {
    let args = ["cap", "run", "--keep", "NET_RAW,cap_chown", "--no-new-privs"];
    let state = while_asleep(place, &args, state_of);
    let two = set("CAP_NET_RAW").and(set("CAP_CHOWN"));
    assert_eq!(state.bounding, two);
    assert_eq!((state.sets.permitted, state.sets.effective), (two, two));
    assert!(state.no_new_privs);
    let none = while_asleep(place, &["cap", "run", "--drop", "all"], state_of);
    assert_eq!((none.bounding, none.sets.permitted), (Capabilities::NONE, Capabilities::NONE));
}

/// Giving up what is permitted lasts until the next `execve` of user 0, and no longer.
fn root_gets_all_back(place: Place) {
    let without = ["--without", "shrink the bounding set"];
    let args = ["cap", "run", "--drop", "all"];
    let before = while_asleep(place, &[&args[..], &without[..]].concat(), state_of);
    assert_eq!(before.sets.effective, Capabilities::all());
    let noroot = [&args[..], &without[..], &["--securebits", "noroot"]].concat();
    assert_eq!(while_asleep(place, &noroot, state_of).sets.permitted, Capabilities::NONE);
}

fn ambient_stays_with_a_user(place: Place) {
    let user = ["cap", "run", "--uid", "1000", "--gid", "1000", "--keep", "NET_RAW"];
    let raw = set("CAP_NET_RAW");
    let handed_on = [&user[..], &["--ambient", "NET_RAW"]].concat();
    let (state_of_it, uids) =
        while_asleep(place, &handed_on, |pid| (state_of(pid), status_line(pid, "Uid:")));
    assert_eq!((state_of_it.sets.effective, state_of_it.ambient), (raw, raw));
    let outside = if place.is_other_user() { NOBODY } else { 1000 };
    if is_root() {
        assert_eq!(uids, [outside; 4].map(|id| id.to_string()).join("\t"), "who it is out here");
    }
    let kept_alone = while_asleep(place, &user, state_of);
    assert_eq!(kept_alone.sets.permitted, Capabilities::NONE, "execve has kept it");
    assert_eq!(kept_alone.bounding, raw);
}

/// Root is two users here, before and after. An ordinary user is one, and so any order will do.
fn order_of_users_and_capabilities(place: Place) {
    let user = ["cap", "run", "--uid", "1000", "--gid", "1000", "--keep", "NET_RAW"];
    let end = |more: &[&str]| run(place, &[&user[..], more, &["--", "true"]].concat());
    assert_eq!(end(&[]).code, 0);
    let (too_early, all_lost) =
        (end(&["--drop-first"]), end(&["--without", "keep what is permitted"]));
    if place == Place::User {
        assert_eq!((too_early.code, all_lost.code), (0, 0));
        return;
    }
    assert_eq!((too_early.code, all_lost.code), (125, 125));
    assert!(too_early.error().contains("change the groups: setgroups(0, []): EPERM"));
    assert!(all_lost.error().contains("set the capabilities: capset("), "{}", all_lost.stderr);
}

fn limits_of_the_right_process(place: Place) {
    let args = ["user", "run", "--uid", "1000", "--gid", "1000", "--rlimit", "nofile=64:128"];
    let limits = |pid: Pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it is there");
        let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
        let mut words = line.expect("a line").split_whitespace().map(str::to_string);
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    };
    let (program, parent, said) = while_asleep(place, &args, |pid| {
        let parent = status_line(pid, "PPid:").parse().expect("a number");
        let pid_text = pid.to_string();
        let words = ["--pid", &pid_text, "--nofile", "--noheadings", "--raw", "-o", "SOFT,HARD"];
        let said = Command::new("prlimit").args(words).output();
        (limits(pid), limits(Pid::from_raw(parent)), said)
    });
    assert_eq!(program, ("64".to_string(), "128".to_string()));
    assert_eq!(parent, limits(primitives::getpid()), "the one that watches keeps its own");
    // Root without CAP_SYS_RESOURCE, as in a container, may not ask for the limits of another user's
    // process by prlimit(2); what the kernel says to everybody was read already.
    if let Some(output) = said.ok().filter(|output| output.status.success()) {
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "64 128");
    }
}

fn nothing_is_inheritable_unasked(place: Place) {
    let ways: [&[&str]; 4] = [
        &["cap", "run"],
        &["cap", "run", "--keep", "NET_RAW"],
        &["cap", "run", "--uid", "1000", "--gid", "1000", "--keep", "NET_RAW"],
        &["user", "run", "--uid", "1000", "--gid", "1000"],
    ];
    for way in ways {
        let state = while_asleep(place, way, state_of);
        assert_eq!(state.sets.inheritable, Capabilities::NONE, "{way:?}");
        assert_eq!(state.ambient, Capabilities::NONE, "{way:?}");
    }
}

/// The table of the runtimes' mistakes: CVE-2026-30892, CVE-2024-40635, CVE-2016-3697.
fn ids_mean_what_they_say(place: Place) {
    for id in ["0", "1", "1000", "2147483647", "2147483648", "4294967294"] {
        let ran = run(
            place,
            &["user", "run", "--uid", id, "--gid", id, "--", "sh", "-c", "id -u; id -g"],
        );
        assert_eq!(ran.stdout, format!("{id}\n{id}\n"), "{}", ran.stderr);
    }
    let wrong = [
        "",
        "1:",
        ":1",
        "1:1",
        "-1",
        "+1",
        " 1",
        "1 ",
        "01",
        "0x1",
        "root",
        "4294967295",
        "4294967296",
        "18446744073709551617",
    ];
    for id in wrong {
        for pair in [[id, "1"], ["1", id]] {
            let ran = run(place, &["user", "run", "--uid", pair[0], "--gid", pair[1], "--", "id"]);
            assert_eq!((ran.code, ran.stdout.as_str()), (125, ""), "{pair:?}");
            assert!(ran.error().contains("is no id"), "{pair:?}: {}", ran.stderr);
        }
    }
}

fn shown_is_what_proc_says(place: Place) {
    let args = ["cap", "run", "--drop", "SYS_ADMIN,net_raw"];
    let (state, shown) = while_asleep(place, &args, |pid| {
        (state_of(pid), run(place, &["cap", "show", &pid.to_string()]).stdout)
    });
    let said = |name: &str| {
        let line = shown.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        line.trim().parse::<Capabilities>().expect("a set")
    };
    assert_eq!(said("permitted:"), state.sets.permitted);
    assert_eq!(said("bounding:"), state.bounding);
    assert_eq!(state.bounding.to_string(), "all but CAP_NET_RAW|CAP_SYS_ADMIN");
    let wrong = run(place, &["cap", "run", "--drop", "SYS_ADMN", "--", "true"]);
    assert_eq!(wrong.code, 125);
    assert!(wrong.error().contains("do you mean CAP_SYS_ADMIN?"), "{}", wrong.stderr);
}

/// A file that root has laid where others can run it, as an image may bring one along.
struct Trap {
    folder: TempDir,
    file: PathBuf,
}

impl Trap {
    fn of(program: &str) -> Trap {
        let folder = TempDir::with_prefix("porthole-trap-").expect("a folder can be made");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("one's own");
        let file = folder.path().join("trap");
        fs::copy(program, &file).expect("the program can be copied");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("one's own");
        Trap { folder, file }
    }

    fn path(&self) -> &str {
        self.file.to_str().expect("a path of ours is text")
    }

    /// `security.capability`, revision 2 (capabilities(7)): flags, then the lower halves of permitted
    /// and inheritable, then the upper ones.
    fn has(self, permitted: u32, inheritable: u32) -> Trap {
        const REVISION_2_EFFECTIVE: u32 = 0x0200_0001;
        let words = [REVISION_2_EFFECTIVE, permitted, inheritable, 0, 0];
        let value: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        lsetxattr(&self.file, "security.capability", &value, "lay a trap").expect("root may");
        self
    }
}

/// CAP_NET_RAW as a bit.
const NET_RAW: u32 = 1 << 13;
const USER: [&str; 6] = ["user", "run", "--uid", "1000", "--gid", "1000"];
const EFFECTIVE: [&str; 2] = ["CapEff", "/proc/self/status"];
const GAINED: &str = "CapEff:\t0000000000002000\n";
const NOTHING: &str = "CapEff:\t0000000000000000\n";

/// Somebody who is not root runs a file of root's with the set-user-ID bit, and reads what is root's.
fn set_user_id_file(place: Place) {
    let trap = Trap::of("/bin/cat");
    fs::set_permissions(&trap.file, fs::Permissions::from_mode(0o4755)).expect("one's own");
    let secret = trap.folder.path().join("secret");
    fs::write(&secret, "the cake is in the cellar\n").expect("one's own folder");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("one's own");
    let attack = |more: &[&str]| {
        let secret = secret.to_str().expect("a path of ours is text");
        run(place, &[&USER[..], more, &["--", trap.path(), secret]].concat())
    };
    let fails = |ran: &Ran| {
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.contains("Permission denied"), "{}", ran.stderr);
    };
    let before = attack(&["--no-new-privs", "--without", "gain nothing any more"]);
    match place {
        Place::Root => assert_eq!(before.stdout, "the cake is in the cellar\n"),
        // Root is nobody in a namespace where it is not mapped, and the bit does nothing.
        Place::User => fails(&before),
    }
    fails(&attack(&["--no-new-privs"]));
}

/// The same with file capabilities, which work in every user namespace.
fn file_with_capabilities(place: Place) {
    let trap = Trap::of("/bin/grep").has(NET_RAW, 0);
    let program = [&["--", trap.path()][..], &EFFECTIVE[..]].concat();
    let attack = |more: &[&str]| run(place, &[&USER[..], more, &program[..]].concat());
    let left_out = ["--no-new-privs", "--without", "gain nothing any more"];
    assert_eq!(attack(&left_out).stdout, GAINED);
    assert_eq!(attack(&["--no-new-privs"]).stdout, NOTHING);
    // Or it cannot be had at all: then the kernel does not run a program that counts on it.
    let bounded = ["cap", "run", "--uid", "1000", "--gid", "1000", "--drop", "all"];
    let ran = run(place, &[&bounded[..], &program[..]].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (126, ""));
    assert!(ran.error().contains("EPERM"), "{}", ran.stderr);
    let unbounded = ["--without", "shrink the bounding set"];
    let ran = run(place, &[&bounded[..], &unbounded, &program[..]].concat());
    assert_eq!(ran.stdout, GAINED);
}

/// CVE-2022-29162 and its kin: what runtimes left in the inheritable set, files could pick up.
fn file_that_inherits(place: Place) {
    let trap = Trap::of("/bin/grep").has(0, NET_RAW);
    let user = ["cap", "run", "--uid", "1000", "--gid", "1000", "--keep", "NET_RAW"];
    let program = [&["--", trap.path()][..], &EFFECTIVE[..]].concat();
    let attack = |more: &[&str]| run(place, &[&user[..], more, &program[..]].concat());
    assert_eq!(attack(&["--inheritable", "NET_RAW"]).stdout, GAINED);
    assert_eq!(attack(&[]).stdout, NOTHING);
}
