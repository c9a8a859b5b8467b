//! Who gets Ctrl-C and Ctrl-Z.

use std::thread::sleep;
use std::time::Duration;

use tests::places::Place;
use tests::programs::program;
use tests::pty::Terminal;
use tests::running::wait;

use super::{LONG, Named, field, named, quiet, until};

pub(super) const TESTS: &[Named] = &[
    ("ctrl-c", ctrl_c),
    ("ctrl-c-without-init", ctrl_c_without_init),
    ("jobs-of-a-shell-inside", jobs_inside),
    ("a-job-of-a-shell-outside", a_job_outside),
    ("a-job-in-the-background", in_the_background),
    ("brought-to-the-foreground", brought_to_the_foreground),
    ("nobody-could-wake-it", nobody_could_wake_it),
];

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

/// Ctrl-C goes to the program, and init does not even notice.
fn ctrl_c(place: Place) {
    let script = "trap 'echo caught it; exit 9' INT; echo ready; while :; do sleep 0.02; done";
    let run = quiet(place, ["pid", "run", "--init", "--", "sh", "-c", script]);
    let mut terminal = Terminal::default();
    let mut first = run.start_on(&terminal);
    terminal.shows("ready");
    // A shell loses a signal that comes while it starts a program, so it is said again.
    until("it is caught", || {
        terminal.types(CTRL_C);
        sleep(Duration::from_millis(200));
        terminal.screen().contains("caught it")
    });
    let status = wait(&mut first, LONG).expect("it ends");
    assert_eq!(status.code(), Some(9), "{}", terminal.screen());
}

/// Without an init Ctrl-C ends our process outside, and process 1 with it.
fn ctrl_c_without_init(place: Place) {
    let run = quiet(place, ["pid", "run", "--", "sleep", "60"]);
    let mut terminal = Terminal::default();
    let mut first = run.start_on(&terminal);
    named(&run, "sleep");
    terminal.types(CTRL_C);
    wait(&mut first, LONG).expect("it ends");
    until("all others end", || run.processes().is_empty());
}

/// An interactive shell as the program: its own jobs can be stopped and brought back.
fn jobs_inside(place: Place) {
    let run = quiet(place, ["pid", "run", "--init", "--", "busybox", "sh", "-i"]);
    let mut terminal = Terminal::default();
    let mut first = run.start_on(&terminal);
    terminal.types("echo $((40 + 2)); sleep 77\n");
    terminal.shows("42");
    let job = named(&run, "busybox");
    until("the job runs", || {
        run.processes().iter().any(|pid| field(*pid, "NSpid:").ends_with(" 3"))
    });
    assert!(!terminal.screen().contains("job control turned off"), "{}", terminal.screen());
    terminal.types(CTRL_Z);
    terminal.shows("Stopped");
    terminal.types("echo $((50 + 1)); fg\n");
    terminal.shows("51");
    terminal.shows("sleep 77");
    until("the job goes on", || field(job, "State:").starts_with('S'));
    terminal.types(CTRL_C);
    terminal.types("exit 5\n");
    let status = wait(&mut first, LONG).expect("the shell ends");
    assert_eq!(status.code(), Some(5), "{}", terminal.screen());
}

/// Our program is a job of an interactive shell, and the program in it knows nothing of jobs: Ctrl-Z
/// stops all of it, the shell has the terminal, `fg` brings it back, and afterwards the shell goes on.
fn a_job_outside(place: Place) {
    let mut outside = Outside::start(place);
    let terminal = &mut outside.terminal;
    let script = "trap 'echo caught it; exit 9' INT; echo rea''dy; while :; do sleep 0.02; done";
    terminal.types(&format!("{} pid run --init -- sh -c \"{script}\"\n", outside.chapter));
    terminal.shows("ready");
    terminal.types(CTRL_Z);
    terminal.shows("Stopped");
    terminal.types("echo $((40 + 2)); fg\n");
    terminal.shows("42");
    terminal.shows("pid run");
    std::thread::sleep(Duration::from_millis(300));
    terminal.types(CTRL_C);
    terminal.shows("caught it");
    terminal.types("echo \"code $?\"; exit 6\n");
    terminal.shows("code 9");
    outside.ends_with(6);
}

