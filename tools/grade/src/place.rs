//! What runs inside of an exercise, so that somebody outside has something to look at?
//!
//! [`Here`] is the program that the learner's program is told to run. It writes down who it thinks
//! it is, says that it is there and waits until it was looked at. [`Stage`] is what stands around
//! the learner's program where that needs a prepared view of files. Both talk with the check
//! through files in its folder: those are there in every namespace and need no open descriptor.

use std::ffi::OsString;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use primitives::{Namespaces, hostname, mount_bind, open_namespace, own_ids, sethostname, setns};
use serde::{Deserialize, Serialize};

/// Nobody looks any more after this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process says of itself. Only the grader's own programs are believed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) hostname: String,
}

/// Waits to be looked at, and ends with an exit code.
#[derive(clap::Args)]
pub(crate) struct Here {
    folder: PathBuf,
    #[arg(long, default_value_t = 0)]
    exit: u8,
    /// First give this UTS namespace a name
    #[arg(long)]
    hostname: Option<String>,
}

impl Here {
    pub(crate) fn wait(&self) -> Result<ExitCode> {
        if let Some(name) = &self.hostname {
            sethostname(name, "have a name that nobody can guess")?;
        }
        say_and_wait(&self.folder)?;
        Ok(ExitCode::from(self.exit))
    }
}

/// Runs the learner's program in a prepared view of files.
#[derive(clap::Args)]
pub(crate) struct Stage {
    folder: PathBuf,
    /// Put this file over /etc/subuid and /etc/subgid
    #[arg(long, requires = "user")]
    subids: Option<PathBuf>,
    /// Run the program as this user
    #[arg(long, requires = "group")]
    user: Option<u32>,
    /// Run the program as this group
    #[arg(long, requires = "user")]
    group: Option<u32>,
    /// Afterwards join the UTS namespace behind this file, and wait to be looked at
    #[arg(long)]
    join: Option<PathBuf>,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Stage {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        if let Some(subids) = &self.subids {
            for place in ["/etc/subuid", "/etc/subgid"] {
                mount_bind(subids, Path::new(place), "give ids to a user of our choice")?;
            }
        }
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        if let (Some(user), Some(group)) = (self.user, self.group) {
            command.uid(user).gid(group);
        }
        let status = command.status().context("the program cannot be run")?;
        if let Some(file) = &self.join {
            // Where nothing is held there is nothing to join, and the host name stays as it is.
            let _ = join(file);
            say_and_wait(&self.folder)?;
        }
        Ok(ExitCode::from(code_of(status)))
    }
}

fn join(file: &Path) -> Result<()> {
    let namespace = open_namespace(file)?;
    let why = "read the host name of a namespace in which nobody is";
    Ok(setns(namespace.as_fd(), Namespaces::CLONE_NEWUTS, why)?)
}

/// An exit code as shells give it.
pub(crate) fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    (code & 0xff) as u8
}

fn say_and_wait(folder: &Path) -> Result<()> {
    let (uid, gid) = own_ids();
    let said = Said { uid, gid, hostname: hostname() };
    // By renaming, so that whoever finds the file finds all of it.
    fs::write(folder.join("saying"), serde_json::to_vec(&said)?)?;
    fs::rename(folder.join("saying"), ready(folder))?;
    let start = Instant::now();
    while !go(folder).exists() && start.elapsed() < PATIENCE {
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// The file that says that the program is there.
pub(crate) fn ready(folder: &Path) -> PathBuf {
    folder.join("ready")
}

/// The file that lets it go on.
pub(crate) fn go(folder: &Path) -> PathBuf {
    folder.join("go")
}
