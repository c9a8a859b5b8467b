//! Which programs are there to be tested?
//!
//! Every subcommand of every chapter stands here, with what it does when nothing goes wrong. Golden
//! traces, truth checks and refusals are made of this list.

use crate::places::Place;
use crate::running::{Run, Target};

/// One way to run a program.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The name of its golden file.
    pub name: &'static str,
    /// The program.
    pub program: &'static str,
    /// Its arguments; `{target}` is a process in namespaces of its own, to be joined.
    pub args: &'static [&'static str],
    /// The exit code as root, and as an ordinary user where that differs.
    pub exit: (i32, i32),
    /// Whether the output is the same in every run and on every machine.
    pub stdout: Stdout,
}

/// Whether a program's output can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// The same in every run and on every machine.
    Same,
    /// With numbers or names of this machine in it.
    Varies,
}

const fn case(name: &'static str, program: &'static str, args: &'static [&'static str]) -> Case {
    Case { name, program, args, exit: (0, 0), stdout: Stdout::Same }
}

impl Case {
    const fn exits(self, code: i32) -> Case {
        Case { exit: (code, code), ..self }
    }

    const fn exits_as_user(self, code: i32) -> Case {
        Case { exit: (self.exit.0, code), ..self }
    }

    const fn varies(self) -> Case {
        Case { stdout: Stdout::Varies, ..self }
    }

    /// The exit code that is right in this place.
    pub fn exit_code(&self, place: Place) -> i32 {
        match place {
            Place::Root => self.exit.0,
            Place::User => self.exit.1,
        }
    }

    /// The case, ready to run; the target, if it has one, must live as long.
    pub fn prepare(&self, place: Place) -> (Run, Option<Target>) {
        let needs_target = self.args.contains(&"{target}");
        let target = needs_target.then(|| Target::start(place));
        let pid = target.as_ref().map(|target| target.pid.to_string()).unwrap_or_default();
        let args = self.args.iter().map(|arg| arg.replace("{target}", &pid));
        (Run::new(place, self.program).args(args), target)
    }
}

/// All of them.
pub const CASES: &[Case] = &[
    // Every primitive, also those that no chapter uses yet
    case("tour-processes", "tour", &["processes"]),
    case("tour-namespaces", "tour", &["namespaces"]),
    case("tour-files", "tour", &["files"]),
    case("tour-mounts", "tour", &["mounts"]),
    case("tour-mount-api", "tour", &["mount-api"]),
    case("tour-root", "tour", &["root"]),
    case("tour-device", "tour", &["device"]).exits_as_user(125),
    case("tour-cgroup", "tour", &["cgroup"]).exits_as_user(125),
    // Chapter 1
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
    // Chapter 2
    case("ch2-default", "chapter2", &[]).varies(),
    case("ch2-ns-show", "chapter2", &["ns", "show"]).varies(),
    case("ch2-ns-show-other", "chapter2", &["ns", "show", "{target}"]).varies(),
    case("ch2-ns-show-missing", "chapter2", &["ns", "show", "4194304"]).exits(125),
    case("ch2-ns-tree", "chapter2", &["ns", "tree"]).varies(),
    case("ch2-ns-enter", "chapter2", &["ns", "enter", "{target}", "--", "hostname"]),
    case("ch2-unshare-nothing", "chapter2", &["unshare", "true"]),
    case(
        "ch2-unshare-uts",
        "chapter2",
        &["unshare", "--uts", "sh", "-c", "hostname box; hostname"],
    )
    .exits_as_user(125),
    case("ch2-unshare-root", "chapter2", &["unshare", "-r", "id", "-u"]),
    case("ch2-unshare-self", "chapter2", &["unshare", "-c", "true"]),
    case("ch2-unshare-pid-no-fork", "chapter2", &["unshare", "-Urp", "true"]),
    case("ch2-unshare-wd", "chapter2", &["unshare", "-w", "/proc", "pwd"]),
    case("ch2-unshare-chroot", "chapter2", &["unshare", "-r", "-R", "/", "pwd"]),
    case(
        "ch2-unshare-ids",
        "chapter2",
        &["unshare", "--map-user", "7", "--map-group", "8", "-S", "7", "sh", "-c", "id -u; id -g"],
    ),
    case("ch2-unshare-slave", "chapter2", &["unshare", "-rm", "--propagation", "slave", "true"]),
    case("ch2-unshare-killed", "chapter2", &["unshare", "-Urpf", "sh", "-c", "kill -9 $$; exit 3"])
        .exits(3),
    case(
        "ch2-unshare-all",
        "chapter2",
        &[
            "unshare",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--user",
            "--map-root",
            "--fork",
            "--mount-proc",
            "--",
            "sh",
            "-c",
            "hostname ID; hostname; echo $$; ls -d /proc/[0-9]*",
        ],
    ),
    // Chapter 3
    case("ch3-default", "chapter3", &[]),
    case("ch3-run", "chapter3", &["userns", "run", "--", "id", "-u"]),
    case(
        "ch3-run-race",
        "chapter3",
        &["userns", "run", "--late", "200", "--without", "wait-for-the-maps"],
    )
    .exits(125),
    case("ch3-setgroups", "chapter3", &["userns", "run", "--without", "deny-setgroups"])
        .exits_as_user(125),
    case("ch3-run-somebody-else", "chapter3", &["userns", "run", "--map-users", "0:7:1"])
        .exits_as_user(125),
    case("ch3-map", "chapter3", &["userns", "map"]).varies(),
    case("ch3-map-other", "chapter3", &["userns", "map", "{target}"]).varies(),
    case("ch3-whoami", "chapter3", &["userns", "whoami"]).varies(),
    case("ch3-nest", "chapter3", &["userns", "nest", "3"]),
    case("ch3-nest-too-deep", "chapter3", &["userns", "nest", "40"]).exits(125),
];
