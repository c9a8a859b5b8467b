//! Which words does the command line know? Those of runc, with runc's meaning.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use primitives::WindowArgs;

use crate::checkpointing::{Checkpointing, Restoring};
use crate::later::Later;

/// An OCI container runtime that can be watched.
#[derive(Parser)]
#[command(name = "runtime", version = VERSION, disable_version_flag = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(flatten)]
    pub(crate) window: WindowArgs,
}

/// Engines read the second word of the first line, and the line that begins with "spec:".
const VERSION: &str = concat!("version ", env!("CARGO_PKG_VERSION"), "\nspec: 1.3.0");

/// What stands before the command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "For every command")]
pub(crate) struct Global {
    /// Where containers are remembered; should be in a tmpfs [default: /run/porthole, for other users
    /// than root $XDG_RUNTIME_DIR/porthole]
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Write errors, and with --debug every request, to FILE as well
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// How lines are written to the log
    #[arg(long, value_enum, value_name = "FORM", default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Write every request to the log (to standard error without --log)
    #[arg(long)]
    pub(crate) debug: bool,
    /// Have cgroups made by systemd; cgroupsPath is then "slice:prefix:name"
    #[arg(long)]
    pub(crate) systemd_cgroup: bool,
    /// Who makes cgroups, in crun's words
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) cgroup_manager: Option<CgroupManager>,
    /// Whether to do without cgroups that this user may not make, where no limit asks for them
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Rootless::Auto)]
    pub(crate) rootless: Rootless,
    /// Print the version
    #[arg(short, long, action = clap::ArgAction::Version)]
    version: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CgroupManager {
    Cgroupfs,
    Systemd,
}

/// `auto` is `true` here: whether somebody may make a cgroup is seen by asking, and not by who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rootless {
    Auto,
    True,
    False,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a container, which then waits to be started
    Create(Later<Making>),
    /// Let a container run that waits to be started
    Start {
        /// The container
        id: String,
    },
    /// Make a container, start it, and wait for its end
    Run(Later<Running>),
    /// Print the state of a container, as JSON
    State {
        /// The container
        id: String,
    },
    /// Send a signal to a container's first process
    Kill {
        /// Send it to all its processes
        #[arg(short, long)]
        all: bool,
        /// The container
        id: String,
        /// The signal, by name or number
        #[arg(default_value = "SIGTERM")]
        signal: String,
    },
    /// Take away all that is left of a container that has ended
    Delete {
        /// Kill it first, if it runs
        #[arg(short, long)]
        force: bool,
        /// The container
        id: String,
    },
    /// Run another program in a container
    Exec(Later<Joining>),
    /// Show all containers
    List {
        /// For people, or for programs
        #[arg(short, long, value_enum, default_value_t = TableFormat::Table)]
        format: TableFormat,
        /// Only their names
        #[arg(short, long)]
        quiet: bool,
    },
    /// Show the processes in a container
    Ps {
        /// For people, or for programs
        #[arg(short, long, value_enum, default_value_t = TableFormat::Table)]
        format: TableFormat,
        /// The container
        id: String,
        /// Options for ps(1), with the table [default: -ef]
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Freeze all processes of a container
    Pause {
        /// The container
        id: String,
    },
    /// Let the processes of a frozen container go on
    Resume {
        /// The container
        id: String,
    },
    /// Change the limits of a container
    Update(Later<Limits>),
    /// Print what a container uses, and when it runs out of memory, as JSON
    Events {
        /// Only once, and only what it uses
        #[arg(long)]
        stats: bool,
        /// How often
        #[arg(long, value_name = "TIME", default_value = "5s")]
        interval: String,
        /// The container
        id: String,
    },
    /// Write a container down, to let it go on at another time or another place (needs criu)
    Checkpoint(Later<Checkpointing>),
    /// Bring back a container that was written down
    Restore(Later<Restoring>),
    /// Print what this runtime can do, as JSON
    Features,
    /// Write a config.json to start from
    Spec {
        /// The bundle: the directory that it is written into
        #[arg(short, long, value_name = "DIR", default_value = ".")]
        bundle: PathBuf,
        /// For a container that needs no root: a user namespace of its own, and no limits
        #[arg(long)]
        rootless: bool,
    },
    /// Show what would be done for a bundle, without doing it; needs no privilege
    Plan {
        /// The bundle: the directory with config.json in it
        #[arg(short, long, value_name = "DIR", default_value = ".")]
        bundle: PathBuf,
        /// For people, or for programs
        #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
        format: PlanFormat,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    Table,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    Text,
    Json,
}

/// What `create` and `run` have in common.
#[derive(Args, Clone, Debug)]
pub(crate) struct Making {
    /// The bundle: the directory with config.json in it
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) telling: Telling,
    /// Move the new root over the old one instead of exchanging them, which a ramdisk does not allow
    #[arg(long)]
    pub(crate) no_pivot: bool,
    /// Share the session keyring of this process
    #[arg(long)]
    pub(crate) no_new_keyring: bool,
    /// The container's name
    pub(crate) id: String,
}

