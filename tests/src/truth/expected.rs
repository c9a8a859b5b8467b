//! What must the kernel have seen, if a record is true?

use primitives::Capabilities;
use trace::{Arg, Outcome, Record};

use super::netlink;
use super::same::{has, same};
use super::watched::WATCHED;
use crate::strace::Syscall;

/// What the kernel must have seen for one record, or one half of it.
pub(super) struct Expected<'a> {
    pub(super) names: &'a [&'a str],
    /// For each argument that is claimed: its place in strace's list, and the value.
    args: Vec<(usize, Arg)>,
    outcome: Option<&'a Outcome>,
    /// Other calls of this name are passed over until one fits: for calls that need no record.
    searched: bool,
}

impl Expected<'_> {
    /// What is written goes to what was opened for it.
    pub(super) fn writes_to(mut self, opened: &Syscall) -> Self {
        if let (["write"], Some(number)) = (self.names, opened.number()) {
            self.args.push((0, Arg::Number(number)));
        }
        self
    }

    pub(super) fn is_meant(&self, call: &Syscall) -> bool {
        !self.searched || self.arguments(call).is_ok()
    }

    pub(super) fn check(&self, call: &Syscall) -> Result<(), String> {
        self.arguments(call)?;
        let Some(outcome) = self.outcome else {
            return Ok(());
        };
        match agrees(outcome, call) {
            true => Ok(()),
            false => Err(format!("the kernel answered {}", call.text())),
        }
    }

    pub(super) fn arguments(&self, call: &Syscall) -> Result<(), String> {
        for (place, claimed) in &self.args {
            let seen = call.args.get(*place).map(String::as_str).unwrap_or("nothing");
            if !same(claimed, seen) {
                return Err(format!("it says {claimed}, the kernel saw {}", call.text()));
            }
        }
        Ok(())
    }
}

