//! A program whose log lies, to see that the truth check notices.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use primitives::{Errno, Form, Result, Status, WindowArgs, call, perform, step};

/// Makes one request and writes down another.
#[derive(Parser)]
struct Cli {
    /// How to lie
    #[arg(value_enum)]
    how: How,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum How {
    /// Not at all
    Honest,
    /// The record names another argument than the call had
    WrongArgument,
    /// The record says that it succeeded, and it did not
    WrongResult,
    /// The record names another errno than the kernel gave
    WrongErrno,
    /// The record names another text than was written
    WrongText,
    /// There is a record and there was no call
    NoCall,
    /// There was a call and there is no record
    NoRecord,
    /// A file of the kernel is written past the gate
    NoRecordOfWrite,
    /// A process is made past the gate
    NoRecordOfProcess,
}

fn main() -> ExitCode {
    primitives::run(Form::Off, |cli: &Cli| &cli.window, |cli| lie(cli.how))
}

fn lie(how: How) -> Result<Status> {
    step("lie", || match how {
        How::Honest => chroot_as("/", "/"),
        How::WrongArgument => chroot_as("/proc", "/"),
        How::WrongResult => perform(call!("chroot", "/nowhere"), "pretend", || {
            let _ = std::os::unix::fs::chroot("/nowhere");
            Ok::<(), Errno>(())
        }),
        How::WrongErrno => {
            let told = perform(call!("chroot", "/nowhere"), "pretend", || {
                let _ = std::os::unix::fs::chroot("/nowhere");
                Err::<(), Errno>(Errno::EPERM)
            });
            told.or(Ok(()))
        }
        How::WrongText => {
            let file = std::path::Path::new("/proc/self/oom_score_adj");
            perform(call!("write", file, "7"), "pretend", || {
                std::fs::write(file, "0")
                    .map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or_default()))
            })
        }
        How::NoCall => perform(call!("chroot", "/"), "pretend", || Ok::<(), Errno>(())),
        How::NoRecord => {
            let _ = std::os::unix::fs::chroot("/");
            chroot_as("/", "/")
        }
        How::NoRecordOfWrite => {
            let _ = std::fs::write("/proc/self/oom_score_adj", "0");
            chroot_as("/", "/")
        }
        How::NoRecordOfProcess => {
            let _ = std::process::Command::new("true").status();
            chroot_as("/", "/")
        }
    })?;
    Ok(Status::Exited(0))
}

/// Asks for `real` and writes down `told`.
fn chroot_as(told: &'static str, real: &'static str) -> Result<()> {
    perform(call!("chroot", told), "see whether anybody notices", || {
        std::os::unix::fs::chroot(real)
            .map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or_default()))
    })
}
