//! A program that makes every request for which there is a primitive, so that each of them has a
//! golden trace, is held against strace and is refused once, before a chapter uses it.

#[path = "tour/doors.rs"]
mod doors;
#[path = "tour/wires.rs"]
mod wires;

use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use primitives::{
    Birth, Capabilities, CapabilitySets, Form, IdMap, MntFlags, MountAttrFlags, MsFlags,
    Namespaces, Recursive, Result, SecureBits, Signal, Status, ToParent, WindowArgs,
};

/// Makes every request that there is a primitive for, by subject.
#[derive(Parser)]
struct Cli {
    /// What to go through
    #[arg(value_enum)]
    subject: Subject,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Subject {
    /// Signals, pidfds, prctls, descriptors, meeting points
    Processes,
    /// Process groups, signals that are waited for, a terminal
    Jobs,
    /// Host and domain name, joining namespaces, ids
    Namespaces,
    /// Files and directories, and a path that cannot lead out
    Files,
    /// Owners, permissions, times, attributes and further names of files
    Metadata,
    /// Mounts by mount(2)
    Mounts,
    /// Mounts by the new mount API
    MountApi,
    /// Changing the root by pivot_root
    Root,
    /// Capabilities, secure bits and limits
    Capabilities,
    /// A device node, which takes real root
    Device,
    /// A process that is born in a cgroup v2, which takes real root
    Cgroup,
    /// Filters of system calls, and calls that somebody else answers
    Doors,
    /// Landlock
    Landlock,
    /// Network devices, addresses and routes
    Wires,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| tour(cli.subject))
}

fn tour(subject: Subject) -> Result<Status> {
    let none = Namespaces::empty();
    let views = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS | Namespaces::CLONE_NEWUTS;
    match subject {
        Subject::Processes => processes(),
        Subject::Jobs => inside(Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWPID, jobs),
        Subject::Namespaces => inside(views, namespaces),
        Subject::Files => inside(views, files),
        Subject::Metadata => inside(views, metadata),
        Subject::Mounts => inside(views, mounts),
        Subject::MountApi => inside(views, mount_api),
        Subject::Root => inside(views, root),
        Subject::Capabilities => inside(views, capabilities),
        Subject::Device => inside(none, device),
        Subject::Cgroup => cgroup(),
        Subject::Doors => doors::doors(),
        Subject::Landlock => doors::landlock(),
        Subject::Wires => {
            inside(Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNET, wires::wires)
        }
    }
}

/// Runs `body` in a child in new namespaces, as root of them.
fn inside(kinds: Namespaces, body: fn() -> Result<()>) -> Result<Status> {
    let (uid, gid) = primitives::own_ids();
    let birth = Birth { namespaces: kinds, cgroup: None };
    let mut child = primitives::step_giving("make a child", || {
        primitives::spawn("child", birth, "have a place of its own to try things in", |parent| {
            primitives::step("wait for the maps", || parent.wait("be root in here"))?;
            primitives::step("try", body)?;
            Ok(0)
        })
    })?;
    if kinds.contains(Namespaces::CLONE_NEWUSER) {
        child.beside(|pid| {
            primitives::step("map root", || {
                primitives::deny_setgroups(Some(pid), "be allowed to map a group")?;
                primitives::write_uid_map(Some(pid), &[IdMap::one(0, uid)], "be root in there")?;
                primitives::write_gid_map(Some(pid), &[IdMap::one(0, gid)], "be root in there")
            })
        })?;
    }
    primitives::step("let it go on", || child.release("tell it that it is root"))?;
    primitives::step_giving("take its status", || child.finish("see whether all went well"))
}

fn processes() -> Result<Status> {
    let mut child = primitives::step_giving("make a child", || {
        primitives::spawn("child", Birth::default(), "have somebody to signal", live_and_wait)
    })?;
    primitives::step("meet the child", || child.meet("ready", "not signal it too early"))?;
    let pid = child.pid();
    primitives::step("signal it", || {
        let pidfd = primitives::pidfd_open(pid, "mean this process and no other")?;
        let why = "see that a signal is sent by descriptor";
        primitives::pidfd_send_signal(pidfd.as_fd(), Signal::SIGCONT, why)?;
        // A signal that ends nobody: how far a process gets before it is killed is never the same.
        primitives::kill(pid, Signal::SIGCONT, "see that it is sent by number too")
    })?;
    primitives::step("let it go on", || child.release("let it end by itself"))?;
    primitives::step_giving("take its status", || child.finish("see that it has ended well"))
}

