//! Does the judge believe what it should, and nothing else?

use trace::{Arg, Event, Outcome, Record};

use super::{Trace, in_a_child, status_taken};
use crate::run::Run;

/// A request of process `pid` as it stands in a trace.
pub(crate) fn request(
    (seq, pid): (u64, i32),
    (call, primitive): (&'static str, &'static str),
    args: Vec<Arg>,
    outcome: Outcome,
) -> Event {
    Event::Request(Record {
        seq,
        role: "r".into(),
        pid,
        host_pid: pid,
        step: Vec::new(),
        call: call.into(),
        primitive: primitive.into(),
        args,
        outcome,
        micros: 0,
        why: "test".into(),
        source: "x".into(),
        cleans_up: false,
    })
}

pub(crate) fn zero() -> Outcome {
    Outcome::Result(Arg::Number(0))
}

pub(crate) fn execve(seq: u64, pid: i32, words: &[&str], outcome: Outcome) -> Event {
    let list = words.iter().map(|word| Arg::Text((*word).into())).collect();
    let args = vec![Arg::Path(words[0].into()), Arg::List(list), Arg::Word("environ".into())];
    request((seq, pid), ("execve", "execve"), args, outcome)
}

pub(crate) fn birth(seq: u64, pid: i32, child: i32) -> Event {
    let outcome = Outcome::Result(Arg::Pid(child));
    request((seq, pid), ("clone3", "spawn"), Vec::new(), outcome)
}

pub(crate) fn write(seq: u64, pid: i32, of: i32, file: &str, outcome: Outcome) -> Event {
    let file = Arg::ProcPath { pid: of, file: file.into() };
    request((seq, pid), ("write", "write_map"), vec![file], outcome)
}

pub(crate) fn ended(seq: u64, pid: i32, child: i32, how: (&str, Arg)) -> Event {
    let fields = vec![("si_pid".to_string(), Arg::Pid(child)), (how.0.to_string(), how.1)];
    let outcome = Outcome::Result(Arg::Fields(fields));
    request((seq, pid), ("waitid", "wait_pidfd"), Vec::new(), outcome)
}

/// A run of which nothing is known but its trace.
pub(crate) fn run_of(events: &[Event], command: &[&str]) -> Run {
    Run {
        code: None,
        trace: Trace::new(events),
        out: String::new(),
        err: String::new(),
        seen: None,
        left: 0,
        command: command.iter().map(|word| (*word).to_string()).collect(),
    }
}

#[test]
fn a_program_that_was_run_in_a_child_is_believed() {
    let events = [
        birth(1, 10, 11),
        execve(2, 11, &["sh", "-c", "exit 7"], zero()),
        ended(3, 10, 11, ("exited", Arg::Number(7))),
    ];
    let run = run_of(&events, &["sh", "-c", "exit 7"]);
    assert!(in_a_child(&run).is_met());
    assert!(status_taken(&run, 7).is_met());
    assert!(!status_taken(&run, 8).is_met());
}

#[test]
fn a_request_that_was_refused_counts_for_nothing() {
    for refused in
        [Outcome::Errno("ENOENT".into()), Outcome::Refused("EPERM".into()), Outcome::Pending(())]
    {
        let events = [birth(1, 10, 11), execve(2, 11, &["sh"], refused)];
        assert!(!in_a_child(&run_of(&events, &["sh"])).is_met());
    }
}

#[test]
fn another_program_or_the_wrong_process_is_not_believed() {
    let other = [birth(1, 10, 11), execve(2, 11, &["sh", "-c", "exit 1"], zero())];
    assert!(!in_a_child(&run_of(&other, &["sh", "-c", "exit 7"])).is_met());
    let itself = [execve(1, 10, &["sh"], zero())];
    assert!(!in_a_child(&run_of(&itself, &["sh"])).is_met());
}

#[test]
fn a_signal_is_read_as_a_shell_gives_it() {
    let killed = Arg::Word("SIGTERM".into());
    let trace = Trace::new(&[birth(1, 10, 11), ended(2, 10, 11, ("killed", killed))]);
    assert_eq!(trace.taken(), [(11, 143)]);
}

#[test]
fn luck_is_not_order() {
    let map = write(2, 10, 11, "uid_map", zero());
    let lucky = Trace::new(&[birth(1, 10, 11), map.clone(), execve(3, 11, &["sh"], zero())]);
    let place = |trace: &Trace| {
        let map = trace.writes("uid_map").next().unwrap();
        (map, trace.became(&["sh".into()]).unwrap())
    };
    let (map_at, program_at) = place(&lucky);
    assert!(!lucky.before(map_at, program_at));
    let safe = Trace::new(&[
        birth(1, 10, 11),
        map,
        request((3, 10), ("sendto", "release"), Vec::new(), zero()),
        request((4, 11), ("recvfrom", "wait"), Vec::new(), zero()),
        execve(5, 11, &["sh"], zero()),
    ]);
    let (map_at, program_at) = place(&safe);
    assert!(safe.before(map_at, program_at));
    assert!(!safe.before(program_at, map_at));
}

