//! How does the new root become the root, with nothing left of the old one?

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use bundle::{Kind, Peers, Plan};
use primitives::{
    Errno, Error, MntFlags, MsFlags, Result, chdir, chroot, fchdir, mount_change, mount_move,
    mount_new, open_path, pivot_root, read_small, step, umount,
};

use super::answer;
use super::place::Root;

/// How the root is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// By pivot_root(2), which leaves nothing of the old root.
    #[default]
    Pivot,
    /// By moving the new root over the old one, and chroot(2): for a root that pivot_root refuses, such
    /// as that of an initramfs. What was mounted stays, out of reach as long as nobody breaks out.
    MoveAndChroot,
}

/// Makes the root the one of this process. Without a mount namespace of the container's own that can
/// only be by chroot(2).
///
/// # Errors
/// Those of the requests.
pub fn enter(root: &Root, plan: &Plan, way: Way) -> Result<()> {
    step("enter the root", || {
        if plan.namespaces.inherits(Kind::Mount) {
            fchdir(root.as_fd(), "stand in the new root")?;
            return change_root();
        }
        match way {
            Way::Pivot => pivot(root, plan),
            Way::MoveAndChroot => move_and_chroot(root, plan),
        }
    })
}

fn pivot(root: &Root, plan: &Plan) -> Result<()> {
    let here = Path::new(".");
    let old = old_root_that_is_shared(plan)?;
    fchdir(root.as_fd(), "stand in the new root, and call it \".\"")?;
    let why = "have it as the root of all paths, with the old one on top of it for a moment";
    pivot_root(here, here, why)?;
    if let Some(old) = old {
        fchdir(old.as_fd(), "stand in the old root once more")?;
        let why = "have the host keep its mounts when they go from here";
        mount_change(here, MsFlags::MS_SLAVE | MsFlags::MS_REC, why)?;
    }
    umount(here, MntFlags::MNT_DETACH, "have nothing left that one could walk back to")?;
    chdir(Path::new("/"), "stand in the root that is left")
}

/// The old root, where its mounts are still shared with the host.
fn old_root_that_is_shared(plan: &Plan) -> Result<Option<OwnedFd>> {
    match plan.root.propagation.peers {
        Peers::Shared => {
            open_path("/", "find the old root again when it is the root no more").map(Some)
        }
        _ => Ok(None),
    }
}

fn move_and_chroot(root: &Root, plan: &Plan) -> Result<()> {
    hide_what_shows_the_host(plan)?;
    fchdir(root.as_fd(), "stand in the new root, and call it \".\"")?;
    mount_move(Path::new("."), Path::new("/"), "lay it over the old root")?;
    change_root()
}

fn change_root() -> Result<()> {
    chroot(Path::new("."), "have it as the root of all paths of this process")?;
    chdir(Path::new("/"), "stand in it by its new name")
}

/// The old mounts stay in this namespace. Of proc and sysfs none may: who can see one that nothing
/// covers may mount a new one, and that would show everything.
fn hide_what_shows_the_host(plan: &Plan) -> Result<()> {
    let table = Path::new("/proc/self/mountinfo");
    let unreadable = |error| Error::Unusable(format!("{}: {error}", table.display()));
    let text = read_small(table).map_err(unreadable)?;
    let root = plan.root.path.canonicalize().unwrap_or_else(|_| plan.root.path.clone());
    for path in shows_the_host(&text, &root) {
        if plan.root.propagation.peers == Peers::Shared {
            let why = "have the host keep it when it goes from here";
            mount_change(&path, MsFlags::MS_SLAVE | MsFlags::MS_REC, why)?;
        }
        match umount(&path, MntFlags::MNT_DETACH, "show nothing of the host to who breaks out") {
            Ok(()) => {}
            // It is locked in a user namespace; what covers it is as good.
            Err(error) if matches!(answer(&error), Some(Errno::EINVAL | Errno::EPERM)) => {
                let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
                mount_new("tmpfs", &path, "tmpfs", flags, None, "cover what cannot be taken away")?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The mount points of proc and sysfs outside of the new root, the last mounted first.
fn shows_the_host(mountinfo: &str, root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in mountinfo.lines().rev() {
        let Some((mount, fs)) = line.split_once(" - ") else {
            continue;
        };
        let point = mount.split(' ').nth(4).map(plain).unwrap_or_default();
        let kind = fs.split(' ').next().unwrap_or_default();
        if matches!(kind, "proc" | "sysfs") && !point.starts_with(root) {
            found.push(point);
        }
    }
    found
}

/// A path without the octal numbers that proc_pid_mountinfo(5) has for blanks and the like.
fn plain(escaped: &str) -> PathBuf {
    let mut parts = escaped.split('\\');
    let mut path = parts.next().unwrap_or_default().to_string();
    for part in parts {
        match part.get(..3).and_then(|number| u8::from_str_radix(number, 8).ok()) {
            Some(byte) => {
                path.push(char::from(byte));
                path.push_str(&part[3..]);
            }
            None => path.push_str(part),
        }
    }
    PathBuf::from(path)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::shows_the_host;

    #[test]
    fn proc_and_sysfs_are_found_outside_of_the_root() {
        let table = "22 1 0:21 / /proc rw - proc proc rw\n\
                     23 1 0:22 / /sys rw shared:7 - sysfs sysfs rw\n\
                     24 1 0:23 / /a\\040b rw - proc proc rw\n\
                     25 1 0:24 / /root/proc rw - proc proc rw\n\
                     26 1 0:25 / /tmp rw - tmpfs tmpfs rw\n";
        let found = shows_the_host(table, Path::new("/root"));
        assert_eq!(found, ["/a b", "/sys", "/proc"].map(PathBuf::from));
    }
}