fn live_and_wait(parent: &ToParent) -> Result<u8> {
    primitives::step("settle", || {
        primitives::prctl_set_pdeathsig(Signal::SIGKILL, "end with its parent")?;
        primitives::prctl_set_child_subreaper("adopt orphans")?;
        primitives::prctl_set_no_new_privs("gain no rights by execve")?;
        primitives::setsid("have no terminal")?;
        let out = std::io::stdout();
        primitives::dup2(out.as_fd(), 2, "send errors where the output goes")?;
        primitives::close_range_on_exec(3, "hand on nothing else")
    })?;
    primitives::step("say so", || parent.arrive("ready", "let the parent signal it"))?;
    primitives::step("wait", || parent.wait("be there when the signal comes"))?;
    Ok(0)
}

/// In a pid namespace of its own, of which this is process 1: so it may signal everybody.
fn jobs() -> Result<()> {
    let awaited = [Signal::SIGCHLD, Signal::SIGUSR1];
    primitives::block_signals(&awaited, "be told of one after the other")?;
    primitives::setsid("have no terminal, and be allowed to get one")?;
    let pty = primitives::openpty("have a terminal")?;
    primitives::set_controlling_terminal(pty.slave.as_fd(), "be who the terminal talks to")?;
    let why = "have somebody in a group of its own";
    let child = primitives::spawn("grandchild", Birth::default(), why, |parent| {
        primitives::unblock_signals(&[Signal::SIGUSR1], "be reached by it")?;
        parent.wait("be there when the signals come")?;
        Ok(0)
    })?;
    let none = primitives::wait_any_ended("see that nobody has ended yet")?;
    assert!(none.is_none(), "the child waits");
    primitives::setpgid(child.pid(), child.pid(), "let it be a job")?;
    primitives::tcsetpgrp(pty.slave.as_fd(), child.pid(), "let it have the keyboard")?;
    primitives::kill_group(child.pid(), Signal::SIGSTOP, "put the whole job to sleep")?;
    primitives::wait_for_signal(&[Signal::SIGCHLD], "hear that it sleeps")?;
    primitives::wait_any_changed("learn what has put it to sleep")?;
    primitives::kill_group(child.pid(), Signal::SIGCONT, "wake the whole job")?;
    primitives::wait_for_signal(&[Signal::SIGCHLD], "hear that it is awake")?;
    primitives::kill_all(Signal::SIGCONT, "wake everybody")?;
    primitives::kill(primitives::getpid(), Signal::SIGUSR1, "have a signal to take")?;
    primitives::wait_for_signal(&[Signal::SIGUSR1], "take it when it suits us")?;
    let mut child = child;
    child.release("let it end")?;
    primitives::wait_for_signal(&[Signal::SIGCHLD], "hear that it has ended")?;
    child.watch_it_go()?;
    let ended = primitives::wait_any_ended("take its status without waiting")?;
    child.let_go();
    match ended.map(|ended| ended.status) {
        Some(Status::Exited(0)) => Ok(()),
        other => Err(primitives::Error::Unusable(format!("the grandchild: {other:?}"))),
    }
}

fn namespaces() -> Result<()> {
    primitives::sethostname("tour", "have a name")?;
    primitives::setdomainname("example", "have a domain")?;
    let uts = open(Path::new("/proc/self/ns/uts"))?;
    primitives::unshare(Namespaces::CLONE_NEWUTS, "leave the first name")?;
    let back = "come back to the first name";
    primitives::setns(uts.as_fd(), Namespaces::CLONE_NEWUTS, back)?;
    let me = primitives::pidfd_open(primitives::getpid(), "name this process itself")?;
    let why = "join one's own, which changes nothing";
    primitives::setns_of_process(me.as_fd(), Namespaces::CLONE_NEWUTS, why)?;
    primitives::setresgid(0, "be group root by name")?;
    primitives::setresuid(0, "be root by name")
}

fn open(path: &Path) -> Result<std::os::fd::OwnedFd> {
    primitives::open_namespace(path).map_err(|e| primitives::Error::Unusable(e.to_string()))
}

