//! As whom, with what rights and as which program does a container's process end up?
//!
//! What can be thought out beforehand is thought out by the parent: [`prepare`]. What can be done to a
//! process from outside is done from there: [`set_from_outside`]. The rest are lines of the lists that
//! the new process goes through, of a container's first process and of one that joins it alike, in the
//! order in which they stand here:
//!
//! [`join_session_keyring`], [`take_on_labels`], [`take_on_persona`], [`choose_memory`], [`hide`],
//! [`make_cwd`], [`go_to_cwd`], [`look_for_program`], [`become_user`], [`look_around`], [`hand_over_listener`], [`execute`].
//!
//! The order is not taste. The bounding set is cut while there is the right to do so, ids change while
//! there is the right to do that, and the filter goes in together with the program: nothing of ours
//! has to pass it but `execve`.

mod cwd;
mod labels;
mod listener;
mod outside;
mod program;
mod rights;
mod seccomp;
mod surroundings;

use std::ffi::OsString;

use bundle::{Process, Seccomp};
use primitives::Result;

pub use cwd::{go_to_cwd, look_around, make_cwd};
pub use labels::take_on_labels;
pub use listener::{hand_over_listener, tell_listener};
pub use outside::{set_from_outside, set_oom_score};
pub use program::{Inherited, execute, inherited, look_for_program};
pub use rights::{become_user, hide};
pub use seccomp::{SECCOMP_ACTIONS, SECCOMP_ARCHS, SECCOMP_FLAGS, SECCOMP_OPERATORS};
pub use surroundings::{choose_cpus, choose_memory, join_session_keyring, take_on_persona};

use program::Myself;
use rights::Rights;
use seccomp::Filter;

/// All that a process needs on its way, thought out before there is one.
#[derive(Debug)]
pub struct Ready {
    filter: Option<Filter>,
    rights: Rights,
    args: Vec<OsString>,
    env: Vec<OsString>,
    myself: Option<Myself>,
}

/// Thinks everything out: the filter is compiled, names become numbers. It looks at this machine's
/// capabilities and at its own program, and changes nothing.
///
/// # Errors
/// When there can be no such filter.
pub fn prepare(process: &Process, seccomp: Option<&Seccomp>) -> Result<Ready> {
    let words = |list: &[String]| list.iter().map(OsString::from).collect();
    Ok(Ready {
        filter: seccomp.map(seccomp::filter).transpose()?,
        rights: rights::rights(process),
        args: words(&process.args),
        env: words(&process.env),
        myself: program::myself(),
    })
}

impl Ready {
    /// Whether somebody is asked about system calls, so that there is a listener to hand over.
    pub fn asks(&self) -> bool {
        self.filter.as_ref().is_some_and(Filter::asks)
    }
}
