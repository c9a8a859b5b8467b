//! What are the standard streams of a container connected to, and to what when it comes back?
//!
//! A pipe has somebody at its other end, and a file that the container's output goes to, or /dev/null of
//! the host, lies in no mount of the container. Both belong to whoever has started it. At restore the
//! stream of the same number of this command stands for them, as it would for a new container.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use primitives::{Error, Pid, Result, read_small};
use serde::{Deserialize, Serialize};

use super::external::{shown, table};

/// One of them, by its name in the image: for a pipe `pipe:[77]`, as its link in `/proc/PID/fd` has it, and
/// for a file outside `file[1a:2f]`, its mount and its inode; for anything else the link, which says
/// nothing to criu. The form is runc's, who knows pipes alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Descriptor(String);

impl Descriptor {
    /// Its name, if it is a file outside of the container.
    pub(crate) fn file_outside(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|name| name.starts_with("file["))
    }

    /// Its name, if somebody outside has it.
    pub(crate) fn held_outside(&self) -> Option<&str> {
        let is_pipe = self.0.starts_with("pipe:[");
        self.file_outside().or(is_pipe.then_some(self.0.as_str()))
    }
}

/// The standard streams of a process, as far as they are open.
///
/// # Errors
/// The process has ended.
pub(crate) fn streams_of(pid: Pid) -> Result<Vec<Descriptor>> {
    let path = format!("/proc/{pid}/mountinfo");
    let text = read_small(Path::new(&path))
        .map_err(|error| Error::Unusable(format!("{path}: {error}")))?;
    let mounts = table(&text);
    let stream = |number: u32| {
        let file = format!("/proc/{pid}/fd/{number}");
        let link = fs::read_link(&file).map(|link| shown(&link)).unwrap_or_default();
        let outside = place(pid, number, &file).filter(|(mount, _)| {
            link.starts_with('/') && mounts.iter().all(|line| line.id != *mount)
        });
        Descriptor(match outside {
            Some((mount, inode)) => format!("file[{mount:x}:{inode:x}]"),
            None => link,
        })
    };
    Ok((0..=2).map(stream).collect())
}

/// In which mount it lies, and its number there. A terminal is no such file: criu has other ways for it.
fn place(pid: Pid, number: u32, file: &str) -> Option<(u64, u64)> {
    const NULL: u64 = 1 << 8 | 3;
    let found = fs::metadata(file).ok()?;
    if !found.is_file() && found.rdev() != NULL {
        return None;
    }
    let told = read_small(Path::new(&format!("/proc/{pid}/fdinfo/{number}"))).ok()?;
    let mount = told.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    Some((mount.trim().parse().ok()?, found.ino()))
}

#[cfg(test)]
mod tests {
    use super::Descriptor;

    #[test]
    fn what_is_outside_is_known_by_its_name() {
        let of = |name: &str| Descriptor(name.to_string());
        assert_eq!(of("pipe:[77]").held_outside(), Some("pipe:[77]"));
        assert_eq!(of("file[1a:2f]").held_outside(), Some("file[1a:2f]"));
        assert_eq!(of("/dev/pts/0").held_outside(), None);
        assert_eq!(of("pipe:[77]").file_outside(), None);
    }
}