/// An empty place that nobody else sees: a tmpfs over /mnt.
fn empty_place() -> Result<&'static Path> {
    let place = Path::new("/mnt");
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    primitives::mount_change(Path::new("/"), private, "keep mounts from spreading")?;
    let none = MsFlags::empty();
    primitives::mount_new("tour", place, "tmpfs", none, Some("mode=0700"), "have an empty place")?;
    Ok(place)
}

fn files() -> Result<()> {
    let place = empty_place()?;
    primitives::chdir(place, "start paths from there")?;
    primitives::mkdir(Path::new("etc"), 0o755, "have a directory")?;
    primitives::create(Path::new("etc/motd"), b"hello\n", 0o644, "have a file")?;
    primitives::write(Path::new("etc/motd"), "HELLO", "change it in place")?;
    primitives::symlink(Path::new("/etc/motd"), Path::new("link"), "have an absolute link")?;
    let root = primitives::open_path(place, "have a root to start from")?;
    let path = Path::new("../../link");
    let inside = primitives::openat2_in_root(root.as_fd(), path, "follow it without leaving")?;
    drop(inside);
    let made = primitives::mkdtemp(place, "tmp-", "have a name that nobody has")?;
    primitives::rmdir(&made, "remove it again")?;
    primitives::unlink(Path::new("link"), "remove the link")?;
    primitives::fchdir(root.as_fd(), "come back by descriptor")?;
    let why = "have a file that nobody finds";
    let unnamed = primitives::create_unnamed(Path::new("etc"), b"whole\n", 0o644, why)?;
    primitives::link_fd(unnamed.as_fd(), Path::new("etc/whole"), "let it be found")?;
    primitives::memfd_create_inheritable("tour", b"x", "have a file without a name").map(drop)
}

fn metadata() -> Result<()> {
    let place = empty_place()?;
    primitives::chdir(place, "start paths from there")?;
    primitives::umask(0o27, "decide who may read what is made here")?;
    let (file, other) = (Path::new("file"), Path::new("other"));
    primitives::create(file, b"hello\n", 0o666, "have a file")?;
    primitives::lchown(file, 0, 0, "give it to root, who has it already")?;
    primitives::chmod(file, 0o4711, "let others run it as its owner")?;
    let then = primitives::Timestamp { seconds: 1_000_000_000, nanos: 123_456_789 };
    primitives::utimensat(file, then, "let it look old")?;
    primitives::lsetxattr(file, "security.porthole", b"seen", "let it carry a note")?;
    primitives::lremovexattr(file, "security.porthole", "let it carry none")?;
    primitives::link(file, other, "call it by a second name")?;
    primitives::rename(other, Path::new("third"), "call it by a third")?;
    primitives::mkfifo(Path::new("fifo"), 0o600, "have a pipe with a name")
}

fn mounts() -> Result<()> {
    let place = empty_place()?;
    let (one, two) = (place.join("one"), place.join("two"));
    primitives::mkdir(&one, 0o755, "have a mount point")?;
    primitives::mkdir(&two, 0o755, "have another")?;
    primitives::mount_bind(place, &one, "see the same directory twice")?;
    primitives::mount_remount(&one, MsFlags::MS_RDONLY, "see it read-only here")?;
    primitives::mount_move(&one, &two, "see it elsewhere")?;
    primitives::umount(&two, MntFlags::MNT_DETACH, "see it no more")
}

fn mount_api() -> Result<()> {
    let place = empty_place()?;
    let target = place.join("new");
    primitives::mkdir(&target, 0o755, "have a mount point")?;
    let fs = primitives::fsopen("tmpfs", "begin to describe a file system")?;
    primitives::fsconfig_set(fs.as_fd(), "mode", "0755", "say who may enter")?;
    primitives::fsconfig_flag(fs.as_fd(), "inode64", "number its files in 64 bits")?;
    primitives::fsconfig_create(fs.as_fd(), "make it as described")?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID;
    let mount = primitives::fsmount(fs.as_fd(), attributes, "have a mount of it")?;
    primitives::move_mount(mount.as_fd(), &target, "attach it")?;
    let copy = primitives::open_tree(&target, "copy the mount")?;
    let read_only = MountAttrFlags::MOUNT_ATTR_RDONLY;
    let why = "make the copy read-only before anybody sees it";
    primitives::mount_setattr(copy.as_fd(), read_only, Recursive::Yes, why)?;
    let on_it = primitives::open_path(&target, "hold the place itself")?;
    primitives::move_mount_onto(copy.as_fd(), on_it.as_fd(), "lay the copy over it")
}

