//! Which flags does `unshare` have? Those of util-linux, long and short, with its meaning.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use primitives::{MsFlags, Namespaces};

/// Run a program in new namespaces.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Unshare {
    /// New view of the mounts
    #[arg(short, long)]
    pub(crate) mount: bool,
    /// New host and domain name
    #[arg(short, long)]
    pub(crate) uts: bool,
    /// New System V IPC and POSIX message queues
    #[arg(short, long)]
    pub(crate) ipc: bool,
    /// New network devices, addresses and ports
    #[arg(short, long)]
    pub(crate) net: bool,
    /// New process numbers, for the children: add --fork
    #[arg(short, long)]
    pub(crate) pid: bool,
    /// New users, groups and capabilities
    #[arg(short = 'U', long)]
    pub(crate) user: bool,
    /// New root of the cgroup tree
    #[arg(short = 'C', long)]
    pub(crate) cgroup: bool,
    /// New boot and monotonic clocks
    #[arg(short = 'T', long)]
    pub(crate) time: bool,
    /// Be root in the new user namespace (implies --user)
    #[arg(short = 'r', long, visible_alias = "map-root", conflicts_with = "map_current_user")]
    pub(crate) map_root_user: bool,
    /// Be yourself in the new user namespace (implies --user)
    #[arg(short = 'c', long)]
    pub(crate) map_current_user: bool,
    /// Be this user in the new user namespace (implies --user)
    #[arg(long, value_name = "UID", conflicts_with_all = ["map_root_user", "map_current_user"])]
    pub(crate) map_user: Option<u32>,
    /// Be in this group in the new user namespace (implies --user)
    #[arg(long, value_name = "GID", conflicts_with_all = ["map_root_user", "map_current_user"])]
    pub(crate) map_group: Option<u32>,
    /// Whether groups can be changed in the new user namespace
    #[arg(long, value_enum, value_name = "allow|deny")]
    pub(crate) setgroups: Option<Setgroups>,
    /// Run the program in a child, the first process of the new pid namespace
    #[arg(short, long)]
    pub(crate) fork: bool,
    /// End the child with this signal when the parent ends (implies --fork)
    #[arg(long, value_name = "SIGNAL", num_args = 0..=1, default_missing_value = "SIGKILL", require_equals = true)]
    pub(crate) kill_child: Option<String>,
    /// Mount a proc that shows the new process numbers (implies --mount)
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "/proc", require_equals = true)]
    pub(crate) mount_proc: Option<PathBuf>,
    /// How mounts spread between the new view and the old one
    #[arg(long, value_enum, value_name = "HOW", default_value = "private")]
    pub(crate) propagation: Propagation,
    /// Run the program with this directory as its root
    #[arg(short = 'R', long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Run the program in this working directory
    #[arg(short = 'w', long, value_name = "DIR")]
    pub(crate) wd: Option<PathBuf>,
    /// Run the program as this user
    #[arg(short = 'S', long, value_name = "UID")]
    pub(crate) setuid: Option<u32>,
    /// Run the program as this group, without supplementary groups
    #[arg(short = 'G', long, value_name = "GID")]
    pub(crate) setgid: Option<u32>,
    /// The program and its arguments; without it, your shell
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// Whether a user namespace may change its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Setgroups {
    Allow,
    Deny,
}

/// How mounts spread from and to a new view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Propagation {
    #[default]
    Private,
    Shared,
    Slave,
    /// Leave it as it is
    Unchanged,
}

impl Propagation {
    pub(crate) fn flags(self) -> Option<MsFlags> {
        let kind = match self {
            Propagation::Private => MsFlags::MS_PRIVATE,
            Propagation::Shared => MsFlags::MS_SHARED,
            Propagation::Slave => MsFlags::MS_SLAVE,
            Propagation::Unchanged => return None,
        };
        Some(kind | MsFlags::MS_REC)
    }
}

impl Unshare {
    // ANCHOR: implied
    /// The kinds that are asked for, also by flags that make no sense without them.
    pub(crate) fn namespaces(&self) -> Namespaces {
        let wanted = [
            (self.mount || self.mount_proc.is_some(), Namespaces::CLONE_NEWNS),
            (self.uts, Namespaces::CLONE_NEWUTS),
            (self.ipc, Namespaces::CLONE_NEWIPC),
            (self.net, Namespaces::CLONE_NEWNET),
            (self.pid, Namespaces::CLONE_NEWPID),
            (self.user || self.maps_ids(), Namespaces::CLONE_NEWUSER),
            (self.cgroup, Namespaces::CLONE_NEWCGROUP),
            (self.time, Namespaces::CLONE_NEWTIME),
        ];
        wanted.into_iter().filter(|(asked, _)| *asked).map(|(_, kind)| kind).collect()
    }
    // ANCHOR_END: implied

    fn maps_ids(&self) -> bool {
        self.map_root_user
            || self.map_current_user
            || self.map_user.is_some()
            || self.map_group.is_some()
    }

    /// Who a user is inside, when that was asked for; `outside` is who it is out here.
    pub(crate) fn user_inside(&self, outside: u32) -> Option<u32> {
        inside(self.map_root_user, self.map_current_user, self.map_user, outside)
    }

    /// Which group a user is in inside, when that was asked for.
    pub(crate) fn group_inside(&self, outside: u32) -> Option<u32> {
        inside(self.map_root_user, self.map_current_user, self.map_group, outside)
    }

    /// Whether a process is made for the program, which is then the first in its pid namespace.
    pub(crate) fn forks(&self) -> bool {
        self.fork || self.kill_child.is_some()
    }
}

fn inside(root: bool, same: bool, named: Option<u32>, outside: u32) -> Option<u32> {
    match (root, same) {
        (true, _) => Some(0),
        (_, true) => Some(outside),
        _ => named,
    }
}