/// Started in the background it does not take the terminal, and `bg` does not give it to it.
fn in_the_background(place: Place) {
    let mut outside = Outside::start(place);
    let terminal = &mut outside.terminal;
    let command = format!("{} pid run --init -- sh -c \"sleep 0.5; echo do''ne\"", outside.chapter);
    terminal.types(&format!("{command} &\n"));
    terminal.types("echo $((40 + 2))\n");
    terminal.shows("42");
    terminal.shows("done");
    terminal.types(&format!("{}\n", command.replace("sleep 0.5", "sleep 1")));
    std::thread::sleep(Duration::from_millis(400));
    terminal.types(CTRL_Z);
    terminal.shows("Stopped");
    terminal.types("bg\n");
    terminal.types("echo $((50 + 1))\n");
    terminal.shows("51");
    terminal.shows("done");
    terminal.types("exit 6\n");
    outside.ends_with(6);
}

/// Started in the background it may not read; brought to the foreground it may.
fn brought_to_the_foreground(place: Place) {
    let mut outside = Outside::start(place);
    let terminal = &mut outside.terminal;
    let script = "read line; echo it is $line; exit 9";
    terminal.types(&format!("{} pid run --init -- sh -c '{script}' &\n", outside.chapter));
    std::thread::sleep(Duration::from_millis(400));
    terminal.types("echo $((40 + 2))\n");
    terminal.shows("42");
    terminal.types("fg\n");
    terminal.shows("pid run");
    std::thread::sleep(Duration::from_millis(300));
    terminal.types("for me\n");
    terminal.shows("it is for me");
    terminal.types("echo \"code $?\"; exit 6\n");
    terminal.shows("code 9");
    outside.ends_with(6);
}

/// No shell waits for it: a program that was stopped would stay so for ever, so it is woken.
fn nobody_could_wake_it(place: Place) {
    let script = "echo ready; i=0; while [ $i -lt 50 ]; do sleep 0.02; i=$((i+1)); done; exit 4";
    let run = quiet(place, ["pid", "run", "--init", "--", "sh", "-c", script]);
    let mut terminal = Terminal::default();
    let mut first = run.start_on(&terminal);
    terminal.shows("ready");
    terminal.types(CTRL_Z);
    let status = wait(&mut first, LONG).expect("it goes on and ends");
    assert_eq!(status.code(), Some(4), "{}", terminal.screen());
}

/// An interactive shell out here, from which the chapter's program is started.
struct Outside {
    run: tests::running::Run,
    shell: std::process::Child,
    terminal: Terminal,
    /// The words that start the chapter's program.
    chapter: String,
}

impl Outside {
    fn start(place: Place) -> Outside {
        // The shell runs under the name of the chapter's program, which it gets as its first argument.
        let under = ["sh", "-c", "exec busybox sh -i", "sh"];
        let run = quiet(place, ["pid", "map"]).under(under);
        let mut terminal = Terminal::default();
        let shell = run.start_on(&terminal);
        let chapter = program("chapter7", place).to_string_lossy().into_owned();
        terminal.types("PS1='% '; echo $((10 + 1))\n");
        terminal.shows("11");
        Outside { run, shell, terminal, chapter: format!("{chapter} --trace off") }
    }

    fn ends_with(mut self, code: i32) {
        let status = wait(&mut self.shell, LONG);
        let status = status.unwrap_or_else(|| panic!("it hangs: {}", self.terminal.screen()));
        assert_eq!(status.code(), Some(code), "{}", self.terminal.screen());
        until("all others end", || self.run.processes().is_empty());
    }
}
