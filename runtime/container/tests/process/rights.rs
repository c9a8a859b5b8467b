//! Who is it, what may it do, where does it stand, what has it got?

use std::path::Path;

use container::process::{self, Inherited};
use primitives::{Birth, Status, chroot, fchdir, open_path, spawn};
use serde_json::json;

use crate::{field, plan, see, shell};

const KILL: u64 = 1 << 5;
const CHOWN: u64 = 1;

pub(crate) fn a_user_with_some_rights() {
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

pub(crate) fn root_with_no_rights() {
    let seen = see(&plan(json!({"args": shell("cat /proc/self/status; id -G")}), json!({})));
    for set in ["CapBnd:", "CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
        assert_eq!(field(&seen, set), "0000000000000000", "{set}");
    }
    assert_eq!(field(&seen, "Seccomp:"), "0");
    assert!(seen.said.ends_with("\n0\n"), "{seen:?}");
}

pub(crate) fn limits_from_outside() {
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

pub(crate) fn a_program_that_is_not_there() {
    let seen = see(&plan(json!({"args": ["no-such-program"]}), json!({})));
    let message = "exec: \"no-such-program\": executable file not found in $PATH";
    assert_eq!(seen.status, Err(message.to_string()));
}

pub(crate) fn no_file_goes_along() {
    let _kept = open_path("/", "have a file of the host open").unwrap();
    let seen = see(&plan(json!({"args": shell("ls /proc/self/fd")}), json!({})));
    // The fourth is the directory that `ls` reads.
    assert_eq!(seen.said, "0\n1\n2\n3\n", "{seen:?}");
}

pub(crate) fn a_working_directory_outside() {
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(json!({"cwd": "/somewhere"}), json!({}));
    let child = spawn("child", Birth::default(), "test it", |_| {
        let outside = open_path("/", "have a way out")?;
        chroot(directory.path(), "be inside")?;
        fchdir(std::os::fd::AsFd::as_fd(&outside), "stand outside")?;
        process::look_around(&plan.process)?;
        Ok(0)
    });
    let error = child.unwrap().finish("see how it ends").unwrap_err();
    assert!(error.to_string().contains("outside of container mount namespace root"), "{error}");
}

pub(crate) fn a_keyring_of_its_own() {
    let said = primitives::memfd_create_inheritable("said", b"", "see what it says").unwrap();
    let child = spawn("child", Birth::default(), "test it", |_| {
        primitives::dup2(std::os::fd::AsFd::as_fd(&said), 1, "be seen")?;
        let plan = plan(json!({"args": ["cat", "/proc/keys"]}), json!({}));
        process::join_session_keyring("porthole-test", &plan.namespaces)?;
        let ready = process::prepare(&plan.process, None)?;
        match process::execute(&plan.process, ready, &Inherited::default())? {}
    });
    assert_eq!(child.unwrap().finish("see how it ends").unwrap(), Status::Exited(0));
    let keys = crate::content(&said);
    if Path::new("/proc/keys").exists() {
        assert!(keys.contains("_ses.porthole-test"), "{keys}");
    }
}