/// What `run` has beside.
#[derive(Args, Clone, Debug)]
pub(crate) struct Running {
    #[command(flatten)]
    pub(crate) making: Making,
    /// Leave it to itself when it runs
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Do not delete it after its end
    #[arg(long)]
    pub(crate) keep: bool,
    /// Do not take on its orphans (nothing is taken on here in any case)
    #[arg(long)]
    no_subreaper: bool,
}

/// Whom a command tells about a new process, and what the process inherits.
#[derive(Args, Clone, Debug)]
pub(crate) struct Telling {
    /// A socket that gets the master side of the terminal
    #[arg(long, value_name = "SOCKET")]
    pub(crate) console_socket: Option<PathBuf>,
    /// A file that gets the process's number
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    /// A socket that gets a descriptor of the process
    #[arg(long, value_name = "SOCKET")]
    pub(crate) pidfd_socket: Option<PathBuf>,
    /// How many descriptors from 3 on are inherited, beside those of socket activation
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) preserve_fds: u32,
}

/// A program for a container that runs.
#[derive(Args, Clone, Debug)]
pub(crate) struct Joining {
    #[command(flatten)]
    pub(crate) telling: Telling,
    /// Leave it to itself when it runs
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Its working directory [default: that of the container's first process]
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<String>,
    /// Set a variable, beside those of the container's first process
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Who it is
    #[arg(short, long, value_name = "UID[:GID]")]
    pub(crate) user: Option<String>,
    /// A group more
    #[arg(short = 'g', long, value_name = "GID")]
    pub(crate) additional_gids: Vec<u32>,
    /// Read all of it from FILE, written as `process` in config.json
    #[arg(short, long, value_name = "FILE")]
    pub(crate) process: Option<PathBuf>,
    /// Its SELinux label
    #[arg(long, value_name = "LABEL")]
    pub(crate) process_label: Option<String>,
    /// Its AppArmor profile
    #[arg(long, value_name = "PROFILE")]
    pub(crate) apparmor: Option<String>,
    /// Let it gain no rights by execve
    #[arg(long)]
    pub(crate) no_new_privs: bool,
    /// A capability more
    #[arg(short, long, value_name = "CAP")]
    pub(crate) cap: Vec<String>,
    /// A cgroup below the container's, for all controllers or for one
    #[arg(long, value_name = "[CONTROLLER:]PATH")]
    pub(crate) cgroup: Vec<String>,
    /// Also into a container that is frozen
    #[arg(long)]
    pub(crate) ignore_paused: bool,
    /// The container
    pub(crate) id: String,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

/// New limits; what is not named stays as it is.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Limits {
    /// The container
    pub(crate) id: String,
    /// Read them from FILE, written as linux.resources in config.json ("-": standard input); the other
    /// flags then say nothing
    #[arg(short, long, value_name = "FILE")]
    pub(crate) resources: Option<PathBuf>,
    /// Its weight for disks, 10 to 1000
    #[arg(long, value_name = "N")]
    pub(crate) blkio_weight: Option<u64>,
    /// How long a round of CPU time is, in microseconds
    #[arg(long, value_name = "US")]
    pub(crate) cpu_period: Option<u64>,
    /// How much CPU time it has in a round, in microseconds
    #[arg(long, value_name = "US", allow_hyphen_values = true)]
    pub(crate) cpu_quota: Option<i64>,
    /// How much unused CPU time it may save up, in microseconds
    #[arg(long, value_name = "US")]
    pub(crate) cpu_burst: Option<u64>,
    /// Its share of the CPUs when they are short
    #[arg(long, value_name = "N")]
    pub(crate) cpu_share: Option<u64>,
    /// Run it only when nobody else wants to: 1, or 0
    #[arg(long, value_name = "0|1")]
    pub(crate) cpu_idle: Option<i64>,
    /// How long a round of real-time CPU time is
    #[arg(long, value_name = "US")]
    pub(crate) cpu_rt_period: Option<u64>,
    /// How much real-time CPU time it has in a round
    #[arg(long, value_name = "US", allow_hyphen_values = true)]
    pub(crate) cpu_rt_runtime: Option<i64>,
    /// On which CPUs it runs
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_cpus: Option<String>,
    /// On which nodes its memory lies
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_mems: Option<String>,
    /// The most memory, in bytes
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) memory: Option<String>,
    /// How much memory it keeps when memory is short, in bytes
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) memory_reservation: Option<String>,
    /// The most memory and swap together, in bytes; -1 for no limit
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    /// Its share of the third cache, as linux.intelRdt.l3CacheSchema
    #[arg(long, value_name = "SCHEMA")]
    pub(crate) l3_cache_schema: Option<String>,
    /// Its share of the way to memory, as linux.intelRdt.memBwSchema
    #[arg(long, value_name = "SCHEMA")]
    pub(crate) mem_bw_schema: Option<String>,
    /// The most processes
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) pids_limit: Option<i64>,
}
