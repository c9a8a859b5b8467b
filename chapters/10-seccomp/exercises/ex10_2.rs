//! Exercise 10.2: Some bits of an argument (15 minutes)
//!
//! A filter sees the six registers of a call. Your program runs `CMD` behind a filter that looks at
//! the first one: `umask` is refused with EPERM when its argument has *all* the bits of `BITS`,
//! whatever else it has. All other calls pass, and so does `umask` with any other argument.
//!
//! The register has 64 bits and the machine of the filter 32. For this call it is enough to look at
//! the lower half, at place 16: say to yourself why, and for which calls it would not be.
//!
//! Your program is started as `ex10_2 --bits BITS -- CMD [ARGUMENT …]`, with a number, and ends with
//! the exit code of `CMD`. The grader draws the bits, runs a shell that sets masks with and without
//! them, and asks the kernel afterwards which mask it has.
//!
//! hint: There is an instruction that keeps only some bits of what was loaded: `and`, 0x54.
//! hint: Load the number, compare it with that of umask; load the argument, keep the bits, compare the
//!       rest with the bits.
//! hint: Seven instructions: load 0; if umask go on, else to the end; load 16; and BITS; if == BITS go
//!       on, else to the end; return EPERM; return ALLOW. (Checking the architecture first is 10.1.)

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use primitives::{
    Birth, FilterFlags, Form, Instruction, Result, Signal, Status, ToParent, WindowArgs,
    become_program_behind, prctl_set_no_new_privs, seccomp_on_execve, spawn, step, step_giving,
};

/// The number of umask.
const UMASK: u32 = if cfg!(target_arch = "x86_64") { 95 } else { 166 };

/// Runs CMD with a door that some cannot pass.
#[derive(Parser)]
#[command(name = "ex10_2")]
struct Cli {
    /// The bits that a mask may not have all of
    #[arg(long)]
    bits: u32,
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
    step("give up gaining rights", || prctl_set_no_new_privs("let no setuid program be fooled"))?;
    let doors = step_giving("shut the door", || {
        let filter = some_bits(cli.bits);
        seccomp_on_execve(&filter, FilterFlags::empty(), "refuse some masks")
    })?;
    step_giving("become the program", || {
        become_program_behind(Some(doors), &cli.command, "run what was asked for")
    })
}

fn some_bits(bits: u32) -> Vec<Instruction> {
    let plain = |code, k| Instruction { code, jt: 0, jf: 0, k };
    let unless = |k, jf| Instruction { code: 0x15, jt: 0, jf, k };
    // STARTER: // Every mask is refused.
    // STARTER: let _ = bits;
    // STARTER: vec![plain(0x20, 0), unless(UMASK, 1), plain(0x06, 0x0005_0001), plain(0x06, 0x7fff_0000)]
    // SOLUTION
    vec![
        plain(0x20, 0),
        unless(UMASK, 4),
        plain(0x20, 16),
        plain(0x54, bits),
        unless(bits, 1),
        plain(0x06, 0x0005_0001),
        plain(0x06, 0x7fff_0000),
    ]
    // END SOLUTION
}
