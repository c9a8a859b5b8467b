//! Files of cgroups: paths whose first part differs from machine to machine.

use std::path::{Path, PathBuf};

use nix::unistd::Pid;
use trace::Arg;

use crate::args::ToArg;
use crate::call;
use crate::error::Result;
use crate::files::write_once;
use crate::gate::perform;

/// A directory or file of a cgroup hierarchy, in the three parts that it is made of.
///
/// The trace shows it whole; golden traces hide the second part, which is the cgroup that this
/// process happens to be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupFile {
    mount: PathBuf,
    own: PathBuf,
    file: PathBuf,
    whole: PathBuf,
}

impl CgroupFile {
    /// `file` below the cgroup `own` (as in `/proc/self/cgroup`) of the hierarchy that is mounted at
    /// `mount`.
    pub fn new(mount: &Path, own: &Path, file: &Path) -> CgroupFile {
        // A path that begins with a slash would replace what it is joined to.
        let own = own.strip_prefix("/").unwrap_or(own).to_path_buf();
        let file = file.strip_prefix("/").unwrap_or(file).to_path_buf();
        let mut whole = mount.to_path_buf();
        for part in [&own, &file] {
            // Nothing would be a slash at the end.
            if !part.as_os_str().is_empty() {
                whole.push(part);
            }
        }
        CgroupFile { mount: mount.to_path_buf(), own, file, whole }
    }

    /// Something in this directory.
    pub fn join(&self, name: impl AsRef<Path>) -> CgroupFile {
        CgroupFile::new(&self.mount, &self.own, &self.file.join(name))
    }

    /// The whole path.
    pub fn path(&self) -> &Path {
        &self.whole
    }
}

impl AsRef<Path> for CgroupFile {
    fn as_ref(&self) -> &Path {
        &self.whole
    }
}

impl ToArg for CgroupFile {
    fn to_arg(&self) -> Arg {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Arg::CgroupPath { mount: text(&self.mount), own: text(&self.own), file: text(&self.file) }
    }
}

/// Writes the number of a process into a file, such as `cgroup.procs`: the process moves there, with
/// all that it makes from then on.
///
/// - man: cgroups(7)
/// - since: Linux 2.6.24; cgroup v2 since 4.5
/// - EBUSY: (v2) the cgroup has controllers for its children enabled, so it cannot hold a process itself
/// - EACCES: this user may write to the new cgroup, but not to the one above both the old and the new
/// - ESRCH: the process has ended
/// - EOPNOTSUPP: (v2) the cgroup is threaded
/// - ENOSPC: (v1) a cpuset without processors or memory can hold nobody
#[track_caller]
pub fn write_pid(
    file: &(impl AsRef<Path> + ToArg + ?Sized),
    pid: Pid,
    why: &'static str,
) -> Result<()> {
    let shown = Arg::PidText(pid.as_raw());
    perform(call!("write" as "write_pid", file, shown), why, || {
        write_once(file.as_ref(), pid.to_string().as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::CgroupFile;
    use crate::ToArg;

    #[test]
    fn no_part_of_the_path_replaces_what_stands_before_it() {
        let mount = Path::new("/sys/fs/cgroup/memory");
        let file = CgroupFile::new(mount, Path::new("/a/b"), Path::new("/box")).join("tasks");
        assert_eq!(file.path(), Path::new("/sys/fs/cgroup/memory/a/b/box/tasks"));
        assert_eq!(file.to_arg().to_string(), "\"/sys/fs/cgroup/memory/a/b/box/tasks\"");
        let root = CgroupFile::new(mount, Path::new("/"), Path::new("box"));
        assert_eq!(root.path(), Path::new("/sys/fs/cgroup/memory/box"));
        assert_eq!(root.to_arg().to_string(), "\"/sys/fs/cgroup/memory/box\"");
    }
}
