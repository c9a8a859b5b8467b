//! How does a Rust value become an argument in a trace?

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use trace::Arg;

/// A value that can be an argument of a request.
pub trait ToArg {
    /// The value in the trace.
    fn to_arg(&self) -> Arg;
}

/// A constant of the kernel, shown by its name and not in quotes.
#[derive(Clone, Copy, Debug)]
pub struct Word(pub &'static str);

impl ToArg for Arg {
    fn to_arg(&self) -> Arg {
        self.clone()
    }
}

impl ToArg for Word {
    fn to_arg(&self) -> Arg {
        Arg::Word(self.0.to_string())
    }
}

impl ToArg for str {
    fn to_arg(&self) -> Arg {
        Arg::Text(self.to_string())
    }
}

impl ToArg for String {
    fn to_arg(&self) -> Arg {
        Arg::Text(self.clone())
    }
}

impl ToArg for Path {
    fn to_arg(&self) -> Arg {
        match self.to_str() {
            Some(path) => Arg::from_path(path),
            None => Arg::Bytes(self.as_os_str().as_bytes().to_vec()),
        }
    }
}

impl ToArg for PathBuf {
    fn to_arg(&self) -> Arg {
        self.as_path().to_arg()
    }
}

impl ToArg for OsStr {
    fn to_arg(&self) -> Arg {
        Arg::from_bytes(self.as_bytes())
    }
}

impl ToArg for OsString {
    fn to_arg(&self) -> Arg {
        self.as_os_str().to_arg()
    }
}

impl<T: ToArg> ToArg for [T] {
    fn to_arg(&self) -> Arg {
        Arg::List(self.iter().map(ToArg::to_arg).collect())
    }
}

impl<T: ToArg> ToArg for Vec<T> {
    fn to_arg(&self) -> Arg {
        self.as_slice().to_arg()
    }
}

impl<T: ToArg + ?Sized> ToArg for &T {
    fn to_arg(&self) -> Arg {
        (**self).to_arg()
    }
}

impl ToArg for i32 {
    fn to_arg(&self) -> Arg {
        Arg::Number(i64::from(*self))
    }
}

impl ToArg for u32 {
    fn to_arg(&self) -> Arg {
        Arg::Number(i64::from(*self))
    }
}

impl ToArg for Pid {
    fn to_arg(&self) -> Arg {
        Arg::Pid(self.as_raw())
    }
}

impl ToArg for BorrowedFd<'_> {
    fn to_arg(&self) -> Arg {
        Arg::Fd(self.as_raw_fd())
    }
}

impl ToArg for OwnedFd {
    fn to_arg(&self) -> Arg {
        Arg::Fd(self.as_raw_fd())
    }
}

impl ToArg for Signal {
    fn to_arg(&self) -> Arg {
        Arg::Word(self.as_str().to_string())
    }
}

impl ToArg for MsFlags {
    fn to_arg(&self) -> Arg {
        flags(self)
    }
}

impl ToArg for MntFlags {
    fn to_arg(&self) -> Arg {
        flags(self)
    }
}

/// A set of flags by their names in C, with `|` between them; `0` when there is none.
pub(crate) fn flags<F: bitflags::Flags>(flags: &F) -> Arg {
    let names: Vec<&str> = flags.iter_names().map(|(name, _)| name).collect();
    match names.as_slice() {
        [] => Arg::Word("0".to_string()),
        names => Arg::Word(names.join("|")),
    }
}

/// A mode as C programs write it: `0755`. None at all is `000`, as strace has it.
pub(crate) fn octal(mode: impl Into<u32>) -> Arg {
    Arg::Word(match mode.into() {
        0 => "000".to_string(),
        mode => format!("{mode:#05o}").replacen("0o", "0", 1),
    })
}

/// A structure, by its fields.
pub(crate) fn fields<const N: usize>(fields: [(&str, Arg); N]) -> Arg {
    Arg::Fields(fields.map(|(name, value)| (name.to_string(), value)).to_vec())
}

/// An argument that may be missing: `NULL` then.
pub(crate) fn or_null<T: ToArg + ?Sized>(value: Option<&T>) -> Arg {
    value.map_or_else(|| Arg::Word("NULL".to_string()), ToArg::to_arg)
}

/// Text under a name of the kernel that is not an error of ours to spell out.
pub(crate) fn word(value: impl Display) -> Arg {
    Arg::Word(value.to_string())
}