#[test]
fn a_message_that_was_sent_too_early_does_not_help() {
    let trace = Trace::new(&[
        birth(1, 10, 11),
        request((2, 10), ("sendto", "release"), Vec::new(), zero()),
        write(3, 10, 11, "uid_map", zero()),
        request((4, 11), ("recvfrom", "wait"), Vec::new(), zero()),
        execve(5, 11, &["sh"], zero()),
    ]);
    let map = trace.writes("uid_map").next().unwrap();
    assert!(!trace.before(map, trace.became(&["sh".into()]).unwrap()));
}

#[test]
fn a_helper_that_was_waited_for_is_in_order() {
    let trace = Trace::new(&[
        birth(1, 10, 11),
        birth(2, 10, 12),
        execve(3, 12, &["newuidmap"], zero()),
        ended(4, 10, 12, ("exited", Arg::Number(0))),
        request((5, 10), ("sendto", "release"), Vec::new(), zero()),
        request((6, 11), ("recvfrom", "wait"), Vec::new(), zero()),
        execve(7, 11, &["sh"], zero()),
    ]);
    let helper = trace.became(&["newuidmap".into()]).unwrap();
    assert!(trace.before(helper, trace.became(&["sh".into()]).unwrap()));
}

/// A request of a process that is `host` out here and `pid` for itself.
fn inside(event: Event, host: i32) -> Event {
    let Event::Request(record) = event else { return event };
    Event::Request(Record { host_pid: host, ..record })
}

fn init_of(seq: u64, pid: i32, child: i32) -> Event {
    let flags = Arg::Word("CLONE_NEWUSER|CLONE_NEWPID|CLONE_PIDFD".into());
    let fields = Arg::Fields(vec![("flags".into(), flags)]);
    request((seq, pid), ("clone3", "spawn"), vec![fields], Outcome::Result(Arg::Pid(child)))
}

#[test]
fn a_status_taken_in_another_pid_namespace_is_believed() {
    let events = [
        init_of(1, 10, 11),
        inside(birth(2, 1, 2), 11),
        inside(execve(3, 2, &["sh"], zero()), 12),
        inside(ended(4, 1, 2, ("exited", Arg::Number(7))), 11),
        ended(5, 10, 11, ("exited", Arg::Number(7))),
    ];
    let run = run_of(&events, &["sh"]);
    assert!(in_a_child(&run).is_met());
    assert!(status_taken(&run, 7).is_met());
    let births: Vec<i32> = run.trace.births().map(|(_, child)| child).collect();
    assert_eq!(births, [11, 12]);
    let program = run.trace.became(&["sh".into()]).unwrap();
    let last = run.trace.done("waitid").last().unwrap();
    assert!(run.trace.before(program, last), "through both waits");
}

#[test]
fn a_namesake_in_another_pid_namespace_is_not_believed() {
    let events = [
        init_of(1, 10, 11),
        init_of(2, 10, 21),
        inside(birth(3, 1, 2), 11),
        inside(execve(4, 2, &["sh"], zero()), 12),
        inside(birth(5, 1, 2), 21),
        inside(execve(6, 2, &["true"], zero()), 22),
        inside(ended(7, 1, 2, ("exited", Arg::Number(7))), 21),
    ];
    assert!(!status_taken(&run_of(&events, &["sh"]), 7).is_met());
    assert!(status_taken(&run_of(&events, &["true"]), 7).is_met());
}

#[test]
fn messages_pass_between_pid_namespaces() {
    let events = [
        init_of(1, 10, 11),
        inside(birth(2, 1, 2), 11),
        inside(request((3, 1), ("setpgid", "setpgid"), Vec::new(), zero()), 11),
        inside(request((4, 1), ("sendto", "release"), Vec::new(), zero()), 11),
        inside(request((5, 2), ("recvfrom", "wait"), Vec::new(), zero()), 12),
        inside(execve(6, 2, &["sh"], zero()), 12),
    ];
    let run = run_of(&events, &["sh"]);
    let group = run.trace.done("setpgid").next().unwrap();
    assert!(run.trace.before(group, run.trace.became(&["sh".into()]).unwrap()));
}
