//! Exercise 10.3: Somebody who counts (15 minutes)
//!
//! A filter cannot count: it sees one call, and remembers nothing. Somebody who listens can. Your
//! program runs `CMD` and lets only so many directories be made: the first `COUNT` calls of mkdir are
//! done, all later ones fail with ENOSPC, as on a disk that is full.
//!
//! The filter is there already, and so is the listener. What is missing is the one who answers.
//!
//! Your program is started as `ex10_3 --count COUNT -- CMD [ARGUMENT …]` and ends with the exit code
//! of `CMD`. The grader draws the count, looks which directories are there afterwards, and in the
//! trace how the calls were answered.
//!
//! hint: `await_notification` tells whether a call waits or the program has ended; it is what your
//!       loop turns on.
//! hint: For each call `seccomp_notif_recv`, then one `seccomp_notif_send`: `Reply::Continue` lets the
//!       kernel do it, `Reply::Errno` does not.
//! hint: To let it go on is safe only because nothing here is decided by what a pointer points to. Which
//!       sentence of seccomp_unotify(2) says that?

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Instruction, Result, Signal, Status, ToParent, WindowArgs, become_program,
    prctl_set_no_new_privs, seccomp_hand_over_listener, spawn, step, step_giving,
};

// STARTER: use primitives::seccomp_notif_let_pass;
// SOLUTION
use std::os::fd::OwnedFd;

use primitives::{
    Child, Errno, Error, Reply, await_notification, seccomp_notif_recv, seccomp_notif_send,
};
// END SOLUTION

/// The numbers of mkdir and mkdirat; 64-bit ARM has only the second.
const MKDIR: [u32; 2] = if cfg!(target_arch = "x86_64") { [83, 258] } else { [34, 34] };

/// Runs CMD and lets it make only so many directories.
#[derive(Parser)]
#[command(name = "ex10_3")]
struct Cli {
    /// How many are made
    #[arg(long)]
    count: usize,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, run)
}

fn run(cli: &Cli) -> Result<Status> {
    let mut child = step_giving("make a child", || {
        let why = "have a process whose calls can be answered";
        spawn("child", Birth::default(), why, |parent| live(parent, &cli.command))
    })?;
    let listener = step_giving("hear its calls", || child.receive_fd("be the one who answers"))?;
    // STARTER: // Everything passes.
    // STARTER: let _ = cli.count;
    // STARTER: let pidfd = child.pidfd().expect("clone3 gives a pidfd");
    // STARTER: step("let all pass", || {
    // STARTER:     seccomp_notif_let_pass(listener.as_fd(), pidfd, |_| {}, "stand in nobody's way")
    // STARTER: })?;
    // SOLUTION
    if let Err(error) = answer(&child, &listener, cli.count) {
        drop(child);
        return Err(error);
    }
    // END SOLUTION
    step_giving("take its status", || child.finish("pass its exit code on"))
}

// SOLUTION
fn answer(child: &Child, listener: &OwnedFd, count: usize) -> Result<()> {
    let pidfd = child.pidfd().expect("clone3 gives a pidfd");
    let waits = || {
        await_notification(listener.as_fd(), pidfd)
            .map_err(|errno| Error::Unusable(format!("poll: {errno:?}")))
    };
    let mut left = count;
    while waits()? {
        step("answer", || {
            let asked = seccomp_notif_recv(listener.as_fd(), "see that one is wanted")?;
            let reply = if left > 0 { Reply::Continue } else { Reply::Errno(Errno::ENOSPC) };
            left = left.saturating_sub(1);
            let why = "let there be so many and no more";
            seccomp_notif_send(listener.as_fd(), asked.id, reply, why)
        })?;
    }
    Ok(())
}
// END SOLUTION

fn live(parent: &ToParent, command: &[OsString]) -> Result<u8> {
    step_giving("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "not wait for an answer from nobody")
    })?;
    step("give up gaining rights", || prctl_set_no_new_privs("be allowed to put a filter in"))?;
    step_giving("be heard", || {
        let why = "hold back each mkdir until it is answered";
        seccomp_hand_over_listener(parent, &held_back(), why, "let the parent answer")
    })?;
    step_giving("become the program", || become_program(command, "run what was asked for"))
}

fn held_back() -> [Instruction; 5] {
    let plain = |code, k| Instruction { code, jt: 0, jf: 0, k };
    [
        plain(0x20, 0),
        Instruction { code: 0x15, jt: 1, jf: 0, k: MKDIR[0] },
        Instruction { code: 0x15, jt: 0, jf: 1, k: MKDIR[1] },
        plain(0x06, 0x7fc0_0000),
        plain(0x06, 0x7fff_0000),
    ]
}