/// A record's claim in terms of system calls.
pub(super) fn expected(record: &Record) -> Vec<Expected<'_>> {
    let args = |places: &[usize]| places.iter().copied().zip(record.args.iter().cloned()).collect();
    let one = |names, places: &[usize]| {
        vec![Expected {
            names,
            args: args(places),
            outcome: Some(&record.outcome),
            searched: false,
        }]
    };
    match record.call.as_ref() {
        "write" if matches!(record.primitive.as_ref(), "write_own_proc" | "write_sysctl") => {
            written_beneath(record)
        }
        "write" => written(record, &["openat"], true),
        "creat" => written(record, &["openat"], true),
        "fork" => one(&["clone", "fork", "vfork"], &[]),
        "waitid" => one(&["waitid"], &[0, 1, 3]),
        "recvfrom" | "sendto" => {
            let names: &[&str] = if record.call == "sendto" { &["sendto"] } else { &["recvfrom"] };
            // What a message says is packed for the line, so that of its content only the length counts.
            let args = args(&[0]);
            vec![Expected { names, args, outcome: Some(&record.outcome), searched: true }]
        }
        // The window's own messages go over other sockets and have no record.
        "sendmsg" => {
            let (args, outcome) = (args(&[0]), Some(&record.outcome));
            vec![Expected { names: &["sendmsg"], args, outcome, searched: true }]
        }
        // What it returned counts bytes, and the record tells of the descriptor that came with them.
        "recvmsg" => {
            let args = args(&[0]);
            vec![Expected { names: &["recvmsg"], args, outcome: None, searched: true }]
        }
        // Files are also opened to be read, which needs no record.
        "open" => {
            let (args, outcome) = (args(&[1, 2]), Some(&record.outcome));
            vec![Expected { names: &["openat"], args, outcome, searched: true }]
        }
        // The standard library blocks signals of its own when it makes a thread.
        "sigprocmask" => {
            let (names, outcome) = (&["rt_sigprocmask"], Some(&record.outcome));
            vec![Expected { names, args: args(&[0, 1]), outcome, searched: true }]
        }
        "sigwaitinfo" => one(&["rt_sigtimedwait"], &[0]),
        "openpty" => {
            let args = vec![(1, Arg::Path("/dev/ptmx".into()))];
            vec![Expected { names: &["openat"], args, outcome: None, searched: true }]
        }
        "tcsetpgrp" => {
            let group = Arg::List(vec![record.args[1].clone()]);
            let args =
                vec![(0, record.args[0].clone()), (1, Arg::Word("TIOCSPGRP".into())), (2, group)];
            let outcome = Some(&record.outcome);
            vec![Expected { names: &["ioctl"], args, outcome, searched: false }]
        }
        // Through any socket; the device keeps the flags that it has.
        "ioctl" if record.primitive == "set_link_up" => {
            let claimed = [("ifr_name", &record.args[1]), ("ifr_flags", &record.args[2])];
            let claimed = claimed.map(|(name, value)| (name.to_string(), value.clone()));
            let args = vec![(1, record.args[0].clone()), (2, Arg::Fields(claimed.to_vec()))];
            let outcome = Some(&record.outcome);
            vec![Expected { names: &["ioctl"], args, outcome, searched: true }]
        }
        "ioctl" => {
            let outcome = Some(&record.outcome);
            vec![Expected { names: &["ioctl"], args: args(&[0, 1, 2]), outcome, searched: true }]
        }
        "openat" => opened_in(record),
        "openat2" => one(&["openat2"], &[0, 1, 2]),
        "fcntl" => locked(record),
        "bind" | "connect" => vec![spoken_to(record)],
        // The relay sleeps and wakes as often as there is something to pass on: one of its sleeps is on
        // what the record names.
        "poll" => {
            let watched = |fd: &Arg| matches!(fd, Arg::Fd(_)).then(|| (0, field("fd", fd.clone())));
            let args = record.args.iter().filter_map(watched).collect();
            vec![Expected { names: &["poll"], args, outcome: None, searched: true }]
        }
        "accept4" | "signalfd4" => {
            let names: &[&str] = match record.call.as_ref() {
                "accept4" => &["accept4"],
                _ => &["signalfd4"],
            };
            let (args, outcome) = (args(&[0, 1, 2, 3]), Some(&record.outcome));
            vec![Expected { names, args, outcome, searched: true }]
        }
        "mkdtemp" => {
            let made = match &record.outcome {
                Outcome::Result(path) => vec![(0, path.clone())],
                _ => Vec::new(),
            };
            let outcome = Some(&record.outcome);
            vec![Expected { names: &["mkdir"], args: made, outcome, searched: false }]
        }
        "mknod" => one(&["mknodat"], &[1, 2]),
        "symlink" => one(&["symlinkat"], &[0, 2]),
        "unlink" => one(&["unlink"], &[0]),
        "close_range" => one(&["close_range"], &[0, 1, 2]),
        "execve" => one(&["execve"], &[0, 1]),
        // With the arguments that the program has itself.
        "execveat" => vec![Expected {
            names: &["execveat"],
            args: [0, 1, 4].map(|place| (place, record.args[place].clone())).to_vec(),
            outcome: Some(&record.outcome),
            searched: false,
        }],
        "capset" => vec![Expected {
            names: &["capset"],
            args: vec![(0, record.args[0].clone()), (1, sets(&record.args[1]))],
            outcome: Some(&record.outcome),
            searched: false,
        }],
        "prctl" if record.primitive == "prctl_capbset_drop" => one_for_each(record, 1),
        "prctl" if record.primitive == "prctl_cap_ambient_raise" => one_for_each(record, 2),
        "prlimit" => vec![Expected {
            names: &["prlimit64"],
            args: vec![
                (0, record.args[0].clone()),
                (1, record.args[1].clone()),
                (2, limit(&record.args[2])),
            ],
            outcome: Some(&record.outcome),
            searched: false,
        }],
        name if name.starts_with("RTM_") => exchanged(record),
        name => {
            let names = WATCHED.iter().position(|known| *known == name);
            let names = names.map_or(&[][..], |index| &WATCHED[index..=index]);
            one(names, &[0, 1, 2, 3, 4, 5])
        }
    }
}

/// A message through a socket and the answer to it, after the questions which number a device has.
fn exchanged(record: &Record) -> Vec<Expected<'_>> {
    let part = |(name, claimed)| {
        let names: &[&str] = if name == "sendto" { &["sendto"] } else { &["recvfrom"] };
        Expected { names, args: vec![(1, claimed)], outcome: None, searched: true }
    };
    netlink::exchange(record).into_iter().map(part).collect()
}

/// Opening a file and writing a value into it is one request to a person and two to the kernel.
fn written<'a>(record: &'a Record, open: &'a [&'a str], searched: bool) -> Vec<Expected<'a>> {
    // It may be read first, by another descriptor.
    let path = vec![(1, record.args[0].clone()), (2, Arg::Word(FOR_WRITING.into()))];
    let opening = Expected { names: open, args: path, outcome: None, searched };
    let data = match &record.args[1] {
        Arg::Data(bytes) => vec![(2, Arg::Number(i64::try_from(*bytes).unwrap_or(i64::MAX)))],
        text => vec![(1, text.clone())],
    };
    let writing =
        Expected { names: &["write"], args: data, outcome: Some(&record.outcome), searched };
    match record.outcome.errno() {
        // Which half failed is not in the record. A missing or forbidden file cannot be opened.
        Some("ENOENT" | "EACCES" | "EEXIST" | "EROFS") => {
            vec![Expected { outcome: Some(&record.outcome), ..opening }]
        }
        // Of nothing nothing is written.
        _ if record.call == "creat" && record.args[1] == Arg::Text(String::new()) => vec![opening],
        _ => vec![opening, writing],
    }
}

