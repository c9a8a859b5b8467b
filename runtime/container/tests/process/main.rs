//! Is a process what the plan says, seen from inside the program that it became?
//!
//! Each case is a configuration and a shell line whose output is looked at. Nothing is isolated here:
//! the process keeps the root and the namespaces of the test, because it is not they that are tested.

#![allow(clippy::unwrap_used, reason = "a test without the harness is a test still")]

mod filters;
mod hooks;
mod rights;
mod terminals;

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
    ("a_user_with_some_rights", rights::a_user_with_some_rights),
    ("root_with_no_rights", rights::root_with_no_rights),
    ("limits_from_outside", rights::limits_from_outside),
    ("a_program_that_is_not_there", rights::a_program_that_is_not_there),
    ("no_file_goes_along", rights::no_file_goes_along),
    ("a_working_directory_outside", rights::a_working_directory_outside),
    ("a_keyring_of_its_own", rights::a_keyring_of_its_own),
    ("a_filter_without_no_new_privs", filters::without_no_new_privs),
    ("a_filter_with_no_new_privs", filters::with_no_new_privs),
    ("calls_that_somebody_is_asked_about", filters::asked),
    ("whoever_is_asked_is_told", filters::told),
    ("hooks_know_the_container", hooks::they_know_the_container),
    ("a_hook_that_fails", hooks::one_fails),
    ("a_hook_that_takes_too_long", hooks::one_takes_too_long),
    ("a_hook_that_leaves_somebody_behind", hooks::one_leaves_somebody_behind),
    ("a_terminal_in_front_of_ours", terminals::in_front_of_ours),
    ("every_signal_is_handed_on", terminals::every_signal),
    ("no_terminal_without_a_devpts", terminals::no_devpts),
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
    let status = process::set_oom_score(child.pid(), process)
        .and_then(|()| process::set_from_outside(child.pid(), process))
        .and_then(|()| child.release("let it start"))
        .and_then(|()| child.finish("see how it ends"));
    let status = status.map_err(|error| error.to_string());
    Seen { said: content(&said), status }
}

/// The end of the list.
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
