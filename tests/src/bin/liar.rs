//! A program whose log lies, to see that the truth check notices.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use primitives::{Errno, Form, Result, Status, WindowArgs, Word, call, perform, step};

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
    /// The record says that a file was locked, and it was only opened
    NoLock,
    /// The record names another socket than was asked for
    WrongSocket,
    /// A socket gets its name past the gate
    NoRecordOfSocket,
    /// The right file is opened, and the text goes into another one
    WrongFile,
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
            let file = Path::new("/proc/self/oom_score_adj");
            perform(call!("write", file, "7"), "pretend", || {
                std::fs::write(file, "0").map_err(errno_of)
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
        How::NoLock | How::WrongSocket | How::NoRecordOfSocket | How::WrongFile => {
            lie_of_files(how)
        }
    })?;
    Ok(Status::Exited(0))
}

fn lie_of_files(how: How) -> Result<()> {
    match how {
        How::NoLock => {
            let lock =
                call!("fcntl" as "lock_file", Path::new("lock"), Word("F_SETLK"), Word("F_WRLCK"));
            let open = || File::create("lock").map(OwnedFd::from).map_err(errno_of);
            perform(lock, "pretend", open).map(drop)
        }
        How::WrongSocket => {
            let connect = call!("connect" as "connect_unix", Path::new("nowhere"));
            let told = perform(connect, "pretend", || {
                UnixStream::connect("elsewhere").map(OwnedFd::from).map_err(errno_of)
            });
            told.map(drop).or(Ok(()))
        }
        How::WrongFile => {
            let file = Path::new("/proc/self/oom_score_adj");
            perform(call!("write", file, "0"), "pretend", || {
                let _right = File::options().write(true).open(file).map_err(errno_of)?;
                let mut wrong = File::create("wrong").map_err(errno_of)?;
                wrong.write_all(b"0").map_err(errno_of)
            })
        }
        _ => {
            let _ = UnixListener::bind("socket");
            chroot_as("/", "/")
        }
    }
}

fn errno_of(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

/// Asks for `real` and writes down `told`.
fn chroot_as(told: &'static str, real: &'static str) -> Result<()> {
    perform(call!("chroot", told), "see whether anybody notices", || {
        std::os::unix::fs::chroot(real).map_err(errno_of)
    })
}
