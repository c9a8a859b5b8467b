//! Is a process what the plan says, seen from inside the program that it became?
//!
//! Each case is a configuration and a shell line whose output is looked at. Nothing is isolated here:
//! the process keeps the root and the namespaces of the test, because it is not they that are tested.

#![allow(clippy::unwrap_used, reason = "a test without the harness is a test still")]

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;

use bundle::Plan;
use container::process::{self, Inherited};
use primitives::{Birth, Result, Status, dup2, memfd_create_inheritable, spawn};
use serde_json::{Value, json};

/// What a process said, and how it ended.
#[derive(Debug)]
struct Seen {
    said: String,
    status: std::result::Result<Status, String>,
}

fn main() -> ExitCode {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut ran = 0;
    for (name, case) in CASES {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word)) {
            continue;
        }
        case();
        println!("test {name} ... ok");
        ran += 1;
    }
    println!("test result: ok. {ran} passed; 0 failed");
    ExitCode::SUCCESS
}

type Case = (&'static str, fn());

const CASES: &[Case] = &[
    ("a_user_with_some_rights", a_user_with_some_rights),
    ("root_with_no_rights", root_with_no_rights),
    ("a_filter_without_no_new_privs", a_filter_without_no_new_privs),
    ("a_filter_with_no_new_privs", a_filter_with_no_new_privs),
    ("limits_from_outside", limits_from_outside),
    ("a_program_that_is_not_there", a_program_that_is_not_there),
];

/// The plan of a configuration whose `process` and `linux` are these.
fn plan(process: Value, linux: Value) -> Plan {
    let mut whole = json!({
        "user": {"uid": 0, "gid": 0},
        "cwd": "/",
        "env": ["PATH=/usr/bin:/bin"],
        "args": ["true"],
    });
    for (name, value) in process.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let document = json!({
        "ociVersion": "1.2.0",
        "root": {"path": "/"},
        "process": whole,
        "linux": linux,
    });
    bundle::read(document.to_string().as_bytes(), Path::new("/tmp")).unwrap().plan
}

/// Becomes the process of a plan; what it says goes into a file.
fn see(plan: &Plan) -> Seen {
    let said = memfd_create_inheritable("said", b"", "see what it says").unwrap();
    let process = &plan.process;
    let ready = process::prepare(process, plan.seccomp.as_ref()).unwrap();
    let mut child = spawn("child", Birth::default(), "test it", |parent| {
        parent.wait("start when limits are set")?;
        dup2(said.as_fd(), 1, "be seen")?;
        dup2(said.as_fd(), 2, "be seen")?;
        live(plan, ready)
    })
    .unwrap();
    let status = process::set_from_outside(child.pid(), process)
        .and_then(|()| child.release("let it start"))
        .and_then(|()| child.finish("see how it ends"));
    let status = status.map_err(|error| error.to_string());
    Seen { said: content(&said), status }
}

fn live(plan: &Plan, ready: process::Ready) -> Result<u8> {
    let process = &plan.process;
    process::go_to_cwd(process)?;
    process::take_on_labels(process)?;
    if let Some(personality) = plan.personality {
        process::take_on_persona(personality)?;
    }
    process::become_user(process, &ready)?;
    process::look_around(process)?;
    match process::execute(process, ready, &Inherited::default())? {}
}

fn content(file: &OwnedFd) -> String {
    let file = File::from(file.try_clone().unwrap());
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn shell(line: &str) -> Value {
    json!(["sh", "-c", line])
}

fn field<'a>(seen: &'a Seen, name: &str) -> &'a str {
    let line = seen.said.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {seen:?}")).trim()
}

const KILL: u64 = 1 << 5;
const CHOWN: u64 = 1;

