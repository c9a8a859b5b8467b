//! Which commands are tried, and what must be there before each?

use anyhow::Result;
use serde_json::Value;

use crate::conformance::Bench;

/// A command that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verb {
    /// Its name on the command line.
    pub name: &'static str,
    /// What follows the name of the container.
    pub more: &'static [&'static str],
    /// What stands before the name of the container.
    pub flags: &'static [&'static str],
    /// What there is before it.
    pub before: Before,
}

/// In which state a container is when a command begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// There is none.
    Nothing,
    /// It waits to be started.
    Created,
    /// It runs, and waits for nothing.
    Running,
}

const fn verb(name: &'static str, before: Before) -> Verb {
    Verb { name, more: &[], flags: &[], before }
}

/// All of them.
pub const VERBS: [Verb; 6] = [
    verb("run", Before::Nothing),
    verb("create", Before::Nothing),
    verb("start", Before::Created),
    Verb { more: &["/bin/payload", "report"], ..verb("exec", Before::Running) },
    Verb { more: &["KILL"], ..verb("kill", Before::Running) },
    Verb { flags: &["--force"], ..verb("delete", Before::Running) },
];

impl Verb {
    /// The command for this container, behind flags of the window.
    pub fn words(&self, window: &[String], id: &str) -> Vec<String> {
        let own = [self.name].into_iter().chain(self.flags.iter().copied());
        let rest = [id].into_iter().chain(self.more.iter().copied());
        window.iter().cloned().chain(own.chain(rest).map(str::to_string)).collect()
    }

    /// Brings the container into the state that it has before.
    ///
    /// # Errors
    /// That could not be done.
    pub fn prepare(&self, bench: &Bench, config: &Value) -> Result<()> {
        bench.write(config)?;
        match self.before {
            Before::Nothing => Ok(()),
            Before::Created => bench.create(config).map(drop),
            Before::Running => bench.run_detached(config).map(drop),
        }
    }

    /// The configuration of the container: a payload that tells what it sees, and ends or stays.
    pub fn config(&self, bench: &Bench) -> Value {
        match self.before {
            Before::Running => bench.config_for(&["report", "sleep"]),
            _ => bench.config(),
        }
    }
}