/// Flags of an open by which something can be written, and whatever others.
pub(super) const FOR_WRITING: &str = "O_WRONLY|...";

const DONE: &Outcome = &Outcome::Result(Arg::Number(0));

/// The same by way of an open `/proc`, with nothing mounted on the way.
fn written_beneath(record: &Record) -> Vec<Expected<'_>> {
    let path = match &record.args[0] {
        Arg::Path(path) => path.strip_prefix("/proc/").unwrap_or(path).to_string(),
        other => other.to_string(),
    };
    let resolve = Arg::Word("RESOLVE_NO_XDEV|RESOLVE_NO_MAGICLINKS|RESOLVE_BENEATH".into());
    let args = vec![(1, Arg::Path(path)), (2, field("resolve", resolve))];
    let opening = Expected { names: &["openat2"], args, outcome: None, searched: true };
    match record.outcome.errno() {
        Some("ENOENT" | "EACCES" | "EXDEV") => Vec::new(),
        _ => {
            let args = vec![(1, record.args[1].clone())];
            let outcome = Some(&record.outcome);
            vec![opening, Expected { names: &["write"], args, outcome, searched: true }]
        }
    }
}

/// A file in an open directory: what is written into it is not in the record. Of one that cannot be
/// copied it may be the old one that cannot be opened.
fn opened_in(record: &Record) -> Vec<Expected<'_>> {
    const SOME_FD: &Outcome = &Outcome::Result(Arg::List(Vec::new()));
    let all = || record.args.iter().cloned().enumerate().collect();
    let name = || vec![(1, record.args[1].clone())];
    let (args, outcome) = match &record.outcome {
        Outcome::Result(Arg::Fd(_)) => (all(), Some(&record.outcome)),
        Outcome::Result(_) => (all(), Some(SOME_FD)),
        _ => (name(), None),
    };
    vec![Expected { names: &["openat"], args, outcome, searched: true }]
}

/// To lock a file is to open it first, and to lock what was opened then.
fn locked(record: &Record) -> Vec<Expected<'_>> {
    let path = vec![(1, record.args[0].clone())];
    let opening = Expected { names: &["openat"], args: path, outcome: None, searched: true };
    let mut args = vec![(1, record.args[1].clone()), (2, field("l_type", record.args[2].clone()))];
    match &record.outcome {
        Outcome::Errno(errno) if errno == "EAGAIN" => {
            let outcome = Some(&record.outcome);
            let locking = Expected { names: &["fcntl"], args, outcome, searched: true };
            vec![opening, locking]
        }
        Outcome::Errno(_) => vec![Expected { outcome: Some(&record.outcome), ..opening }],
        // The descriptor that it gives is the one that is locked.
        Outcome::Result(fd) => {
            args.push((0, fd.clone()));
            let locking = Expected { names: &["fcntl"], args, outcome: Some(DONE), searched: true };
            vec![Expected { outcome: Some(&record.outcome), ..opening }, locking]
        }
        Outcome::Refused(_) | Outcome::Pending(()) => Vec::new(),
    }
}

/// A socket by its address, or its name: in an open directory, which the kernel is told by way of `/proc`, or by a path.
fn spoken_to(record: &Record) -> Expected<'_> {
    let names: &[&str] = if record.call == "bind" { &["bind"] } else { &["connect"] };
    let path = match record.args.as_slice() {
        [Arg::Fd(directory), Arg::Path(name)] => {
            Arg::Path(format!("/proc/self/fd/{directory}/{name}"))
        }
        [address @ Arg::Fields(_)] => address.clone(),
        [path, ..] => path.clone(),
        [] => Arg::Word("a path".into()),
    };
    let address = match path {
        // Of TCP, with a port.
        Arg::Fields(_) => path,
        path => field("sun_path", path),
    };
    let mut args = vec![(1, address)];
    let outcome = match &record.outcome {
        // What comes of it is the socket.
        Outcome::Result(fd @ Arg::Fd(_)) => {
            args.push((0, fd.clone()));
            DONE
        }
        other => other,
    };
    Expected { names, args, outcome: Some(outcome), searched: false }
}

