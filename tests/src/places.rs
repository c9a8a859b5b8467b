//! As whom does a program run?

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Who runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Root of this machine, or of the lab.
    Root,
    /// An ordinary user.
    User,
}

/// The user that has no name on any machine and no rights: "nobody".
pub const NOBODY: u32 = 65534;

impl Place {
    /// The folder of its golden files, and its name in the list of tests.
    pub fn name(self) -> &'static str {
        match self {
            Place::Root => "root",
            Place::User => "user",
        }
    }

    /// Those that are possible from here: root can also be an ordinary user.
    pub fn possible() -> Vec<Place> {
        match is_root() {
            true => vec![Place::Root, Place::User],
            false => vec![Place::User],
        }
    }

    /// Whether the test process has to change its user for it.
    pub fn is_other_user(self) -> bool {
        self == Place::User && is_root()
    }
}

/// Whether the tests themselves run as root, with the power to be somebody else.
pub fn is_root() -> bool {
    primitives::own_ids().0 == 0
}

/// Whether this machine has cgroup v2 alone; else its controllers belong to v1.
pub fn has_unified_cgroups() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// Whether this kernel has Landlock, and it was switched on at boot.
pub fn has_landlock() -> bool {
    primitives::landlock_abi().is_some()
}

/// Whether this is a Linux that runs as a program of another one.
fn is_user_mode_linux() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("User Mode Linux"))
}

/// What this machine lacks for a program with these arguments; none when it can run here.
pub fn missing(args: &[&str], place: Place) -> Option<&'static str> {
    let asks_for = |words: &[&str]| args.iter().any(|arg| words.contains(arg));
    if !has_user_namespaces(place) {
        return Some("user namespaces (lab doctor says what forbids them)");
    }
    if asks_for(&["land", "landlock"]) && !has_landlock() {
        return Some("Landlock in the kernel");
    }
    if asks_for(&["record"]) && is_user_mode_linux() {
        return Some("another kernel than User-Mode Linux, under which a recording does not end");
    }
    // With a program of the reader's it is another one, which takes no rules.
    if asks_for(&["publish"]) && !asks_for(&["--"]) && !has_nftables() {
        return Some("nft, and nf_tables in the kernel (Debian: apt-get install nftables)");
    }
    if asks_for(&["slirp4netns"]) && !has_slirp() {
        return Some("slirp4netns and /dev/net/tun (Debian: apt-get install slirp4netns)");
    }
    None
}

/// Whether packets can be given other addresses. The lab's kernel has no nf_tables that works.
fn has_nftables() -> bool {
    let found = has_program("nft") || Path::new("/usr/sbin/nft").exists();
    found && !is_user_mode_linux()
}

fn has_slirp() -> bool {
    has_program("slirp4netns") && Path::new("/dev/net/tun").exists()
}

/// Whether a program can be found by `PATH`.
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// Whether somebody in `place` may make user namespaces here. A kernel can forbid it in several ways,
/// so it is tried.
pub fn has_user_namespaces(place: Place) -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    static USER: OnceLock<bool> = OnceLock::new();
    let known = if place == Place::Root { &ROOT } else { &USER };
    *known.get_or_init(|| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "true"]).stderr(Stdio::null());
        if place.is_other_user() {
            command.uid(NOBODY).gid(NOBODY);
        }
        // Without util-linux it cannot be tried, and then the tests themselves will tell.
        command.status().map_or(true, |status| status.success())
    })
}
