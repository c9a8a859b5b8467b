//! How does a container come back that was written down?
//!
//! It is a new container in all respects but one: its processes are not made by this runtime, and its
//! program does not begin anew. What has to be cleaned up is in the state before it is there, as ever;
//! and criu, with all that it makes, lives in the container's cgroup from the first moment on, so that
//! whatever was killed half-way ends with that.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bundle::{Plan, Terminal, What};
use primitives::{
    Birth, Child, Error, Namespaces, Pid, Result, Signal, Status as Ended, clean_up,
    descendants_of, hold_signals, step_giving,
};

use crate::cgroup::cgroups_of;
use crate::criu::{self, Criu, Images, Joined, Manner, Message, Notice, Work};
use crate::hooks::{self, Moment};
use crate::root;
use crate::state::{self, Status};
use crate::store::{Folder, Known, Remembered, Store};
use crate::wanted::Wanted;
use crate::{console, create, delete, resctrl, terminal};

/// What is asked for beside what a new container is asked for, in runc's words.
#[derive(Clone, Debug, Default)]
pub struct Restore {
    /// What it has in common with a checkpoint.
    pub manner: Manner,
    /// `--lsm-profile`: another security profile than the one that the container had.
    pub lsm_profile: Option<String>,
    /// `--lsm-mount-context`: another SELinux context for its mounts.
    pub lsm_mount_context: Option<String>,
}

/// A container that is back.
struct Back {
    init: Child,
    master: Option<OwnedFd>,
}

// ANCHOR: restore
/// Brings a container back, and waits for its end, after which it is deleted; `detach` leaves it to
/// itself.
///
/// # Errors
/// criu cannot do it, or what is in the images is not what the configuration says; then nothing is left
/// of it.
pub fn restore(
    store: &Store,
    wanted: &Wanted<'_>,
    restore: &Restore,
    detach: bool,
) -> Result<Ended> {
    let Manner { images, work, .. } = &restore.manner;
    let images = Images::find(images, work.as_deref())?;
    let mut folder = step_giving("remember the container", || store.begin(&wanted.id))?;
    let mut remembered = match create::find_cgroups(wanted) {
        Ok(cgroups) => create::remember(wanted, cgroups),
        Err(error) => return folder.remove().and(Err(error)),
    };
    remembered.restored = true;
    let back = bring_back(&folder, &mut remembered, wanted, restore, &images);
    let Back { mut init, master } = match back {
        Ok(back) => back,
        Err(error) => {
            if let Err(left) = delete::take_away(&folder, &remembered, Some(wanted.plan)) {
                let id = &wanted.id;
                primitives::say(&format!("note: something is left of {id}, delete it: {left}"));
            }
            return Err(error);
        }
    };
    folder.unlock();
    if detach {
        init.let_go();
        return Ok(Ended::Exited(0));
    }
    let _held = hold_signals();
    let ended = console::attend(&mut init, master);
    // Its end must be seen before its cgroup can be removed.
    drop(init);
    let cleaned = delete::after_run(folder, &remembered, wanted.plan);
    let status = ended?;
    cleaned.map(|()| status)
}
// ANCHOR_END: restore

// ANCHOR: bring_back
/// The list.
fn bring_back(
    folder: &Folder,
    remembered: &mut Remembered,
    wanted: &Wanted<'_>,
    restore: &Restore,
    images: &Images,
) -> Result<Back> {
    let plan = wanted.plan;
    root::check(plan)?;
    remembered.resctrl = resctrl::find(plan, wanted.id.as_str())?;
    step_giving("write down what will be there", || {
        folder.keep_config(wanted.config)?;
        folder.remember(remembered)
    })?;
    remembered.cgroups.make_birth_place()?;
    create::make_cgroups(&remembered.cgroups, plan)?;
    remembered.resctrl.iter().try_for_each(|group| group.make(plan))?;
    let namespaces = criu::joined_namespaces(plan)?;
    let criu = start_criu(remembered, plan, images, &namespaces)?;
    let options = options(remembered, wanted, restore, images, &namespaces, criu.pid())?;
    remembered.cgroups.register(criu.pid(), &plan.cgroup)?;
    let asked = criu.pid();
    let mut back = Returning { folder, remembered, wanted, criu: asked, init: None, master: None };
    let log = images.log(Work::Restore.log());
    step_giving("have the processes made again", || {
        criu.work(Work::Restore, &options, &log, |notice| back.hear(notice))
    })?;
    let Returning { init, master, .. } = back;
    let init = init.ok_or_else(|| Error::Unusable("criu has made no process".to_string()))?;
    let telling = &wanted.options;
    create::tell_engines(&init, telling.pid_file.as_deref(), telling.pidfd_socket.as_deref())?;
    step_giving("let it be seen", || folder.show_door(false))?;
    Ok(Back { init, master })
}
// ANCHOR_END: bring_back

