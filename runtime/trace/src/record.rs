//! What is known of one request: who asked, for what, why, and what came of it?

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::Arg;
use crate::arg::separated;

/// Words that stand in the program's text, or came over a wire.
pub type Words = Cow<'static, str>;

/// One request to the kernel, written down after it was made, with its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Place in the trace, from 1. Given by the process that has the window.
    pub seq: u64,
    /// The part that the process plays: `parent`, `child`, `init`.
    pub role: Words,
    /// The process, as it sees itself: 1 in a new pid namespace.
    pub pid: i32,
    /// The same process, as the one that has the window sees it.
    pub host_pid: i32,
    /// The steps that the request belongs to, outermost first.
    pub step: Vec<Words>,
    /// The request under its name in the man page.
    pub call: Words,
    /// The function of `primitives` that made it, where its interface card stands.
    pub primitive: Words,
    /// Its arguments, in the order of the man page.
    pub args: Vec<Arg>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// Why the program asked for it: completes "we do this to …".
    pub why: Words,
    /// The line of the program that asked, as `file:line`.
    pub source: Words,
    /// Whether it cleans up, so that it could not have been refused, stopped or left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cleans_up: bool,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It succeeded, and this is what the kernel returned.
    Result(Arg),
    /// The kernel refused, by the name of its errno.
    Errno(Words),
    /// The window refused, so the kernel was never asked; by the name of the errno it stood in for.
    Refused(Words),
    /// It was not made yet: the request is being asked about.
    Pending(()),
}

impl Outcome {
    /// Whether the kernel did what it was asked to.
    pub fn is_success(&self) -> bool {
        matches!(self, Outcome::Result(_))
    }

    /// The errno's name, whoever refused.
    pub fn errno(&self) -> Option<&str> {
        match self {
            Outcome::Errno(name) | Outcome::Refused(name) => Some(name),
            Outcome::Result(_) | Outcome::Pending(()) => None,
        }
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Result(value) => write!(f, "= {value}"),
            Outcome::Errno(name) => write!(f, "= {name}"),
            Outcome::Refused(name) => {
                write!(f, "= {name} (refused here, the kernel was not asked)")
            }
            Outcome::Pending(()) => f.write_str("= ?"),
        }
    }
}

impl Record {
    /// The request as it would stand in a C program: `sethostname("box")`.
    pub fn request(&self) -> Request<'_> {
        Request { call: &self.call, args: &self.args }
    }
}

/// A request alone, as it would stand in a C program.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The name in the man page.
    pub call: &'a str,
    /// The arguments, in the order of the man page.
    pub args: &'a [Arg],
}

impl Display for Request<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.call)?;
        separated(f, self.args)?;
        f.write_str(")")
    }
}
