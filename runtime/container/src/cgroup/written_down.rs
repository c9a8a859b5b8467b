//! What does criu have to know of a container's cgroups?

use std::path::{Path, PathBuf};

use primitives::{Error, Pid, Result, read_small};

use super::Cgroups;

impl Cgroups {
    /// The directory by whose freezer all of the container stands still.
    pub(crate) fn freezing_directory(&self) -> Option<PathBuf> {
        let freezer = self.freezer()?;
        let file = freezer.file().path();
        file.exists().then(|| file.parent().map(Path::to_path_buf)).flatten()
    }
}

/// The cgroups that a process is in: controllers, none for v2's tree, and the path as the kernel has it,
/// whatever part of the tree is mounted where.
///
/// # Errors
/// It has ended.
pub(crate) fn cgroups_of(pid: Pid) -> Result<Vec<(String, String)>> {
    let path = format!("/proc/{pid}/cgroup");
    let text = read_small(Path::new(&path))
        .map_err(|error| Error::Unusable(format!("{path}: {error}")))?;
    let line = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?.to_string(), parts.next()?.to_string()))
    };
    Ok(text.lines().filter_map(line).collect())
}