fn a_user_with_some_rights() {
    let seen = see(&plan(
        json!({
            "args": shell("cat /proc/self/status; umask; echo home $HOME"),
            "user": {"uid": 1234, "gid": 5678, "additionalGids": [7, 8], "umask": 0o077},
            "noNewPrivileges": true,
            "capabilities": {
                "bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"],
                "effective": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"],
            },
        }),
        json!({}),
    ));
    assert_eq!(seen.status, Ok(Status::Exited(0)), "{seen:?}");
    let bits = |name| u64::from_str_radix(field(&seen, name), 16).unwrap();
    assert_eq!(bits("CapBnd:"), KILL | CHOWN);
    for set in ["CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
        assert_eq!(bits(set), KILL, "{set}");
    }
    assert_eq!(field(&seen, "Uid:"), "1234\t1234\t1234\t1234");
    assert_eq!(field(&seen, "Gid:"), "5678\t5678\t5678\t5678");
    assert_eq!(field(&seen, "Groups:"), "7 8");
    assert_eq!(field(&seen, "NoNewPrivs:"), "1");
    assert_eq!(field(&seen, "home"), "/");
    assert!(seen.said.contains("0077"), "{seen:?}");
}

fn root_with_no_rights() {
    let seen = see(&plan(json!({"args": shell("cat /proc/self/status; id -G")}), json!({})));
    for set in ["CapBnd:", "CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
        assert_eq!(field(&seen, set), "0000000000000000", "{set}");
    }
    assert_eq!(field(&seen, "Seccomp:"), "0");
    assert!(seen.said.ends_with("\n0\n"), "{seen:?}");
}

/// A filter that lets hardly anything pass that a runtime does, as an unprivileged user: the two ways.
fn filtered(no_new_privileges: bool) -> Seen {
    let denied = ["capset", "setgroups", "setresuid", "setresgid", "prctl", "close_range", "mkdir"];
    see(&plan(
        json!({
            "args": shell("cat /proc/self/status; mkdir /tmp/never-made"),
            "user": {"uid": 1234, "gid": 5678},
            "noNewPrivileges": no_new_privileges,
        }),
        json!({"seccomp": {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": denied, "action": "SCMP_ACT_ERRNO", "errnoRet": 112}],
        }}),
    ))
}

fn a_filter_without_no_new_privs() {
    let seen = filtered(false);
    assert_eq!(field(&seen, "Seccomp:"), "2");
    assert_eq!(field(&seen, "NoNewPrivs:"), "0");
    for set in ["CapBnd:", "CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
        assert_eq!(field(&seen, set), "0000000000000000", "{set}");
    }
    assert!(seen.said.contains("Host is down"), "{seen:?}");
}

fn a_filter_with_no_new_privs() {
    let seen = filtered(true);
    assert_eq!(field(&seen, "Seccomp:"), "2");
    assert_eq!(field(&seen, "NoNewPrivs:"), "1");
    assert!(seen.said.contains("Host is down"), "{seen:?}");
}

fn limits_from_outside() {
    let seen = see(&plan(
        json!({
            "args": shell("ulimit -n; cat /proc/self/oom_score_adj; cat /proc/self/stat"),
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}],
            "oomScoreAdj": 123,
            "scheduler": {"policy": "SCHED_BATCH", "nice": 3},
            "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0},
        }),
        json!({"personality": {"domain": "LINUX32"}}),
    ));
    let mut lines = seen.said.lines();
    assert_eq!(lines.next(), Some("77"), "{seen:?}");
    assert_eq!(lines.next(), Some("123"), "{seen:?}");
    let stat: Vec<&str> = lines.next().unwrap().split(' ').collect();
    // proc_pid_stat(5): nice and policy.
    assert_eq!((stat[18], stat[40]), ("3", "3"), "{seen:?}");
}

fn a_program_that_is_not_there() {
    let seen = see(&plan(json!({"args": ["no-such-program"]}), json!({})));
    let message = "exec: \"no-such-program\": executable file not found in $PATH";
    assert_eq!(seen.status, Err(message.to_string()));
}
