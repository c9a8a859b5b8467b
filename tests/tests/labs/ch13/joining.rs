//! Who has joined whom, in which order, and with which rights.

use std::fs;

use tests::places::Place;
use tests::running::{Run, wait};

use super::{LONG, Named, Room, chapter13, children, field, named, quiet, until};

pub(super) const TESTS: &[Named] = &[
    ("in-the-same-namespaces", in_the_same_namespaces),
    ("in-the-same-cgroups", in_the_same_cgroups),
    ("orders", orders),
    ("without-the-pid-namespace", without_the_pid_namespace),
    ("no-stronger", no_stronger),
    ("out-of-reach", out_of_reach),
    ("brings-nothing-along", brings_nothing_along),
    ("race", race),
];

/// By the links in `/proc`, from outside; and its parent is out here.
fn in_the_same_namespaces(place: Place) {
    let room = Room::start(place, "echo ready; exec sleep 70");
    let run = quiet(place, ["exec", &room.name(), "--", "sleep", "71"]);
    let mut ours = run.start();
    let visitor = named(&run, "sleep");
    let first = room.first();
    for kind in ["user", "mnt", "pid", "uts", "net"] {
        let link = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("it lives");
        assert_eq!(link(visitor), link(first), "{kind}");
    }
    let numbers = field(visitor, "NSpid:");
    assert_eq!(numbers.split(' ').count(), field(first, "NSpid:").split(' ').count());
    assert_eq!(field(visitor, "PPid:"), ours.id().to_string(), "its parent is who sent it");
    let _ = ours.kill();
    let _ = ours.wait();
    until("the visitor ends with who sent it", || run.processes().is_empty());
}

/// A container whose limits are somewhere, and a visitor that counts for them.
fn in_the_same_cgroups(place: Place) {
    let run = Run::new(place, "chapter8").untraced().flags(["--trace", "off"]).with_a_cgroup();
    let name = run.held_name();
    let run = run.args(["exec", &name, "sleep", "72"]);
    let mut first = run.start();
    let target = named(&run, "sleep");
    let cgroups = |pid: i32| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    until("it is in its cgroup", || cgroups(target).contains(&name));
    let cat = ["exec", &target.to_string(), "--", "cat", "/proc/self/cgroup"];
    assert_eq!(chapter13(place, &cat).stdout, cgroups(target));
    let left_out = quiet(place, cat).flags(["--without", "enter its cgroups"]).go();
    assert!(!left_out.stdout.contains(&name), "{}", left_out.stdout);
    let _ = first.kill();
    let _ = first.wait();
}

/// The kernel's own order is the only one for all: the user namespace first, and whatever shows the
/// files of the others last.
fn orders(place: Place) {
    let room = Room::start(place, "echo ready; exec sleep 73");
    let in_order =
        |order: &str| chapter13(place, &["exec", "--order", order, &room.name(), "--", "hostname"]);
    for good in ["user,uts,pid,mnt", "user,pid,mnt", "user,uts"] {
        assert_eq!(in_order(good).code, 0, "{good}");
    }
    let ran = in_order("user,mnt,uts");
    assert_eq!(ran.code, 125);
    assert!(ran.error().contains("/ns/uts cannot be opened"), "{}", ran.stderr);
    let ran = in_order("uts,user");
    match place {
        Place::Root => assert_eq!(ran.code, 0, "root may join whatever it likes: {}", ran.stderr),
        Place::User => {
            assert_eq!(ran.code, 125);
            assert!(ran.error().contains("EPERM"), "{}", ran.stderr);
            assert!(ran.error().contains("join that one first"), "{}", ran.stderr);
        }
    }
    let ran = in_order("user,user");
    assert!(ran.error().contains("EINVAL"), "{}", ran.stderr);
}

/// Whoever joins everything else is in there and is not: /proc does not know it.
fn without_the_pid_namespace(place: Place) {
    let room = Room::start(place, "echo ready; exec sleep 74");
    let look = |order: &str| {
        let name = room.name();
        let script = "test -e /proc/self && echo known || echo unknown";
        chapter13(place, &["exec", "--order", order, &name, "--", "sh", "-c", script]).stdout
    };
    assert_eq!(look("user,mnt"), "unknown\n");
    assert_eq!(look("user,pid,mnt"), "known\n");
}

