//! Filters of system calls, calls that somebody else answers, and Landlock.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use primitives::{
    Birth, Child, FilterFlags, Instruction, LandlockAccess, Reply, Result, Signal, Status,
    ToParent, step, step_giving,
};

const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const ALLOW: u32 = 0x7fff_0000;
const NOTIFY: u32 = 0x7fc0_0000;

#[cfg(target_arch = "x86_64")]
const CHDIR: u32 = 80;
#[cfg(not(target_arch = "x86_64"))]
const CHDIR: u32 = 49;

const fn instruction(code: u16, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf, k }
}

/// What happens to chdir; everything else passes.
fn chdir_alone(action: u32) -> [Instruction; 4] {
    [
        instruction(LOAD, 0, 0),
        instruction(EQUAL, 1, CHDIR),
        instruction(RETURN, 0, action),
        instruction(RETURN, 0, ALLOW),
    ]
}

pub(super) fn doors() -> Result<Status> {
    answered()?;
    passed()?;
    let child = step_giving("make a child", || {
        let why = "have a process with doors of its own";
        primitives::spawn("child", Birth::default(), why, |_| shut_and_become())
    })?;
    step_giving("take its status", || child.finish("see whether all went well"))
}

/// Two filters, of which the second goes in with the program.
fn shut_and_become() -> Result<u8> {
    step("give up gaining rights", || {
        primitives::prctl_set_no_new_privs("be allowed to put a filter in")
    })?;
    step("put a filter in", || {
        let allow_all = [instruction(RETURN, 0, ALLOW)];
        let flags = FilterFlags::SECCOMP_FILTER_FLAG_LOG | FilterFlags::SECCOMP_FILTER_FLAG_TSYNC;
        primitives::seccomp_set_mode_filter(&allow_all, flags, "see that reports pass it")
    })?;
    let mut ready = None;
    step("lay another ready", || {
        let why = "let not even our own reports pass";
        let kill = 0x8000_0000;
        let filter = no_reports(kill);
        ready = Some(primitives::seccomp_on_execve(&filter, FilterFlags::empty(), why)?);
        Ok(())
    })?;
    step_giving("become a program", || {
        let words = ["true".into()];
        primitives::become_program_behind(ready, &words, "see that it runs behind both")
    })
}

/// Whoever tries to send something over a socket is ended.
fn no_reports(action: u32) -> [Instruction; 5] {
    #[cfg(target_arch = "x86_64")]
    const SEND: [u32; 2] = [44, 46];
    #[cfg(not(target_arch = "x86_64"))]
    const SEND: [u32; 2] = [206, 211];
    [
        instruction(LOAD, 0, 0),
        Instruction { code: EQUAL, jt: 1, jf: 0, k: SEND[0] },
        instruction(EQUAL, 1, SEND[1]),
        instruction(RETURN, 0, action),
        instruction(RETURN, 0, ALLOW),
    ]
}

/// A child whose chdir somebody else has to answer.
fn asker() -> Result<Child> {
    step_giving("make one that asks", || {
        let why = "have somebody whose call can be answered";
        primitives::spawn("asker", Birth::default(), why, ask)
    })
}

fn ask(parent: &ToParent) -> Result<u8> {
    step("be heard", || {
        parent.tie(Signal::SIGKILL, "not wait for one that is gone")?;
        primitives::prctl_set_no_new_privs("be allowed to put a filter in")?;
        let filter = chdir_alone(NOTIFY);
        let why = "let the parent answer one call";
        primitives::seccomp_hand_over_listener(parent, &filter, why, "let the parent hear it")
    })?;
    step("send a file", || {
        let out = std::io::stdout();
        parent.send_fd(out.as_fd(), "see that any open file can be handed over")
    })?;
    step("ask", || primitives::chdir(Path::new("/proc"), "see who answers"))?;
    Ok(0)
}

fn answered() -> Result<()> {
    let mut child = asker()?;
    let listener = step_giving("hear it", || child.receive_fd("be the one who answers"))?;
    step("take a file", || child.receive_fd("have its output too").map(drop))?;
    if !waits(&child, listener.as_fd())? {
        return end(child);
    }
    let listener = listener.as_fd();
    step("answer", || {
        let asked = primitives::seccomp_notif_recv(listener, "see what is asked")?;
        assert!(primitives::seccomp_notif_id_valid(listener, asked.id), "it waits");
        let out = std::io::stdout();
        let why = "see that it can be given a file";
        primitives::seccomp_notif_addfd(listener, asked.id, out.as_fd(), why)?;
        let why = "pretend that it was done";
        primitives::seccomp_notif_send(listener, asked.id, Reply::Value(0), why)
    })?;
    end(child)
}

/// Whether the child asks, and has not ended before it came to that.
fn waits(child: &Child, listener: BorrowedFd<'_>) -> Result<bool> {
    let pidfd = child.pidfd().expect("clone3 gives a pidfd");
    primitives::await_notification(listener, pidfd)
        .map_err(|errno| primitives::Error::Unusable(format!("poll: {errno}")))
}

fn end(child: Child) -> Result<()> {
    match step_giving("take its status", || child.finish("see that it believed it"))? {
        Status::Exited(0) => Ok(()),
        other => Err(primitives::Error::Unusable(format!("the one that asks: {other}"))),
    }
}

fn passed() -> Result<()> {
    let mut child = asker()?;
    let listener = step_giving("hear it", || child.receive_fd("be the one who lets it pass"))?;
    step("take a file", || child.receive_fd("have its output too").map(drop))?;
    let mut calls = Vec::new();
    step("let it pass", || {
        let pidfd = child.pidfd().expect("clone3 gives a pidfd");
        let look = |seen: &primitives::Notification| calls.push(seen.call.number);
        let why = "see what it asks for";
        primitives::seccomp_notif_let_pass(listener.as_fd(), pidfd, look, why)
    })?;
    end(child)?;
    assert_eq!(calls, [CHDIR], "one call was let through");
    Ok(())
}

pub(super) fn landlock() -> Result<Status> {
    if primitives::landlock_abi().is_none() {
        return Err(primitives::Error::Unusable("no Landlock in this kernel".into()));
    }
    let child = step_giving("make a child", || {
        let why = "have a process that can be restricted";
        primitives::spawn("child", Birth::default(), why, |_| {
            step("restrict it", restrict)?;
            step("try", || primitives::chdir(Path::new("/"), "see that it still can"))?;
            Ok(0)
        })
    })?;
    step_giving("take its status", || child.finish("see whether all went well"))
}

fn restrict() -> Result<()> {
    let write = LandlockAccess::LANDLOCK_ACCESS_FS_WRITE_FILE;
    let make = LandlockAccess::LANDLOCK_ACCESS_FS_MAKE_REG;
    let ruleset = primitives::landlock_create_ruleset(write | make, "write nowhere")?;
    let tmp = primitives::open_path(Path::new("/tmp"), "name the exception")?;
    let (ruleset, tmp) = (ruleset.as_fd(), tmp.as_fd());
    primitives::landlock_add_path(ruleset, write, tmp, "write to files that are there")?;
    primitives::prctl_set_no_new_privs("be allowed to restrict oneself")?;
    primitives::landlock_restrict_self(ruleset, "let it be so")
}