/// criu, in the container's cgroups, where what it makes is born; and in a mount namespace of its own, where
/// the root is a mount, as criu wants it, and which is gone with it.
fn start_criu(
    remembered: &Remembered,
    plan: &Plan,
    images: &Images,
    namespaces: &[Joined],
) -> Result<Criu> {
    let cgroups = &remembered.cgroups;
    let directory = cgroups.birth_place()?;
    let cgroup = directory.as_ref().map(AsFd::as_fd);
    let birth = Birth { namespaces: Namespaces::CLONE_NEWNS, cgroup };
    let files: Vec<BorrowedFd<'_>> = namespaces.iter().map(|one| one.file.as_fd()).collect();
    Criu::start(birth, images, &files, || {
        cgroups.enter()?;
        root::cut_mount_ties(plan)?;
        let root = root::stand_up(plan)?;
        make_mount_points(&root, plan)
    })
}

/// The root may be a new one, in which nothing was ever mounted. What lies in another mount comes back with
/// that.
fn make_mount_points(root: &root::Root, plan: &Plan) -> Result<()> {
    for (index, mount) in plan.mounts.iter().enumerate() {
        let others = plan.mounts.iter().take(index);
        let lies_in = |other: &bundle::Mount| {
            mount.destination != other.destination
                && mount.destination.starts_with(&other.destination)
        };
        if others.into_iter().any(lies_in) {
            continue;
        }
        let is_file = match &mount.what {
            What::Bind { source, .. } => !source.is_dir(),
            _ => false,
        };
        step_giving("have something to mount on", || match is_file {
            true => root.make_file(&mount.destination).map(drop),
            false => root.make_directory(&mount.destination).map(drop),
        })?;
    }
    Ok(())
}

/// `criu_opts` in `rpc.proto`, with the numbers of its fields.
fn options(
    remembered: &Remembered,
    wanted: &Wanted<'_>,
    restore: &Restore,
    images: &Images,
    namespaces: &[Joined],
    criu: Pid,
) -> Result<Message> {
    const LOUD: i64 = 4;
    let plan = wanted.plan;
    let mut options = criu::common(images, plan, &restore.manner);
    options.flag("evasive_devices", 6, true);
    options.number("log_level", 9, LOUD);
    options.text("log_file", 10, Work::Restore.log());
    options.flag("notify_scripts", 12, true);
    options.flag("rst_sibling", 26, true);
    let cgroups = &remembered.cgroups;
    for (at, source) in criu::mounts_from_host(plan, &cgroups.mounts_inside())? {
        options.message("ext_mnt", 23, &criu::pair(&at, &source));
    }
    if !cgroups.is_empty() {
        // It is in the container's own by now; what the images say is where it was once.
        for (controllers, path) in cgroups_of(criu)? {
            let mut root = Message::default();
            if !controllers.is_empty() {
                root.text("ctrl", 1, &controllers);
            }
            root.text("path", 2, &path);
            options.message("cg_root", 25, &root);
        }
    }
    let descriptors = images.descriptors()?;
    let streams = (0..=2).zip(&descriptors).filter_map(|(number, descriptor)| {
        descriptor.held_outside().map(|name| (name.to_string(), number))
    });
    let inherited = (criu::FIRST_INHERITED..).map(i64::from);
    let namespaces = namespaces.iter().map(|one| one.name.to_string()).zip(inherited);
    for (name, number) in streams.chain(namespaces) {
        let mut inherited = Message::default();
        inherited.text("key", 1, &name);
        inherited.number("fd", 2, number);
        options.message("inherit_fd", 27, &inherited);
    }
    if let Some(profile) = &restore.lsm_profile {
        options.text("lsm_profile", 53, profile);
    }
    if let Some(context) = &restore.lsm_mount_context {
        options.text("lsm_mount_context", 63, context);
    }
    Ok(options)
}

