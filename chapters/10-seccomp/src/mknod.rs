//! Can a call be answered by somebody who may do what the caller may not?
//!
//! In a user namespace nobody makes device nodes: `mknod` is refused, whoever one is in there. But a
//! filter can hold the call back and let a supervisor decide. For a few harmless devices it does not
//! make the node, which it may not do either: it binds the one of this machine to the wanted place.
//!
//! The path lies in the memory of the process that calls, so it must be read from there, and the
//! process can change it at any moment. The supervisor works with its own copy, and never says "go on".

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use primitives::{
    Birth, Child, Errno, Error, IdMap, MsFlags, Namespaces, Notification, Pid, Reply, Result,
    Signal, Status, ToArg, ToParent, await_notification, become_program, chdir, create,
    deny_setgroups, fchdir, mount_bind, mount_change, mount_new, open_path, own_ids, pidfd_open,
    prctl_set_no_new_privs, seccomp_hand_over_listener, seccomp_notif_id_valid, seccomp_notif_recv,
    seccomp_notif_send, setns_of_process, spawn, step, step_giving, write_gid_map, write_uid_map,
};

use trace::Arg;

use crate::arch::Arch;
use crate::compile::compile;
use crate::profile::{Action, Compare, Op, Profile, Rule};

/// What a node may lead to, by its numbers: nothing that could harm anybody.
const HARMLESS: [(u64, u64, &str); 6] = [
    (1, 3, "null"),
    (1, 5, "zero"),
    (1, 7, "full"),
    (1, 8, "random"),
    (1, 9, "urandom"),
    (5, 0, "tty"),
];

// ANCHOR: supervise
/// Runs a program as root of namespaces of its own, and answers when it wants a device node.
pub(crate) fn supervise(command: &[OsString]) -> Result<Status> {
    let mut child = step_giving("make a child", || make(command))?;
    child.beside(map_root)?;
    step("let it go on", || child.release("tell the child that it is root now"))?;
    let listener = step_giving("hear its calls", || {
        child.receive_fd("be the one whom the kernel asks when it wants a node")
    })?;
    if let Err(error) = attend(&child, listener.as_fd()) {
        // Before the listener is closed, or the kernel tells who waits that there is no such call.
        drop(child);
        return Err(error);
    }
    step_giving("take its status", || child.finish("pass its exit code on"))
}
// ANCHOR_END: supervise

fn make(command: &[OsString]) -> Result<Child> {
    let namespaces = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS;
    let why = "have a process that is root, and yet may make no device node";
    let birth = Birth { namespaces, cgroup: None };
    spawn("child", birth, why, |parent| live(parent, command))
}

fn map_root(child: Pid) -> Result<()> {
    let (uid, gid) = own_ids();
    step("map root", || {
        deny_setgroups(Some(child), "be allowed to map a group")?;
        write_uid_map(Some(child), &[IdMap::one(0, uid)], "make root in there the same as us")?;
        write_gid_map(Some(child), &[IdMap::one(0, gid)], "make its group the same as ours")
    })
}

fn live(parent: &ToParent, command: &[OsString]) -> Result<u8> {
    step("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end when the one that answers its calls ends")
    })?;
    step_giving("wait for the maps", || parent.wait("not go on before we are root"))?;
    step("have a place of its own", || {
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount_change(Path::new("/"), private, "keep what is mounted here from everybody else")?;
        let (place, none) = (Path::new("/tmp"), MsFlags::empty());
        mount_new("own", place, "tmpfs", none, Some("mode=0755"), "write where nobody else sees")?;
        chdir(place, "start in it")
    })?;
    step("give up gaining rights", || {
        prctl_set_no_new_privs(
            "not let a setuid program be answered by somebody it does not expect",
        )
    })?;
    step_giving("be heard", || {
        let filter = compile(&nodes())?;
        let why = "hold back every wish for a character device";
        seccomp_hand_over_listener(parent, &filter, why, "let the parent answer it")
    })?;
    step_giving("become the program", || become_program(command, "run what was asked for"))
}

// ANCHOR: nodes
/// `mknod` also makes pipes and plain files, which anybody may: only a mode that says "character
/// device" is worth a question. The mode is in a register, so the filter can see it.
fn nodes() -> Profile {
    const KIND: u64 = 0o170_000;
    const CHARACTER: u64 = 0o020_000;
    let asks = |name: &str, index| Rule {
        names: vec![name.to_string()],
        action: Action::Notify,
        args: vec![Compare { index, op: Op::MaskedEq(KIND), value: CHARACTER }],
    };
    Profile::denying(vec![asks("mknod", 1), asks("mknodat", 2)])
}
// ANCHOR_END: nodes

fn attend(child: &Child, listener: BorrowedFd<'_>) -> Result<()> {
    while waits(child, listener)? {
        step_giving("answer", || answer(child, listener))?;
    }
    Ok(())
}

