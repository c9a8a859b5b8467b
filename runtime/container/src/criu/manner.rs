//! What do checkpoint and restore have in common on the command line? runc's words.

use std::path::{Path, PathBuf};

use bundle::Plan;

use super::images::Images;
use super::wire::Message;
use super::{IMAGES, WORK};

/// How criu shall go about it.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// Where the images are.
    pub images: PathBuf,
    /// Where criu works and keeps its log; without, it is where the images are.
    pub work: Option<PathBuf>,
    /// `--tcp-established`: connections are kept.
    pub tcp_established: bool,
    /// `--ext-unix-sk`: unix sockets whose other end is outside are allowed.
    pub ext_unix_sk: bool,
    /// `--shell-job`: a terminal of the host is allowed.
    pub shell_job: bool,
    /// `--file-locks`: locks are kept.
    pub file_locks: bool,
    /// `--empty-ns network`: the network namespace is made anew, with nothing in it.
    pub empty_network: bool,
    /// `--auto-dedup`: what a newer image has is taken out of the older one.
    pub auto_dedup: bool,
    /// `--lazy-pages`: memory is fetched when it is used.
    pub lazy_pages: bool,
    /// `--manage-cgroups-mode`.
    pub cgroups: CgroupMode,
}

/// What criu does about the cgroups that the container has made in its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CgroupMode {
    /// Makes those that are missing, and sets what they had where it made them.
    #[default]
    Soft,
    /// Makes those that are missing, and sets what they had.
    Full,
    /// As `Full`; one that is there already is an error.
    Strict,
    /// Nothing: all its processes are in the container's cgroup.
    Ignore,
}

impl CgroupMode {
    /// `criu_cg_mode` in `rpc.proto`.
    fn number(self) -> i64 {
        match self {
            CgroupMode::Ignore => 0,
            CgroupMode::Soft => 3,
            CgroupMode::Full => 4,
            CgroupMode::Strict => 5,
        }
    }
}

/// `CLONE_NEWNET`, as `--empty-ns` wants it.
const NETWORK: i64 = 0x4000_0000;

impl Manner {
    /// Says it in criu's words.
    pub(crate) fn say(&self, options: &mut Message) {
        options.flag("ext_unix_sk", 4, self.ext_unix_sk);
        options.flag("tcp_established", 5, self.tcp_established);
        options.flag("shell_job", 7, self.shell_job);
        options.flag("file_locks", 8, self.file_locks);
        options.flag("auto_dedup", 16, self.auto_dedup);
        options.flag("manage_cgroups", 24, true);
        options.number("manage_cgroups_mode", 34, self.cgroups.number());
        if self.empty_network {
            options.number("empty_ns", 38, NETWORK);
        }
        options.flag("lazy_pages", 48, self.lazy_pages);
        // Who sits at the terminal is outside, and is given the other end of the one that comes back.
        options.flag("orphan_pts_master", 50, true);
    }
}

/// What stands in every request: where the images are, where the root is, and what an administrator wants.
pub(crate) fn common(images: &Images, plan: &Plan, manner: &Manner) -> Message {
    let mut options = Message::default();
    options.number("images_dir_fd", 1, i64::from(IMAGES));
    if images.has_work() {
        options.number("work_dir_fd", 17, i64::from(WORK));
    }
    options.text("root", 13, &plan.root.path.to_string_lossy());
    if let Some(file) = config_file(plan) {
        options.text("config_file", 51, &file);
    }
    manner.say(&mut options);
    options
}

/// As in runc: what an annotation of the container names, else what an administrator has written for all.
fn config_file(plan: &Plan) -> Option<String> {
    const ANNOTATION: &str = "org.criu.config";
    const FOR_ALL: &str = "/etc/criu/runc.conf";
    match plan.annotations.get(ANNOTATION) {
        Some(file) => Some(file.clone()).filter(|file| !file.is_empty()),
        None => Path::new(FOR_ALL).exists().then(|| FOR_ALL.to_string()),
    }
}

/// A path and what stands for it: `ext_mount_map` in `rpc.proto`.
pub(crate) fn pair(key: &str, value: &str) -> Message {
    let mut pair = Message::default();
    pair.text("key", 1, key);
    pair.text("val", 2, value);
    pair
}
