//! Numbers, and who can be seen by them.

use std::process::{Command, Stdio};

use tests::places::Place;
use tests::programs::program;

use super::{Named, field, named, parent, quiet};

pub(super) const TESTS: &[Named] = &[
    ("two-numbers", two_numbers),
    ("three-numbers", three_numbers),
    ("map", map),
    ("proc-of-the-host", proc_of_the_host),
    ("proc-of-the-host-is-hidden", proc_of_the_host_is_hidden),
    ("stale-proc", stale_proc),
];

/// Process 1 and process 2 inside have another number outside, as the kernel says it.
fn two_numbers(place: Place) {
    let run = quiet(place, ["pid", "run", "--init", "--", "sleep", "60"]);
    let mut first = run.start();
    let program = named(&run, "sleep");
    let init = parent(program);
    assert_eq!(field(program, "NSpid:"), format!("{program} 2"));
    assert_eq!(field(init, "NSpid:"), format!("{init} 1"));
    assert_eq!(parent(init), first.id() as i32, "init's parent is outside");
    let _ = first.kill();
    let _ = first.wait();
}

/// A pid namespace in a pid namespace: its first process has three.
fn three_numbers(place: Place) {
    let chapter = program("chapter7", place);
    let inner = [&chapter.to_string_lossy(), "--trace", "off", "pid", "run", "--", "sleep", "60"];
    let run = quiet(place, ["pid", "run", "--"].iter().chain(&inner));
    let mut first = run.start();
    let program = named(&run, "sleep");
    let numbers = field(program, "NSpid:");
    let numbers: Vec<&str> = numbers.split(' ').collect();
    assert_eq!(numbers.len(), 3, "{numbers:?}");
    assert_eq!((numbers[0], numbers[2]), (program.to_string().as_str(), "1"));
    let _ = first.kill();
    let _ = first.wait();
}

/// `pid map` prints what the kernel says, from outside.
fn map(place: Place) {
    let run = quiet(place, ["pid", "run", "--init", "--", "sleep", "60"]);
    let mut first = run.start();
    let program = named(&run, "sleep");
    let init = parent(program);
    let printed = quiet(place, ["pid", "map", &first.id().to_string()]).go().stdout;
    let lines: Vec<Vec<&str>> =
        printed.lines().map(|line| line.split_whitespace().collect()).collect();
    let (first_pid, init, program) =
        (first.id().to_string(), init.to_string(), program.to_string());
    assert_eq!(lines[0], ["HERE", "LEVEL", "1", "PROGRAM"]);
    assert_eq!(lines[1], [&first_pid, "-", "chapter7"]);
    assert_eq!(lines[2], [&init, "1", "chapter7"]);
    assert_eq!(lines[3], [&program, "2", "sleep"]);
    let all = quiet(place, ["pid", "map"]).go().stdout;
    assert!(all.lines().any(|line| line.starts_with(&init)), "{all}");
    assert!(!all.lines().any(|line| line.starts_with(&first_pid)), "it is in none below: {all}");
    let _ = first.kill();
    let _ = first.wait();
}

/// A process out here that has something on its command line.
struct Victim(std::process::Child);

impl Victim {
    fn start() -> Victim {
        let mut command = Command::new("sh");
        command.args(["-c", "read wait; : the password is swordfish"]);
        Victim(command.stdin(Stdio::piped()).spawn().expect("there is a shell"))
    }

    /// What a program inside reads of it.
    fn read_from(&self, place: Place, words: &[&str]) -> String {
        let look = format!("tr '\\0' ' ' < /proc/{}/cmdline", self.0.id());
        let run = quiet(place, ["pid", "run"]).args(words).args(["--", "sh", "-c", &look]);
        run.go().stdout
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The attack: a program with the host's /proc reads a password off a command line out here.
fn proc_of_the_host(place: Place) {
    let victim = Victim::start();
    assert!(victim.read_from(place, &["--no-proc"]).contains("swordfish"));
    assert!(victim.read_from(place, &["--no-proc", "--init"]).contains("swordfish"));
}

/// The defence: with a /proc of its own there is no such process.
fn proc_of_the_host_is_hidden(place: Place) {
    let victim = Victim::start();
    assert_eq!(victim.read_from(place, &[]), "");
    assert_eq!(victim.read_from(place, &["--init"]), "");
}

/// A proc that was mounted outside says of process 1 what is so outside, and calls us by another name.
fn stale_proc(place: Place) {
    let script = "echo $$; readlink /proc/self; cat /proc/1/comm";
    let look = |words: &[&str]| {
        let run = quiet(place, ["pid", "run"]).args(words).args(["--", "sh", "-c", script]);
        run.go().stdout.lines().map(str::to_string).collect::<Vec<_>>()
    };
    let stale = look(&["--no-proc"]);
    assert_eq!(stale[0], "1");
    assert!(stale[1].parse::<u32>().is_ok_and(|pid| pid > 2), "{stale:?}");
    assert_eq!(stale[2], field(1, "Name:"), "process 1 out here");
    let own = look(&[]);
    assert_eq!((own[0].as_str(), own[2].as_str()), ("1", "sh"), "{own:?}");
    assert!(own[1].parse::<u32>().is_ok_and(|pid| pid < 9), "{own:?}");
}