fn waits(child: &Child, listener: BorrowedFd<'_>) -> Result<bool> {
    let pidfd = child.pidfd().ok_or(Error::Unusable("there is no pidfd".into()))?;
    await_notification(listener, pidfd).map_err(|e| Error::Unusable(format!("poll: {e:?}")))
}

// ANCHOR: answer
/// Looks at one call, decides, and does what it asked for in its place.
fn answer(child: &Child, listener: BorrowedFd<'_>) -> Result<()> {
    let asked = seccomp_notif_recv(listener, "see who wants which node")?;
    let wish = read_wish(&asked);
    // Only now is it sure that what was read belongs to the process that still waits.
    let valid = seccomp_notif_id_valid(listener, asked.id);
    let reply = match wish {
        Some(wish) if valid => grant(child.pid(), &wish)?,
        _ => Reply::Errno(Errno::EPERM),
    };
    let why = "let it go on, with this as the result of its call";
    seccomp_notif_send(listener, asked.id, reply, why)
}
// ANCHOR_END: answer

/// A node that somebody wants.
struct Wish {
    /// Where a relative path starts.
    start: InProc,
    path: PathBuf,
    mode: u32,
    device: &'static str,
}

/// A file of `/proc/PID`, whose number the golden traces hide.
struct InProc {
    pid: Pid,
    file: String,
    whole: PathBuf,
}

impl InProc {
    fn new(pid: Pid, file: String) -> InProc {
        let whole = PathBuf::from(format!("/proc/{pid}/{file}"));
        InProc { pid, file, whole }
    }
}

impl AsRef<Path> for InProc {
    fn as_ref(&self) -> &Path {
        &self.whole
    }
}

impl ToArg for InProc {
    fn to_arg(&self) -> Arg {
        Arg::ProcPath { pid: self.pid.as_raw(), file: self.file.clone() }
    }
}

/// What the call asks for; none when it cannot be read, or is for a device that we do not give.
fn read_wish(asked: &Notification) -> Option<Wish> {
    let args = asked.call.args;
    let (directory, path, mode, device) = match Arch::native().call(asked.call.number)? {
        "mknod" => (None, args[0], args[1], args[2]),
        _ => (Some(args[0] as i32), args[1], args[2], args[3]),
    };
    // The number of a device as the kernel takes it: 12 bits for the driver, 20 for the unit.
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    let (_, _, device) = HARMLESS.into_iter().find(|known| (known.0, known.1) == (major, minor))?;
    let start = match directory {
        Some(fd) if fd >= 0 => format!("fd/{fd}"),
        _ => "cwd".to_string(),
    };
    let path = read_path(asked.pid, path)?;
    Some(Wish { start: InProc::new(asked.pid, start), path, mode: (mode & 0o777) as u32, device })
}

// ANCHOR: memory
/// A path in the memory of another process.
fn read_path(pid: Pid, address: u64) -> Option<PathBuf> {
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut bytes = [0; 4096];
    let length = memory.read_at(&mut bytes, address).ok()?;
    let end = bytes[..length].iter().position(|byte| *byte == 0)?;
    Some(PathBuf::from(OsStr::from_bytes(&bytes[..end])))
}
// ANCHOR_END: memory

// ANCHOR: grant
/// Somebody goes in with the rights that the child has in there, and with no more: all that it brings
/// along is the knowledge of what to do instead.
fn grant(supervised: Pid, wish: &Wish) -> Result<Reply> {
    let inside = pidfd_open(supervised, "name the namespaces to go to")?;
    let why = "have somebody who can go where the wish was made";
    let helper = spawn("helper", Birth::default(), why, |_| match put(inside.as_fd(), wish) {
        // The kernel's answer to us is the answer to the one who asked.
        Err(Error::Request(refusal)) if !refusal.here => Ok(refusal.errno as u8),
        other => other.map(|()| 0),
    })?;
    match helper.finish("see whether it is there")? {
        Status::Exited(0) => Ok(Reply::Value(0)),
        Status::Exited(errno) => Ok(Reply::Errno(Errno::from_raw(errno))),
        killed => Err(Error::Lost { role: "helper".into(), how: killed.to_string() }),
    }
}
// ANCHOR_END: grant

fn put(inside: BorrowedFd<'_>, wish: &Wish) -> Result<()> {
    step("go where it was asked", || {
        let kinds = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS;
        setns_of_process(inside, kinds, "have the rights of the one who asks")?;
        let start = open_path(&wish.start, "name the directory that the path starts from")?;
        fchdir(start.as_fd(), "start there as well")
    })?;
    step("put the device there", || {
        create(&wish.path, b"", wish.mode, "have a place to bind to")?;
        let device = Path::new("/dev").join(wish.device);
        mount_bind(&device, &wish.path, "let the machine's own node be seen there")
    })
}