/// A container on its way back.
struct Returning<'a> {
    folder: &'a Folder,
    remembered: &'a mut Remembered,
    wanted: &'a Wanted<'a>,
    criu: Pid,
    init: Option<Child>,
    master: Option<OwnedFd>,
}

impl Returning<'_> {
    /// Does what has to be done between two steps of criu's. Nothing of the container has run before the
    /// last of them.
    fn hear(&mut self, notice: Notice) -> Result<()> {
        match (notice.script.as_str(), notice.pid) {
            ("setup-namespaces", Some(pid)) => self.meet(pid),
            ("orphan-pts-master", _) => self.take_terminal(notice.files),
            (criu::LAST_MOMENT, _) => self.check(),
            _ => Ok(()),
        }
    }

    /// Its first process is there, and its namespaces, and nothing else.
    fn meet(&mut self, pid: Pid) -> Result<()> {
        let why = "be its parent, and mean no other process by its number";
        self.init = Some(Child::adopt("init", pid, why)?);
        // Before it makes the others, who are then in it too.
        self.remembered.resctrl.iter().try_for_each(|group| group.take(pid))?;
        step_giving("write down who it is", || {
            self.remembered.init = Known::of(pid);
            self.folder.remember(self.remembered)
        })?;
        let Wanted { id, plan, .. } = self.wanted;
        let told =
            state::for_hooks(id, Status::Creating, pid.as_raw(), &plan.bundle, &plan.annotations);
        hooks::run(Moment::Prestart, &plan.hooks.prestart, &told)?;
        hooks::run(Moment::CreateRuntime, &plan.hooks.create_runtime, &told)
    }

    /// The master of its terminal, which nobody had.
    fn take_terminal(&mut self, files: Vec<OwnedFd>) -> Result<()> {
        let Some(master) = files.into_iter().next() else { return Ok(()) };
        if self.wanted.plan.process.terminal == Terminal::None {
            return Ok(());
        }
        let socket = self.wanted.options.console_socket.as_deref();
        match socket {
            Some(socket) => step_giving("hand its terminal over", || {
                console::send(master.as_fd(), socket, b"/dev/ptmx")
            }),
            None => {
                step_giving("stand behind our own", || {
                    terminal::stand_behind_ours(master.as_fd())
                })?;
                self.master = Some(master);
                Ok(())
            }
        }
    }

    /// All that is in its cgroup or below its first process, without criu itself.
    fn came_back(&self, first: Pid) -> Vec<Pid> {
        let mut pids = self.remembered.cgroups.processes();
        pids.push(first);
        pids.extend(descendants_of(first));
        pids.sort_unstable();
        pids.dedup();
        let workers = descendants_of(self.criu);
        pids.retain(|pid| *pid != self.criu && !workers.contains(pid));
        pids
    }

    /// What may not run is ended here, before criu is, which holds it still.
    fn check(&mut self) -> Result<()> {
        let Some(first) = self.init.as_ref().map(Child::pid) else { return Ok(()) };
        let pids = self.came_back(first);
        let result = criu::check(&pids, self.wanted.plan);
        if result.is_err() {
            let why = "have nothing run that the configuration does not allow";
            // One that has ended meanwhile needs no end.
            pids.iter().for_each(|pid| drop(clean_up::kill(*pid, Signal::SIGKILL, why)));
        }
        result
    }
}
