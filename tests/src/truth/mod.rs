//! Does the log lie?
//!
//! A trace says what the program asked the kernel for; strace says what the kernel was asked. The two
//! are held against each other, process by process and in order, and both ways: every record must
//! have its system calls, with the same arguments and the same result, and every watched system call
//! must have its record.
//!
//! Where the check is blind: a write that nobody tells of is recognised by where its file was opened, by
//! an absolute path below `/proc` or `/sys` or beneath an open directory; of a message between two
//! processes only its length is compared; the environment of an execve is not compared; and what a
//! program does once it was refused or killed is not looked at.

mod expected;
mod netlink;
mod rich;
mod rows;
mod same;
mod watched;

use std::collections::{HashMap, VecDeque};

use trace::{Event, Outcome, Record};

use crate::strace::Syscall;
use expected::{Expected, expected};
pub use rows::{Row, rows};
pub use watched::{WATCHED, strace_filter};

/// Everything in which the trace and the kernel do not agree; empty when the log is true.
pub fn disagreements(events: &[Event], syscalls: &[Syscall]) -> Vec<String> {
    let Some(first) = syscalls.first() else {
        return vec!["strace saw nothing".to_string()];
    };
    let mut lists = by_process(syscalls);
    if let Some(list) = lists.get_mut(&first.pid) {
        // strace itself becomes the program that is looked at.
        list.pop_front();
    }
    let mut wrong = Vec::new();
    for event in events {
        let Event::Request(record) = event else {
            continue;
        };
        let list = lists.entry(record.host_pid).or_default();
        if let Err(says) = hold(record, list) {
            wrong.push(format!(
                "record {}: {} {}: {says}",
                record.seq,
                record.request(),
                record.outcome
            ));
        }
    }
    for pid in our_processes(first.pid, syscalls) {
        let list = lists.remove(&pid).unwrap_or_default();
        let unseen = list.iter().filter(|call| must_be_recorded(call));
        wrong.extend(unseen.map(|call| format!("process {pid}: no record of {}", call.text())));
    }
    wrong
}

fn by_process(syscalls: &[Syscall]) -> HashMap<i32, VecDeque<Syscall>> {
    let mut lists: HashMap<i32, VecDeque<Syscall>> = HashMap::new();
    for call in syscalls {
        lists.entry(call.pid).or_default().push_back(call.clone());
    }
    lists
}

/// The first process and all that it and they have made, before becoming another program.
fn our_processes(first: i32, syscalls: &[Syscall]) -> Vec<i32> {
    let mut ours = vec![first];
    let mut others: Vec<i32> = Vec::new();
    for call in syscalls.iter().skip(1) {
        if !ours.contains(&call.pid) || others.contains(&call.pid) {
            continue;
        }
        match call.name.as_str() {
            "execve" if call.number().is_some() => others.push(call.pid),
            "clone" | "clone3" | "fork" | "vfork" => ours.extend(call.process()),
            _ => {}
        }
    }
    ours
}

/// Takes the system calls of one record off the list of its process.
fn hold(record: &Record, list: &mut VecDeque<Syscall>) -> Result<(), String> {
    let became_another = match &record.outcome {
        // The kernel was never asked: there must be nothing, and that is seen at the end.
        Outcome::Refused(_) => return Ok(()),
        Outcome::Pending(()) => announced(record, list)?,
        Outcome::Errno(_) | Outcome::Result(_) => {
            consume(record, list)?;
            record.outcome.is_success()
        }
    };
    if record.call == "execve" && became_another {
        // From here on the process is another program, whose requests are its own.
        list.clear();
    }
    Ok(())
}

fn consume(record: &Record, list: &mut VecDeque<Syscall>) -> Result<(), String> {
    let mut last: Option<Syscall> = None;
    for mut expectation in expected(record) {
        if let Some(opened) = &last {
            expectation = expectation.writes_to(opened);
        }
        let call = next(&expectation, list)?;
        expectation.check(&call)?;
        last = Some(call);
    }
    Ok(())
}

/// Whoever becomes another program with the last door shut behind itself, or becomes itself anew, can
/// only announce it. It must then do so, and nothing else; unless it is killed before. Whether it did.
fn announced(record: &Record, list: &mut VecDeque<Syscall>) -> Result<bool, String> {
    if !matches!(record.call.as_ref(), "execve" | "execveat") {
        return Ok(false);
    }
    for expectation in expected(record) {
        match next(&expectation, list) {
            Ok(call) if call.number().is_none() => return Ok(false),
            Ok(call) => expectation.arguments(&call)?,
            Err(_) if list.is_empty() => return Ok(false),
            Err(says) => return Err(says),
        }
    }
    Ok(true)
}

/// The next call that the record can be about: what needs no record and has another name is passed.
fn next(expectation: &Expected, list: &mut VecDeque<Syscall>) -> Result<Syscall, String> {
    while let Some(call) = list.pop_front() {
        // A signal came between, and the kernel makes the same call again by itself; or it has asked to
        // be asked again.
        let again = call.name == "openat2" && call.errno() == Some("EAGAIN");
        if only_looks(&call) || again || call.result.starts_with("? ERESTART") {
            continue;
        }
        if expectation.names.contains(&call.name.as_str()) && expectation.is_meant(&call) {
            return Ok(call);
        }
        if must_be_recorded(&call) {
            let text = call.text();
            list.push_front(call);
            return Err(format!("the kernel saw {text} instead"));
        }
    }
    Err("the kernel saw no such call".to_string())
}

