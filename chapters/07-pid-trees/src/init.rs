//! What must process 1 do, that most programs know nothing of?
//!
//! Hand signals on, because those who mean the program reach process 1. Take the status of whoever
//! ends, because orphans are given to it. Know who has the terminal. And end when the program ends:
//! then the kernel ends everybody else in the namespace.

use std::ffi::OsString;
use std::io::stdin;
use std::os::fd::AsFd;

use primitives::{
    Birth, Errno, Pid, Result, Signal, Status, ToParent, become_program, block_signals, children,
    clean_up, getpid, kill, kill_group, prctl_set_child_subreaper, setpgid, spawn, step,
    step_giving, tcsetpgrp, unblock_signals, wait_any, wait_any_changed, wait_for_signal,
};

use crate::terminal::Terminal;

/// What is held back: all but what cannot be (SIGKILL, SIGSTOP) and what a process does to itself
/// (SIGSEGV and the like). Real-time signals have no names here and keep their default action.
const HELD: [Signal; 21] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGPIPE,
    Signal::SIGALRM,
    Signal::SIGTERM,
    Signal::SIGCHLD,
    Signal::SIGCONT,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGURG,
    Signal::SIGXCPU,
    Signal::SIGXFSZ,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGWINCH,
    Signal::SIGIO,
    Signal::SIGPWR,
];

/// Is the init of a program, as process 1 or as any other.
pub(crate) fn init(command: &[OsString]) -> Result<Status> {
    let is_first = getpid() == Pid::from_raw(1);
    if !is_first {
        step("offer to adopt", || {
            prctl_set_child_subreaper("be given the orphans, which only process 1 gets unasked")
        })?;
    }
    let terminal = Terminal::ours();
    let status = look_after(command, terminal.as_ref());
    if !is_first {
        end_the_orphans();
    }
    terminal.map_or(Ok(()), |terminal| terminal.take_back())?;
    status
}

// ANCHOR: look_after
/// Starts a program and does for it what process 1 has to do, until it ends.
pub(crate) fn look_after(command: &[OsString], terminal: Option<&Terminal>) -> Result<Status> {
    step("hold signals back", || {
        block_signals(&HELD, "take them one by one, when there is time for them")
    })?;
    let mut program = step_giving("start the program", || {
        let why = "run it as any process, without the duties of process 1";
        spawn("program", Birth::default(), why, |init| be_the_program(init, command, terminal))
    })?;
    program.watch_it_go()?;
    let status = step_giving("look after it", || serve(program.pid(), terminal))?;
    program.let_go();
    Ok(status)
}
// ANCHOR_END: look_after

// ANCHOR: be
fn be_the_program(
    init: &ToParent,
    command: &[OsString],
    terminal: Option<&Terminal>,
) -> Result<u8> {
    step("tie to the parent", || init.tie(Signal::SIGKILL, "not go on without an init"))?;
    step("have a group of its own", || {
        setpgid(THIS, THIS, "be signalled together with its children, and without init")
    })?;
    if terminal.is_some_and(Terminal::is_in_our_hands) {
        step("take the terminal", || {
            tcsetpgrp(stdin().as_fd(), getpid(), "get what is typed, and Ctrl-C, instead of init")
        })?;
    }
    // Not before: a group that does not have the terminal would be stopped for taking it (SIGTTOU).
    step("let signals through", || {
        unblock_signals(&HELD, "have them arrive as programs expect them to")
    })?;
    step_giving("become the program", || become_program(command, "run what was asked for"))
}
// ANCHOR_END: be

/// "This process", and "this process's group", where a number is asked for.
const THIS: Pid = Pid::from_raw(0);

// ANCHOR: serve
fn serve(program: Pid, terminal: Option<&Terminal>) -> Result<Status> {
    loop {
        match wait_for_signal(&HELD, "sleep until there is something to do")? {
            Signal::SIGCHLD => {
                if let Some(status) = sweep(program, terminal)? {
                    return Ok(status);
                }
            }
            // The kernel says them to a process that uses a terminal it does not have: to us, then.
            Signal::SIGTTIN | Signal::SIGTTOU => {}
            signal => hand_on(signal, program, terminal)?,
        }
    }
}
// ANCHOR_END: serve

// ANCHOR: sweep
/// Takes the status of everybody who has ended. One SIGCHLD may stand for thousands: a signal that
/// waits already is not counted twice (signal(7)).
fn sweep(program: Pid, terminal: Option<&Terminal>) -> Result<Option<Status>> {
    while let Some(child) = wait_any_changed("let the kernel forget whoever has ended")? {
        match child.status {
            Status::Stopped(by) if child.pid == program => sleep_too(program, by, terminal)?,
            Status::Exited(_) | Status::Killed(_) if child.pid == program => {
                return Ok(Some(child.status));
            }
            _ => {}
        }
    }
    Ok(None)
}
// ANCHOR_END: sweep

// ANCHOR: hand_on
fn hand_on(signal: Signal, program: Pid, terminal: Option<&Terminal>) -> Result<()> {
    if signal == Signal::SIGCONT && terminal.is_some_and(Terminal::is_in_our_hands) {
        give(program)?;
    }
    match kill_group(program, signal, "reach whom it was meant for") {
        // It has moved to another group, which we do not know.
        Err(error) if error.errno() == Some(Errno::ESRCH) => {
            kill(program, signal, "reach the program at least")
        }
        result => result,
    }
}
// ANCHOR_END: hand_on

fn give(program: Pid) -> Result<()> {
    tcsetpgrp(stdin().as_fd(), program, "give it the terminal, which our group was given")
}

// ANCHOR: sleep_too
/// The program was stopped: because it uses the terminal and has it not, or by Ctrl-Z. Then whoever
/// started us waits for *us* to stop, to have the terminal back.
fn sleep_too(program: Pid, by: i32, terminal: Option<&Terminal>) -> Result<()> {
    let Some(terminal) = terminal else { return Ok(()) };
    let is = |signal: Signal| by == signal as i32;
    let it_is_ours = terminal.is_in_our_hands();
    if it_is_ours && (is(Signal::SIGTTIN) || is(Signal::SIGTTOU)) {
        give(program)?;
        kill_group(program, Signal::SIGCONT, "let it go on with what it could not do")
    } else if terminal.can_be_woken && !it_is_ours {
        kill_group(THIS, Signal::SIGSTOP, "let the shell out there see the whole job stopped")
    } else if !terminal.can_be_woken && is(Signal::SIGTSTP) {
        kill_group(program, Signal::SIGCONT, "wake it: nobody else could")
    } else {
        Ok(())
    }
}
// ANCHOR_END: sleep_too

/// Where we are not process 1, the kernel does not end those who are left. What they leave behind comes
/// to us in its turn.
fn end_the_orphans() {
    loop {
        let orphans = children();
        for orphan in &orphans {
            let _ = clean_up::kill(*orphan, Signal::SIGKILL, "leave no process behind");
        }
        if orphans.is_empty() || wait_any("let the kernel forget whoever was left").is_err() {
            return;
        }
    }
}
