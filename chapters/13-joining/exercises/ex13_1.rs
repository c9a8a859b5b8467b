//! Exercise 13.1: Hand the terminal over (15 minutes)
//!
//! An engine starts a container with a terminal, and wants to sit at it itself. So it listens at a
//! socket, names it to the runtime, and gets the terminal there: not its name, which means nothing
//! outside of the container, but the open file. The program below makes a terminal and runs `CMD` at one
//! end; nobody gets the other one. Change it so that whoever listens at `SOCKET` does.
//!
//! - One message with the end for people, and some bytes with it: a message without bytes carries
//!   nothing.
//! - Your program keeps nothing of it: when the engine closes the terminal, `CMD` must be hung up on.
//! - It stays and ends with the exit code of `CMD`.
//!
//! Your program is started as `ex13_1 --socket SOCKET -- CMD [ARGUMENT …]`. The grader listens there,
//! types a word at what it gets, reads what `CMD` says to it, and closes the terminal.
//!
//! hint: An open file goes through a unix socket beside the bytes, as a control message of the kind
//!       SCM_RIGHTS: unix(7). The receiver gets a descriptor of its own.
//! hint: `connect_unix` finds the one who listens, `send_fd_to` sends. Both are in the trace of
//!       `chapter13 exec --tty --console-socket`.
//! hint: Your own descriptor is a second hold on the same terminal. `drop(pty.master)` after the
//!       message is sent, and before you wait for `CMD`.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Result, Signal, Status, ToParent, WindowArgs, become_program, dup2, openpty,
    set_controlling_terminal, setsid, spawn, step, step_giving,
};

// SOLUTION
use primitives::{connect_unix, send_fd_to};
// END SOLUTION

/// Runs CMD at a terminal, whose other end goes to whoever listens.
#[derive(Parser)]
#[command(name = "ex13_1")]
struct Cli {
    /// Who gets the terminal
    #[arg(long)]
    socket: PathBuf,
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
    let pty = step_giving("make a terminal", || openpty("have something to talk through"))?;
    let child = step_giving("make a child", || {
        let why = "have a process at the terminal";
        spawn("child", Birth::default(), why, |parent| live(parent, pty.slave.as_fd(), cli))
    })?;
    // STARTER: // Nobody gets it.
    // STARTER: let _ = &cli.socket;
    // SOLUTION
    step_giving("hand it over", || {
        let socket = connect_unix(&cli.socket, "find whoever wants to sit there")?;
        send_fd_to(socket.as_fd(), pty.master.as_fd(), b"/dev/ptmx", "let it sit there")
    })?;
    // END SOLUTION
    drop(pty);
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn live(parent: &ToParent, terminal: BorrowedFd<'_>, cli: &Cli) -> Result<u8> {
    step("tie to the parent", || parent.tie(Signal::SIGKILL, "end when the parent ends"))?;
    step("sit down", || {
        setsid("lead a session, which has no terminal yet")?;
        set_controlling_terminal(terminal, "get the signals of its keys, and its hang-up")?;
        (0..3).try_for_each(|number| dup2(terminal, number, "read and write there"))
    })?;
    step_giving("become the program", || become_program(&cli.command, "run what was asked for"))
}