fn root() -> Result<()> {
    let place = empty_place()?;
    primitives::chdir(place, "stand in the new root")?;
    let here = Path::new(".");
    primitives::pivot_root(here, here, "make it the root")?;
    primitives::umount(here, MntFlags::MNT_DETACH, "drop the old root, now under our feet")?;
    primitives::chroot(here, "see it as the root by the older way too")?;
    primitives::chdir(Path::new("/"), "stand in it")
}

fn capabilities() -> Result<()> {
    let limit = primitives::Limit { soft: Some(64), hard: Some(64) };
    let files = primitives::Resource::named("RLIMIT_NOFILE").expect("a resource");
    primitives::prlimit(None, files, limit, "open few files")?;
    let size = primitives::Limit { soft: Some(1 << 20), hard: Some(1 << 30) };
    let file = primitives::Resource::named("RLIMIT_FSIZE").expect("a resource");
    primitives::prlimit(Some(primitives::getpid()), file, size, "write small files")?;
    let raw = Capabilities::named("CAP_NET_RAW").expect("a capability");
    let two = raw.and(Capabilities::named("CAP_CHOWN").expect("another"));
    primitives::prctl_capbset_drop(Capabilities::all().without(two), "never have the others")?;
    let bits = SecureBits::SECBIT_NOROOT | SecureBits::SECBIT_NOROOT_LOCKED;
    primitives::prctl_set_securebits(bits, "be nobody special")?;
    primitives::prctl_set_keepcaps("keep them with other ids")?;
    let sets = CapabilitySets { effective: raw, permitted: two, inheritable: two };
    primitives::capset(sets, "have two, and one of them switched on")?;
    primitives::prctl_cap_ambient_raise(two, "hand them on")?;
    primitives::prctl_cap_ambient_clear_all("hand on none, after all")?;
    primitives::capset(CapabilitySets::default(), "have none")
}

fn device() -> Result<()> {
    let kinds = Namespaces::CLONE_NEWNS;
    primitives::unshare(kinds, "mount where nobody sees it")?;
    let place = empty_place()?;
    primitives::mknod_block(&place.join("loop"), 0o600, (7, 0), "have a door to a disk")?;
    primitives::mknod_character(&place.join("null"), 0o666, (1, 3), "have a door to nowhere")?;
    primitives::setgroups(&[], "be in no group")
}

fn cgroup() -> Result<Status> {
    let unified = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(Path::new);
    let parent = unified.into_iter().find(|path| path.join("cgroup.procs").exists());
    let parent = parent.ok_or_else(|| primitives::Error::Unusable("no cgroup v2 here".into()))?;
    let group = Group::make(parent)?;
    let directory = primitives::step_giving("open it", || {
        primitives::open_path(&group.0, "name it to clone3")
    })?;
    let child = primitives::step_giving("make a child", || {
        let birth = Birth { namespaces: Namespaces::empty(), cgroup: Some(directory.as_fd()) };
        primitives::spawn("child", birth, "have a process that is born in it", |_| {
            let text = primitives::read_small(Path::new("/proc/self/cgroup")).unwrap_or_default();
            let inside =
                text.lines().any(|line| line.starts_with("0::") && line.contains("/tour-"));
            println!("born in the cgroup: {inside}");
            Ok(0)
        })
    })?;
    primitives::step_giving("take its status", || child.finish("empty the cgroup"))
}

/// A cgroup that is removed when it is not needed any more, whatever happened.
struct Group(std::path::PathBuf);

impl Group {
    fn make(parent: &Path) -> Result<Group> {
        let why = "have a cgroup of our own";
        primitives::step_giving("make a cgroup", || primitives::mkdtemp(parent, "tour-", why))
            .map(Group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let call = primitives::call!("rmdir", self.0);
        let _ = primitives::rescue(call, "leave no cgroup behind", || {
            std::fs::remove_dir(&self.0)
                .map_err(|e| primitives::Errno::from_raw(e.raw_os_error().unwrap_or_default()))
        });
    }
}