/// Whether nobody may make this call without a record.
fn must_be_recorded(call: &Syscall) -> bool {
    let argument = |index: usize| call.args.get(index).map(String::as_str).unwrap_or("");
    match call.name.as_str() {
        _ if only_looks(call) => false,
        "openat" => {
            let beneath = argument(0) != "AT_FDCWD";
            writes(argument(2)) && (beneath || is_of_the_kernel(argument(1)))
        }
        "open" => writes(argument(1)) && is_of_the_kernel(argument(0)),
        "openat2" => writes(argument(2)),
        "creat" => is_of_the_kernel(argument(0)),
        // Who has the terminal, and which one it is; what comes of a call that somebody else answers.
        "ioctl" => match argument(1) {
            "TIOCSCTTY" | "TIOCSPGRP" | "SIOCSIFFLAGS" | "SECCOMP_IOCTL_NOTIF_ADDFD" => true,
            "SECCOMP_IOCTL_NOTIF_SEND" => !argument(2).contains("FLAG_CONTINUE"),
            _ => false,
        },
        // Of messages those that change something about the network.
        "sendto" | "sendmsg" => netlink::changes(argument(1)),
        // Locks keep others away; descriptors have flags besides.
        "fcntl" => argument(1).starts_with("F_SETLK") || argument(1).starts_with("F_OFD_SETLK"),
        // The watcher opens pidfds to look, not to act; a chapter's own has a record and is consumed.
        "pidfd_open" => false,
        name => WATCHED.contains(&name),
    }
}

/// Whether the call asks something and changes nothing.
fn only_looks(call: &Syscall) -> bool {
    let argument = |index: usize| call.args.get(index).map(String::as_str).unwrap_or("");
    match call.name.as_str() {
        "prctl" => argument(0).starts_with("PR_GET") || argument(0) == "PR_CAPBSET_READ",
        "keyctl" => argument(0) == "KEYCTL_DESCRIBE",
        "waitid" => argument(3).contains("WNOWAIT"),
        "prlimit64" => argument(2) == "NULL",
        "seccomp" => argument(0).starts_with("SECCOMP_GET"),
        "landlock_create_ruleset" => argument(2).contains("VERSION"),
        _ => false,
    }
}

fn writes(flags: &str) -> bool {
    flags.contains("O_WRONLY") || flags.contains("O_RDWR")
}

fn is_of_the_kernel(path: &str) -> bool {
    path.starts_with("\"/proc/") || path.starts_with("\"/sys/")
}

#[cfg(test)]
mod tests {
    use trace::{Arg, Outcome, Record};

    use super::{disagreements, must_be_recorded};
    use crate::strace::{Syscall, parse};
    use trace::Event;

    fn record(call: &'static str, args: Vec<Arg>, outcome: Outcome) -> Record {
        Record {
            seq: 1,
            role: "parent".into(),
            pid: 12,
            host_pid: 12,
            step: Vec::new(),
            call: call.into(),
            primitive: call.into(),
            args,
            outcome,
            micros: 0,
            why: "see".into(),
            source: "x".into(),
            cleans_up: false,
        }
    }

    fn begun_anew(fd: i32) -> Record {
        let word = |text: &str| Arg::Word(text.into());
        let flags = word("AT_EMPTY_PATH");
        let args =
            vec![Arg::Fd(fd), Arg::Text(String::new()), word("argv"), word("environ"), flags];
        record("execveat", args, Outcome::Pending(()))
    }

    const ANEW: &str = "12 execve(\"./x\", [\"./x\"], 0x1) = 0\n\
        12 execveat(3, \"\", [\"./x\"], 0x1, AT_EMPTY_PATH) = 0\n\
        12 chroot(\"/\") = 0\n";

    #[test]
    fn who_becomes_itself_anew_is_still_looked_at() {
        let seen = parse(ANEW);
        let entered =
            record("chroot", vec![Arg::Path("/".into())], Outcome::Result(Arg::Number(0)));
        let events = [Event::Request(begun_anew(3)), Event::Request(entered)];
        assert_eq!(disagreements(&events, &seen), Vec::<String>::new());
        let wrong = disagreements(&events[..1], &seen);
        assert!(wrong.iter().any(|line| line.contains("no record of chroot")), "{wrong:?}");
    }

    #[test]
    fn who_becomes_another_than_it_said_is_caught() {
        let wrong = disagreements(&[Event::Request(begun_anew(4))], &parse(ANEW));
        assert!(wrong.iter().any(|line| line.contains("the kernel saw execveat(3")), "{wrong:?}");
    }

    #[test]
    fn what_is_written_beneath_an_open_directory_needs_a_record() {
        let call = |text: &str| -> Syscall { parse(&format!("12 {text}\n")).remove(0) };
        for text in [
            "openat(4, \"file\", O_WRONLY|O_CREAT, 0644) = 5",
            "openat2(4, \"sys/x\", {flags=O_WRONLY, resolve=0}, 24) = 5",
            "fcntl(4, F_SETLK, {l_type=F_WRLCK}) = 0",
        ] {
            assert!(must_be_recorded(&call(text)), "{text}");
        }
        for text in [
            "openat(AT_FDCWD, \"file\", O_WRONLY|O_CREAT, 0644) = 5",
            "openat(4, \"file\", O_RDONLY) = 5",
            "fcntl(4, F_GETLK, {l_type=F_WRLCK}) = 0",
            "keyctl(KEYCTL_DESCRIBE, 1, 0x1, 4096) = 48",
        ] {
            assert!(!must_be_recorded(&call(text)), "{text}");
        }
    }
}
