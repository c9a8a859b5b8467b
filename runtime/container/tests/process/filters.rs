//! Which calls may it make, and who is asked?

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use bundle::Plan;
use container::process;
use primitives::{
    Birth, Child, Errno, Reply, Status, await_notification, seccomp_notif_recv, seccomp_notif_send,
    spawn,
};
use serde_json::{Value, json};

use crate::{Seen, field, plan, see, shell};

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

pub(crate) fn without_no_new_privs() {
    let seen = filtered(false);
    assert_eq!(field(&seen, "Seccomp:"), "2");
    assert_eq!(field(&seen, "NoNewPrivs:"), "0");
    for set in ["CapBnd:", "CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
        assert_eq!(field(&seen, set), "0000000000000000", "{set}");
    }
    assert!(seen.said.contains("Host is down"), "{seen:?}");
}

pub(crate) fn with_no_new_privs() {
    let seen = filtered(true);
    assert_eq!(field(&seen, "Seccomp:"), "2");
    assert_eq!(field(&seen, "NoNewPrivs:"), "1");
    assert!(seen.said.contains("Host is down"), "{seen:?}");
}

/// A filter with which somebody is asked about making directories.
fn asking(socket: &str) -> Plan {
    plan(
        json!({"args": shell("mkdir /no/where; mkdir /no/where"), "noNewPrivileges": true}),
        json!({"seccomp": {
            "defaultAction": "SCMP_ACT_ALLOW",
            "listenerPath": socket,
            "listenerMetadata": "who asks",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
        }}),
    )
}

fn asks(plan: &Plan, said: &std::os::fd::OwnedFd) -> Child {
    spawn("child", Birth::default(), "test it", |parent| {
        primitives::dup2(said.as_fd(), 2, "be seen")?;
        let mut ready = process::prepare(&plan.process, plan.seccomp.as_ref())?;
        assert!(ready.asks());
        process::become_user(&plan.process, &ready)?;
        process::hand_over_listener(parent, &mut ready)?;
        match process::execute(&plan.process, ready, &process::Inherited::default())? {}
    })
    .unwrap()
}

pub(crate) fn asked() {
    let said = primitives::memfd_create_inheritable("said", b"", "see what it says").unwrap();
    let plan = asking("/nowhere");
    let mut child = asks(&plan, &said);
    let listener = child.receive_fd("be asked").unwrap();
    child.watch_it_go().unwrap();
    let pidfd = child.pidfd().unwrap();
    let mut answers = [Errno::EDQUOT, Errno::EUSERS].into_iter();
    while await_notification(listener.as_fd(), pidfd).unwrap() {
        let asked = seccomp_notif_recv(listener.as_fd(), "hear it").unwrap();
        let reply = Reply::Errno(answers.next().unwrap());
        seccomp_notif_send(listener.as_fd(), asked.id, reply, "decide").unwrap();
    }
    assert_eq!(child.finish("see how it ends").unwrap(), Status::Exited(1));
    let said = crate::content(&said);
    assert!(said.contains("quota exceeded") && said.contains("Too many users"), "{said}");
}

pub(crate) fn told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent");
    let agent = UnixListener::bind(&path).unwrap();
    let said = primitives::memfd_create_inheritable("said", b"", "see what it says").unwrap();
    let plan = asking(path.to_str().unwrap());
    let mut child = asks(&plan, &said);
    let seccomp = plan.seccomp.as_ref().unwrap();
    let state = json!({"id": "c1", "pid": 7}).to_string();
    process::tell_listener(&mut child, seccomp, "1.2.0", &state).unwrap();
    let mut text = String::new();
    // Who reads without asking for descriptors gets none: so nobody has the listener any more.
    agent.accept().unwrap().0.read_to_string(&mut text).unwrap();
    let expected = json!({
        "ociVersion": "1.2.0",
        "fds": ["seccompFd"],
        "pid": child.pid().as_raw(),
        "metadata": "who asks",
        "state": {"id": "c1", "pid": 7},
    });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    child.finish("see how it ends").unwrap();
    assert!(crate::content(&said).contains("not implemented"), "{}", crate::content(&said));
}