fn field(name: &str, value: Arg) -> Arg {
    Arg::Fields(vec![(name.to_string(), value)])
}

/// Sets of capabilities in strace's form, where each is a shifted bit.
fn sets(claimed: &Arg) -> Arg {
    let Arg::Fields(fields) = claimed else { return claimed.clone() };
    let bits = |value: &Arg| {
        let names = capabilities(value).names();
        let bits: Vec<String> = names.iter().map(|name| format!("1<<{name}")).collect();
        Arg::Word(if bits.is_empty() { "0".to_string() } else { bits.join("|") })
    };
    Arg::Fields(fields.iter().map(|(name, value)| (name.clone(), bits(value))).collect())
}

fn capabilities(claimed: &Arg) -> Capabilities {
    claimed.to_string().parse().expect("a record names capabilities as primitives does")
}

/// Several capabilities are one request to a person, and one call each to the kernel. When the first
/// is refused there are no others.
fn one_for_each(record: &Record, place: usize) -> Vec<Expected<'_>> {
    let all = capabilities(&record.args[place]).names();
    let calls = if record.outcome.is_success() { all.len() } else { 1 };
    let call = |name: String| {
        let mut args: Vec<(usize, Arg)> = record.args.iter().cloned().enumerate().collect();
        args[place].1 = Arg::Word(name);
        let outcome = Some(&record.outcome);
        Expected { names: &["prctl"], args, outcome, searched: false }
    };
    all.into_iter().take(calls).map(call).collect()
}

/// A limit in strace's form, where multiples of 1024 are written as such.
fn limit(claimed: &Arg) -> Arg {
    let Arg::Fields(fields) = claimed else { return claimed.clone() };
    let seen = |value: &Arg| match value.to_string().parse::<u64>() {
        Ok(number) if number > 1024 && number % 1024 == 0 => format!("{}*1024", number / 1024),
        Ok(number) => number.to_string(),
        Err(_) => value.to_string().replace("RLIM_", "RLIM64_"),
    };
    let shown = |(name, value): &(String, Arg)| (name.clone(), Arg::Word(seen(value)));
    Arg::Fields(fields.iter().map(shown).collect())
}

fn agrees(outcome: &Outcome, call: &Syscall) -> bool {
    match outcome {
        Outcome::Errno(name) => call.errno() == Some(name),
        // A record of a file that was written counts no bytes.
        Outcome::Result(Arg::Number(0)) if call.name == "write" => call.number().is_some(),
        Outcome::Result(Arg::Number(number)) => call.number() == Some(*number),
        Outcome::Result(Arg::Pid(number) | Arg::Fd(number)) => {
            call.number() == Some(i64::from(*number))
        }
        // A call that waits for an answer: strace names its number.
        Outcome::Result(Arg::Fields(fields)) if call.name == "ioctl" => {
            let pid = fields.iter().find(|(name, _)| name == "pid").map(|(_, pid)| pid);
            let told = call.args.get(2).map(String::as_str).unwrap_or_default();
            matches!(pid, Some(Arg::Pid(pid)) if has(told, "pid", &pid.to_string()))
        }
        Outcome::Result(Arg::Fields(fields)) => waited(fields, &call.args[2]),
        // strace adds the signal's name: `17 (SIGCHLD)`.
        Outcome::Result(Arg::Word(signal)) if call.name == "rt_sigtimedwait" => {
            call.result.contains(&format!("({signal})"))
        }
        Outcome::Result(Arg::Word(word)) => call.result == *word,
        Outcome::Result(_) => call.number().is_some(),
        Outcome::Refused(_) | Outcome::Pending(()) => false,
    }
}

/// A `siginfo` against what the record says of the process that ended.
fn waited(fields: &[(String, Arg)], siginfo: &str) -> bool {
    fields.iter().all(|(name, value)| match (name.as_str(), value) {
        ("si_pid", Arg::Pid(pid)) => has(siginfo, "si_pid", &pid.to_string()),
        ("exited", value) => {
            has(siginfo, "si_code", "CLD_EXITED") && has(siginfo, "si_status", &value.to_string())
        }
        ("killed", value) => {
            (has(siginfo, "si_code", "CLD_KILLED") || has(siginfo, "si_code", "CLD_DUMPED"))
                && has(siginfo, "si_status", &value.to_string())
        }
        ("stopped", value) => {
            has(siginfo, "si_code", "CLD_STOPPED") && has(siginfo, "si_status", &value.to_string())
        }
        _ => false,
    })
}