/// Whoever joins a user namespace gets all capabilities in there; the target has few.
fn no_stronger(place: Place) {
    let keep = ["cap", "run", "--keep", "NET_RAW,CHOWN", "--no-new-privs", "--", "sleep", "75"];
    let run = Run::new(place, "chapter9").untraced().flags(["--trace", "off"]).args(keep);
    let mut first = run.start();
    let target = named(&run, "sleep");
    until("it has given up", || field(target, "NoNewPrivs:") == "1");
    let fields = ["CapBnd:", "CapPrm:", "CapEff:", "NoNewPrivs:"];
    let wanted: Vec<String> =
        fields.iter().map(|name| format!("{name}\t{}\n", field(target, name))).collect();
    let look = ["exec", &target.to_string(), "--", "cat", "/proc/self/status"];
    let said = chapter13(place, &look).stdout;
    for line in &wanted {
        assert!(said.contains(line), "no {line:?} in {said}");
    }
    for step in ["be capable of no more", "promise what it has promised"] {
        let said = quiet(place, look).flags(["--without", step]).go().stdout;
        let missing = wanted.iter().filter(|line| !said.contains(*line)).count();
        assert!(missing > 0, "nobody misses {step:?}");
    }
    let _ = first.kill();
    let _ = first.wait();
}

/// CVE-2016-9962: root in there reaches into whoever comes, before its program runs. Here the visitor is
/// held up right before that.
fn out_of_reach(place: Place) {
    let room = Room::start(place, "echo ready; exec sleep 76");
    let held = quiet(place, ["exec", &room.name(), "--", "true"])
        .flags(["--break", "execve", "--commands", "-"])
        .under(["sh", "-c", "{ sleep 3; echo continue; } | \"$@\"", "sh"]);
    let mut visit = held.start();
    let keeper = room.keeper.id() as i32;
    let in_there = || {
        let all = held.processes().into_iter();
        all.filter(|pid| field(*pid, "NSpid:").split(' ').count() > 1 && *pid != keeper).count()
    };
    until("the visitor is in there", || in_there() == 1);
    let look = "for p in /proc/[0-9]*; do [ \"$(cat $p/comm)\" = chapter13 ] || continue
        readlink $p/exe || echo closed; done";
    let ran = room.visit(place, &["sh", "-c", look]);
    assert_eq!(ran.stdout, "closed\n", "{}", ran.stderr);
    let status = wait(&mut visit, LONG).expect("it goes on");
    assert!(status.success());
}

/// What was open where it came from is not open in there.
fn brings_nothing_along(place: Place) {
    let room = Room::start(place, "echo ready; exec sleep 77");
    let run = quiet(place, ["exec", &room.name(), "--", "ls", "/proc/self/fd"]).under([
        "sh",
        "-c",
        "exec 5</ 6>/dev/null; exec \"$@\"",
        "sh",
    ]);
    assert_eq!(run.go().stdout, "0\n1\n2\n3\n");
    let first = room.first();
    let open = fs::read_dir(format!("/proc/{first}/fd")).map(|all| all.count());
    // What a box was started with it has; who keeps it has not shown it anything else.
    assert!(open.is_ok_and(|count| count >= 3), "three streams at least");
    assert!(children(first).is_empty());
}

/// The attack on a mount target, and its defence; with a look that comes too early, and one in time.
fn race(place: Place) {
    let run = |by: &str, swap: &str| chapter13(place, &["race", "--by", by, "--swap", swap]);
    let ran = run("path", "after-look");
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("mounted: at /mnt/host\nhost:    passwd is GONE\n"),
        "{}",
        ran.stdout
    );
    let ran = run("path", "before-look");
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("is a link: nothing is mounted there"), "{}", ran.stdout);
    let ran = run("descriptor", "after-look");
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("mounted: at /mnt/root/moved\nhost:    passwd is there\n"));
    let ran = run("descriptor", "before-look");
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("ENOENT"), "a link cannot lead out: {}", ran.stdout);
}
