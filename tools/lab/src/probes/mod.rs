//! What does this machine offer? One function a fact, and every fact is looked up or tried.
//!
//! A file below /proc or /sys says what the kernel knows; where that is not the whole truth (a
//! sandbox may forbid what the kernel can do) a small program tries it, in namespaces that end with
//! it, so that nothing is left behind.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::proc;

pub(crate) mod cgroups;
pub(crate) mod identity;
pub(crate) mod kernel;
pub(crate) mod labs;

/// One line of the doctor's table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// the name for `--require`
    pub(crate) name: &'static str,
    /// is it there
    pub(crate) state: State,
    /// what was seen
    pub(crate) found: String,
    /// what that is good for
    pub(crate) means: &'static str,
    /// the command that brings what is missing, empty if nothing is or nothing can
    pub(crate) fix: String,
}

/// Is it there?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// yes
    Yes,
    /// in part: the chapter that needs it says what to expect
    Partly,
    /// no
    No,
    /// it could not be tried
    Unknown,
}

impl Fact {
    /// A fact that needs no fix, whatever was found.
    pub(crate) fn new(
        name: &'static str,
        state: State,
        found: impl Into<String>,
        means: &'static str,
    ) -> Self {
        Self { name, state, found: found.into(), means, fix: String::new() }
    }

    /// What to do about it, unless it is there.
    pub(crate) fn or_else(mut self, fix: impl Into<String>) -> Self {
        if self.state != State::Yes {
            self.fix = fix.into();
        }
        self
    }
}

/// Yes or no.
fn yes_if(there: bool) -> State {
    if there { State::Yes } else { State::No }
}

/// A small file of the kernel's without its last newline, if it is there and we may read it.
fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim_end().to_owned())
}

/// Where the program is that a shell would start.
fn program(name: &str) -> Option<PathBuf> {
    // An ordinary user's PATH often has no sbin, where Debian keeps some of these.
    let path = env::var_os("PATH").unwrap_or_default();
    let system = OsStr::new("/usr/sbin:/sbin");
    proc::find_program(&path, name).or_else(|| proc::find_program(system, name))
}

/// What came of trying a thing with a small program.
enum Attempt {
    Worked,
    Failed(String),
    NotTried(&'static str),
}

impl Attempt {
    /// Runs `words[0]` with the rest as arguments.
    fn at(words: &[&'static str]) -> Self {
        let Some(program) = program(words[0]) else {
            return Self::NotTried(words[0]);
        };
        let output = Command::new(program).args(&words[1..]).stdin(Stdio::null()).output();
        match output {
            Ok(output) if output.status.success() => Self::Worked,
            Ok(output) => {
                let complaint = String::from_utf8_lossy(&output.stderr);
                Self::Failed(complaint.lines().last().unwrap_or("it failed").to_owned())
            }
            Err(error) => Self::Failed(error.to_string()),
        }
    }

    fn state(&self) -> State {
        match self {
            Self::Worked => State::Yes,
            Self::Failed(_) => State::No,
            Self::NotTried(_) => State::Unknown,
        }
    }

    fn found(self) -> String {
        match self {
            Self::Worked => "tried: works".to_owned(),
            Self::Failed(why) => format!("tried: {why}"),
            Self::NotTried(program) => format!("not tried: there is no {program} here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_says_how_it_went() {
        assert_eq!(Attempt::at(&["sh", "-c", "exit 0"]).state(), State::Yes);
        assert_eq!(Attempt::at(&["sh", "-c", "echo why >&2; false"]).found(), "tried: why");
        assert_eq!(Attempt::at(&["no-such-program"]).state(), State::Unknown);
    }

    #[test]
    fn only_what_is_missing_needs_a_fix() {
        assert_eq!(Fact::new("x", State::Yes, "", "").or_else("fix").fix, "");
        assert_eq!(Fact::new("x", State::Partly, "", "").or_else("fix").fix, "fix");
    }
}
