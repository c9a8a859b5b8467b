//! `checkpoint` and `restore`: from runc's flags to what criu is asked for.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use container::{CgroupMode, Checkpoint, Id, Manner, Restore};
use primitives::{Error, Result, Status};

use crate::cli::Global;
use crate::lifecycle::{self, store};
use crate::{bundles, log, terminals};

/// What `checkpoint` and `restore` have in common.
#[derive(Args, Clone, Debug)]
pub(crate) struct Common {
    /// Where the images are; nobody else may write there [default: checkpoint in this directory]
    #[arg(long, value_name = "DIR")]
    image_path: Option<PathBuf>,
    /// Where criu works and keeps its log [default: where the images are]
    #[arg(long, value_name = "DIR")]
    work_path: Option<PathBuf>,
    /// Keep connections that are established
    #[arg(long)]
    tcp_established: bool,
    /// Allow unix sockets whose other end is outside of the container
    #[arg(long)]
    ext_unix_sk: bool,
    /// Allow a terminal of the host
    #[arg(long)]
    shell_job: bool,
    /// Keep locks on files
    #[arg(long)]
    file_locks: bool,
    /// What is done about cgroups that the container has made in its own
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Cgroups::Soft)]
    manage_cgroups_mode: Cgroups,
    /// Make this namespace anew, with nothing in it
    #[arg(long, value_enum, value_name = "KIND")]
    empty_ns: Vec<Emptied>,
    /// Take out of the older images what newer ones have
    #[arg(long)]
    auto_dedup: bool,
    /// Bring memory only when it is used
    #[arg(long)]
    lazy_pages: bool,
}

/// criu's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Cgroups {
    Soft,
    Full,
    Strict,
    Ignore,
}

/// What can be left empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Emptied {
    Network,
}

/// `checkpoint`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Checkpointing {
    #[command(flatten)]
    common: Common,
    /// Images written before, counted from the new ones; what is in them is not written again
    #[arg(long, value_name = "DIR")]
    parent_path: Option<PathBuf>,
    /// Let the container go on afterwards
    #[arg(long)]
    leave_running: bool,
    /// Write only its memory down, and let it go on
    #[arg(long)]
    pre_dump: bool,
    /// Who takes the memory: a `criu page-server`, or with --lazy-pages who listens here
    #[arg(long, value_name = "ADDRESS:PORT")]
    page_server: Option<String>,
    /// A descriptor that is told when memory can be fetched
    #[arg(long, value_name = "FD")]
    status_fd: Option<i32>,
    /// Allow names to be made for files that are open and have none
    #[arg(long)]
    link_remap: bool,
    /// Leave out connections that are being made
    #[arg(long)]
    tcp_skip_in_flight: bool,
    /// The container
    id: String,
}

/// `restore`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Restoring {
    /// The bundle: the directory with config.json in it
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    bundle: PathBuf,
    #[command(flatten)]
    common: Common,
    /// Leave it to itself when it runs
    #[arg(short, long)]
    detach: bool,
    /// A socket that gets the master side of the terminal
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,
    /// A file that gets the process's number
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Do not take on its orphans (nothing is taken on here in any case)
    #[arg(long)]
    no_subreaper: bool,
    /// For those who always say it: criu changes the root in its own way
    #[arg(long)]
    no_pivot: bool,
    /// Another security profile than it had: apparmor:NAME or selinux:LABEL
    #[arg(long, value_name = "KIND:NAME")]
    lsm_profile: Option<String>,
    /// Another SELinux context for its mounts
    #[arg(long, value_name = "CONTEXT")]
    lsm_mount_context: Option<String>,
    /// The container's name
    id: String,
}

/// `checkpoint`.
pub(crate) fn checkpoint(global: &Global, wanted: &Checkpointing) -> Result<Status> {
    let checkpoint = Checkpoint {
        manner: wanted.common.manner()?,
        leave_running: wanted.leave_running,
        pre_dump: wanted.pre_dump,
        parent: wanted.parent_path.clone(),
        page_server: wanted.page_server.as_deref().map(address).transpose()?,
        status_fd: wanted.status_fd,
        link_remap: wanted.link_remap,
        tcp_skip_in_flight: wanted.tcp_skip_in_flight,
    };
    container::checkpoint(&store(global), &Id::new(&wanted.id)?, &checkpoint)?;
    Ok(Status::Exited(0))
}

/// `restore`.
pub(crate) fn restore(global: &Global, wanted: &Restoring) -> Result<Status> {
    let opened = bundles::open(&wanted.bundle)?;
    log::remarks(global, &opened.reading);
    let plan = &opened.reading.plan;
    let socket = wanted.console_socket.as_deref();
    match wanted.detach {
        true => terminals::check_when_left(&plan.process, socket)?,
        false => terminals::check_when_attended(&plan.process, socket)?,
    }
    let restore = Restore {
        manner: wanted.common.manner()?,
        lsm_profile: wanted.lsm_profile.clone(),
        lsm_mount_context: wanted.lsm_mount_context.clone(),
    };
    let container = lifecycle::back(global, &wanted.id, &opened, &Telling::of(wanted))?;
    container::restore(&store(global), &container, &restore, wanted.detach)
}

/// Whom `restore` tells.
pub(crate) struct Telling<'a> {
    pub(crate) console_socket: Option<&'a Path>,
    pub(crate) pid_file: Option<&'a Path>,
}

impl Telling<'_> {
    fn of(wanted: &Restoring) -> Telling<'_> {
        Telling {
            console_socket: wanted.console_socket.as_deref(),
            pid_file: wanted.pid_file.as_deref(),
        }
    }
}

impl Common {
    fn manner(&self) -> Result<Manner> {
        let absolute = |path: &Path| {
            std::path::absolute(path)
                .map_err(|error| Error::Unusable(format!("{}: {error}", path.display())))
        };
        let images = self.image_path.as_deref().unwrap_or(Path::new("checkpoint"));
        Ok(Manner {
            images: absolute(images)?,
            work: self.work_path.as_deref().map(absolute).transpose()?,
            tcp_established: self.tcp_established,
            ext_unix_sk: self.ext_unix_sk,
            shell_job: self.shell_job,
            file_locks: self.file_locks,
            empty_network: !self.empty_ns.is_empty(),
            auto_dedup: self.auto_dedup,
            lazy_pages: self.lazy_pages,
            cgroups: match self.manage_cgroups_mode {
                Cgroups::Soft => CgroupMode::Soft,
                Cgroups::Full => CgroupMode::Full,
                Cgroups::Strict => CgroupMode::Strict,
                Cgroups::Ignore => CgroupMode::Ignore,
            },
        })
    }
}

/// `ADDRESS:PORT`, where the address may have colons itself.
fn address(text: &str) -> Result<(String, u16)> {
    let parts = text.rsplit_once(':').filter(|(address, _)| !address.is_empty());
    let parsed = parts.and_then(|(address, port)| {
        let address = address.trim_start_matches('[').trim_end_matches(']');
        Some((address.to_string(), port.parse().ok().filter(|port| *port > 0)?))
    });
    parsed.ok_or_else(|| {
        Error::Unusable(format!("--page-server {text:?}: write ADDRESS:PORT, as in 10.0.0.2:27"))
    })
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn a_page_server_has_an_address_and_a_port() {
        assert_eq!(address("127.0.0.1:27").unwrap(), ("127.0.0.1".to_string(), 27));
        assert_eq!(address("[::1]:2700").unwrap(), ("::1".to_string(), 2700));
        for text in ["", "27", ":27", "host:", "host:0", "host:70000", "host:x"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
