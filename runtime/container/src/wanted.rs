//! What does a container shall be made from, and how?

use std::path::PathBuf;

use bundle::Plan;

use crate::cgroup::Driver;
use crate::store::Id;

/// A container that shall be made.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Its name.
    pub id: Id,
    /// What it shall be.
    pub plan: &'a Plan,
    /// The text that the plan was read from.
    pub config: &'a [u8],
    /// What the command line says beside it.
    pub options: Options,
}

/// What the command line says, in runc's words.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who makes the cgroup.
    pub driver: Driver,
    /// `--rootless=false`: a container without cgroups is no container.
    pub needs_cgroups: bool,
    /// `--no-pivot`: the root is moved over the old one instead of being exchanged with it.
    pub no_pivot: bool,
    /// `--no-new-keyring`: the program shares the session keyring of the runtime.
    pub no_new_keyring: bool,
    /// `--preserve-fds`: how many descriptors from 3 on the program inherits.
    pub preserve_fds: u32,
    /// `--console-socket`: who gets the master side of the terminal.
    pub console_socket: Option<PathBuf>,
    /// `--pid-file`: where the process's number is written.
    pub pid_file: Option<PathBuf>,
    /// `--pidfd-socket`: who gets a descriptor of the process.
    pub pidfd_socket: Option<PathBuf>,
}
