//! What if somebody in the container moves while somebody outside works in it?
//!
//! To put a directory into a container that runs, as `docker cp` and volumes do, somebody outside looks
//! whether the place is what it should be, and then uses it. Between the two, the program in there can
//! exchange the place for a link that leads to something of the host. It need not be fast: it can try
//! as often as it likes. Here the two take turns, so that it succeeds the first time.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use primitives::{
    Birth, Child, Errno, Error, IdMap, MountAttrFlags, MsFlags, Namespaces, Result, Signal, Status,
    ToParent, chdir, chroot, create, deny_setgroups, fsconfig_create, fsmount, fsopen, mkdir,
    mount_new, move_mount_onto, open_path, openat2_in_root, own_ids, rename, spawn, step,
    step_giving, symlink, write_gid_map, write_uid_map,
};

use crate::{By, Swap};

/// The machine's own directory, the root of a container, and the place in it: all of it in a mount
/// namespace that is gone afterwards.
const HOST: &str = "/mnt/host";
const ROOT: &str = "/mnt/root";
const DATA: &str = "/mnt/root/data";

/// Mounts something in a container; ends with 0 when the host is as it was, and with 1 when it is not.
pub(crate) fn race(by: By, swap: Swap) -> Result<Status> {
    let birth =
        Birth { namespaces: Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS, cgroup: None };
    let ids = own_ids();
    let host = step_giving("make a host", || {
        spawn("host", birth, "have a machine to lose", |parent| play(parent, ids, by, swap))
    })?;
    step_giving("take its status", || host.finish("learn what has become of it"))
}

fn play(parent: &ToParent, ids: (u32, u32), by: By, swap: Swap) -> Result<u8> {
    step("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end when the one that watches ends")
    })?;
    step_giving("furnish it", || furnish(ids))?;
    let mut insider = step_giving("have somebody in there", || {
        let why = "have a program in the container that is awake";
        spawn("insider", Birth::default(), why, exchange_when_told)
    })?;
    if swap == Swap::BeforeLook {
        let_move(&mut insider)?;
    }
    let done = match by {
        By::Path => mount_by_path(&mut insider, swap),
        By::Descriptor => mount_by_descriptor(&mut insider, swap),
    };
    match done {
        // That is what this is about: it was not done, and here is why.
        Err(error) if is_an_answer(&error) => println!("refused: {error}"),
        other => other?,
    }
    step_giving("see the other one off", || insider.finish("leave no process behind"))?;
    Ok(u8::from(!look()))
}

/// What the kernel or we say of the place; that the window refuses is none of it.
fn is_an_answer(error: &Error) -> bool {
    match error {
        Error::Unusable(_) => true,
        Error::Request(refusal) => refusal.errno == Errno::ENOENT && !refusal.here,
        _ => false,
    }
}

fn furnish((uid, gid): (u32, u32)) -> Result<()> {
    deny_setgroups(None, "be allowed to map a group")?;
    write_uid_map(None, &[IdMap::one(0, uid)], "be root of this host")?;
    write_gid_map(None, &[IdMap::one(0, gid)], "have a group there")?;
    let none = MsFlags::empty();
    let why = "have a machine that is gone afterwards";
    mount_new("machine", Path::new("/mnt"), "tmpfs", none, Some("mode=0755"), why)?;
    for path in [HOST, ROOT, DATA] {
        mkdir(Path::new(path), 0o755, "have a host, a container, and a place in it")?;
    }
    let why = "see afterwards whether it is still there";
    create(&Path::new(HOST).join("passwd"), b"root of the host\n", 0o644, why)
}

// ANCHOR: insider
/// It lives in the container, and what it exchanges is its own. The link leads nowhere in there; it is
/// for somebody outside.
fn exchange_when_told(parent: &ToParent) -> Result<u8> {
    step("tie to the parent", || parent.tie(Signal::SIGKILL, "end when the host ends"))?;
    step("live in there", || {
        chroot(Path::new(ROOT), "see the container, and nothing else")?;
        chdir(Path::new("/"), "keep no foot outside")
    })?;
    step_giving("wait for the moment", || parent.wait("exchange it when it does harm"))?;
    step_giving("exchange the place", || {
        rename(Path::new("/data"), Path::new("/moved"), "have the name free")?;
        symlink(Path::new(HOST), Path::new("/data"), "lead whoever comes by name to the host")
    })?;
    parent.arrive("exchanged", "have the other one go on")?;
    Ok(0)
}
// ANCHOR_END: insider

fn let_move(insider: &mut Child) -> Result<()> {
    step_giving("let the other one move", || {
        insider.release("let it do what it would do in the right moment")?;
        insider.meet("exchanged", "go on when it has done it")
    })
}

// ANCHOR: by_path
/// Looks, and then uses the name once more: two lookups, and two answers.
fn mount_by_path(insider: &mut Child, swap: Swap) -> Result<()> {
    let place = Path::new(DATA);
    let is_directory = place.symlink_metadata().is_ok_and(|found| found.is_dir());
    println!("looked:  {DATA} is {}", if is_directory { "a directory" } else { "a link" });
    if !is_directory {
        return Err(Error::Unusable(format!("{DATA} is a link: nothing is mounted there")));
    }
    if swap == Swap::AfterLook {
        let_move(insider)?;
    }
    step_giving("mount by path", || {
        mount_new("volume", place, "tmpfs", MsFlags::empty(), None, "have a volume in there")
    })
}
// ANCHOR_END: by_path

// ANCHOR: by_descriptor
/// Looks once, in the root as its limit, and uses what was found, whatever is called by its name now.
fn mount_by_descriptor(insider: &mut Child, swap: Swap) -> Result<()> {
    let place = step_giving("find the place", || {
        let root = open_path(Path::new(ROOT), "have a limit for what is looked up in it")?;
        openat2_in_root(root.as_fd(), Path::new("data"), "mean what is found now, and in there")
    })?;
    println!("looked:  {DATA} is open");
    if swap == Swap::AfterLook {
        let_move(insider)?;
    }
    step_giving("mount by descriptor", || {
        let volume = a_volume()?;
        move_mount_onto(volume.as_fd(), place.as_fd(), "have a volume in there")
    })
}
// ANCHOR_END: by_descriptor

fn a_volume() -> Result<OwnedFd> {
    let fs = fsopen("tmpfs", "begin to describe a file system")?;
    fsconfig_create(fs.as_fd(), "have it made, while it is nowhere yet")?;
    fsmount(fs.as_fd(), MountAttrFlags::empty(), "have a mount of it that can be put somewhere")
}

/// Says where the volume is, and whether the host's file is still to be seen.
fn look() -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let ours = |path: &&str| [HOST, ROOT].iter().any(|folder| path.starts_with(folder));
    let mut places = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    match places.rfind(ours) {
        Some(path) => println!("mounted: at {path}"),
        None => println!("mounted: nowhere"),
    }
    let is_there = Path::new(HOST).join("passwd").exists();
    println!("host:    passwd is {}", if is_there { "there" } else { "GONE" });
    is_there
}
