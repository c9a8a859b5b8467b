//! Exercise 10.1: One door (15 minutes)
//!
//! Write a filter by hand, without a compiler. Your program runs `CMD` behind it: the call with the
//! number `CALL` fails with the errno `ERRNO`, all others pass.
//!
//! - The number means nothing before you know the architecture. A call of another one ends the process:
//!   the grader also runs a tiny 32-bit program behind your filter.
//! - Whatever privilege you have, `CMD` must not gain any: give that up before.
//!
//! Your program is started as `ex10_1 --call CALL --errno ERRNO -- CMD [ARGUMENT …]` with both as
//! numbers, and ends with the exit code of `CMD`. The grader draws them, and sees what becomes of
//! programs that make this call and others.
//!
//! hint: Six instructions are enough: load the architecture, compare, load the number, compare, and the
//!       returns. At which places the two lie stands in seccomp(2), `struct seccomp_data`.
//! hint: `Instruction { code: 0x15, jt, jf, k }` goes on `jt` instructions further when the register is
//!       `k`, else `jf`. 0x20 loads 4 bytes at `k`, 0x06 returns `k`.
//! hint: Return 0x8000_0000 to kill, 0x0005_0000 with the errno in the lower half to refuse, 0x7fff_0000
//!       to let pass. `seccomp_on_execve` lays the filter ready, `become_program_behind` takes it.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, Form, Result, Signal, Status, ToParent, WindowArgs, become_program_behind, spawn, step,
    step_giving,
};

// SOLUTION
use primitives::{FilterFlags, Instruction, prctl_set_no_new_privs, seccomp_on_execve};
// END SOLUTION

/// Runs CMD with one door closed.
#[derive(Parser)]
#[command(name = "ex10_1")]
struct Cli {
    /// The number of the call that is refused
    #[arg(long)]
    call: u32,
    /// The number of the errno that it fails with
    #[arg(long)]
    errno: u16,
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
    let child = step_giving("make a child", || {
        let why = "have a process that can give a door up";
        spawn("child", Birth::default(), why, |parent| live(parent, cli))
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn live(parent: &ToParent, cli: &Cli) -> Result<u8> {
    step("tie to the parent", || parent.tie(Signal::SIGKILL, "end when the parent ends"))?;
    // STARTER: // All doors are open.
    // STARTER: let _ = (cli.call, cli.errno);
    // STARTER: let doors = None;
    // SOLUTION
    step("give up gaining rights", || prctl_set_no_new_privs("let no setuid program be fooled"))?;
    let doors = step_giving("shut the door", || {
        let filter = one_door(cli.call, cli.errno);
        seccomp_on_execve(&filter, FilterFlags::empty(), "refuse one call")
    })?;
    let doors = Some(doors);
    // END SOLUTION
    step_giving("become the program", || {
        become_program_behind(doors, &cli.command, "run what was asked for")
    })
}

// SOLUTION
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(not(target_arch = "x86_64"))]
const ARCHITECTURE: u32 = 0xc000_00b7;

fn one_door(call: u32, errno: u16) -> [Instruction; 8] {
    const X32_BIT: u32 = 0x4000_0000;
    let plain = |code, k| Instruction { code, jt: 0, jf: 0, k };
    let equal = |k, jt, jf| Instruction { code: 0x15, jt, jf, k };
    [
        plain(0x20, 4),
        equal(ARCHITECTURE, 1, 0),
        plain(0x06, 0x8000_0000),
        plain(0x20, 0),
        // The numbers of x32 are of the same architecture.
        Instruction { code: 0x35, jt: 2, jf: 0, k: X32_BIT },
        equal(call, 1, 0),
        plain(0x06, 0x7fff_0000),
        plain(0x06, 0x0005_0000 | u32::from(errno)),
    ]
}
// END SOLUTION
