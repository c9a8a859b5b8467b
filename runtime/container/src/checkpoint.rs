//! How is a container written down, so that it can go on another day, or another machine?

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use bundle::Plan;
use primitives::{Birth, Error, Result, inherited_fd, step_giving};

use crate::criu::{self, Criu, Descriptor, Images, Manner, Message, Work};
use crate::delete;
use crate::state::Status;
use crate::store::{Container, Id, Known, Store};

/// What is asked for, in runc's words.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    /// What it has in common with a restore.
    pub manner: Manner,
    /// `--leave-running`: the container goes on.
    pub leave_running: bool,
    /// `--pre-dump`: only its memory is written down, and it goes on.
    pub pre_dump: bool,
    /// `--parent-path`: images written before, counted from the new ones; what they have is not written
    /// again.
    pub parent: Option<PathBuf>,
    /// `--page-server`: who takes the memory, by address and port.
    pub page_server: Option<(String, u16)>,
    /// `--status-fd`: a descriptor of this process that is told when the page server waits.
    pub status_fd: Option<i32>,
    /// `--link-remap`: files that are open and have no name may get one for the time being.
    pub link_remap: bool,
    /// `--tcp-skip-in-flight`: connections that are being made are left out.
    pub tcp_skip_in_flight: bool,
}

// ANCHOR: checkpoint
/// Writes a container down, which is gone after that unless it shall be left running.
///
/// # Errors
/// It does not run, or criu cannot do it; then it goes on.
pub fn checkpoint(store: &Store, id: &Id, wanted: &Checkpoint) -> Result<()> {
    let mut folder = store.folder(id)?;
    step_giving("keep others from it", || folder.lock())?;
    let container = store.find(id)?;
    let init = running(&container)?;
    let plan = container.plan()?;
    let Manner { images, work, .. } = &wanted.manner;
    let images = Images::make(images, work.as_deref())?;
    let status = wanted.status_fd.map(open_stream).transpose()?;
    let inherited: Vec<BorrowedFd<'_>> = status.iter().map(AsFd::as_fd).collect();
    let mut criu = Criu::start(Birth::default(), &images, &inherited, || Ok(()))?;
    look_for_features(&mut criu, wanted)?;
    let streams = criu::streams_of(init.pid())?;
    let options = options(&container, &plan, (init, &streams), &images, wanted)?;
    let work = if wanted.pre_dump { Work::PreDump } else { Work::Dump };
    step_giving("write the container down", || {
        if work == Work::Dump {
            images.keep(&streams)?;
        }
        criu.work(work, &options, &images.log(work.log()), |_| Ok(()))
    })?;
    if wanted.leave_running || wanted.pre_dump {
        folder.unlock();
        return Ok(());
    }
    delete::take_away(&folder, &container.remembered, Some(&plan))
}
// ANCHOR_END: checkpoint

/// As in runc.
fn running(container: &Container) -> Result<Known> {
    match (container.status_when_locked(), container.remembered.init) {
        (Status::Running | Status::Paused, Some(init)) => Ok(init),
        (status, _) => Err(Error::Unusable(format!(
            "container cannot be checkpointed in {} state",
            status.word()
        ))),
    }
}

/// A descriptor that this process was given, as one that can be handed on.
fn open_stream(number: i32) -> Result<OwnedFd> {
    inherited_fd(number).ok_or_else(|| {
        Error::Unusable(format!("--status-fd {number}: this command was given no such descriptor"))
    })
}

fn look_for_features(criu: &mut Criu, wanted: &Checkpoint) -> Result<()> {
    if !wanted.pre_dump && !wanted.manner.lazy_pages {
        return Ok(());
    }
    let (tells_changes, fetches) = step_giving("ask what the kernel can do", || criu.features())?;
    let missing = |what: &str| Err(Error::Unusable(what.to_string()));
    match () {
        () if wanted.pre_dump && !tells_changes => missing(
            "--pre-dump: this kernel does not tell which memory has changed \
             (CONFIG_MEM_SOFT_DIRTY), or this criu does not ask it",
        ),
        () if wanted.manner.lazy_pages && !fetches => missing(
            "--lazy-pages: this kernel does not let others bring memory (userfaultfd), or this criu \
             cannot",
        ),
        () => Ok(()),
    }
}

/// `criu_opts` in `rpc.proto`, with the numbers of its fields.
fn options(
    container: &Container,
    plan: &Plan,
    (init, streams): (Known, &[Descriptor]),
    images: &Images,
    wanted: &Checkpoint,
) -> Result<Message> {
    const LOUD: i64 = 4;
    let mut options = criu::common(images, plan, &wanted.manner);
    options.number("pid", 2, i64::from(init.pid));
    options.flag("leave_running", 3, wanted.leave_running);
    options.number("log_level", 9, LOUD);
    options.text("log_file", 10, Work::Dump.log());
    options.flag("notify_scripts", 12, true);
    options.flag("link_remap", 18, wanted.link_remap);
    options.flag("tcp_skip_in_flight", 46, wanted.tcp_skip_in_flight);
    if let Some((address, port)) = &wanted.page_server {
        let mut server = Message::default();
        server.text("address", 1, address);
        server.number("port", 2, i64::from(*port));
        options.message("ps", 11, &server);
    }
    if let Some(parent) = &wanted.parent {
        images.check_parent(parent)?;
        options.text("parent_img", 14, &parent.to_string_lossy());
    }
    options.flag("track_mem", 15, wanted.pre_dump || wanted.parent.is_some());
    if wanted.status_fd.is_some() {
        options.number("status_fd", 49, i64::from(criu::FIRST_INHERITED));
    }
    let cgroups = &container.remembered.cgroups;
    if let Some(freezer) = cgroups.freezing_directory() {
        options.text("freeze_cgroup", 44, &freezer.to_string_lossy());
    }
    if !wanted.pre_dump {
        for (at, name) in criu::mounts_of(init.pid(), plan, &cgroups.mounts_inside())? {
            options.message("ext_mnt", 23, &criu::pair(&at, &name));
        }
        for file in streams.iter().filter_map(Descriptor::file_outside) {
            options.text("external", 37, file);
        }
        for joined in criu::joined_namespaces(plan)? {
            options.text("external", 37, &joined.external);
        }
    }
    Ok(options)
}
