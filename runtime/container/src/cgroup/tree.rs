//! What is below a cgroup?
//!
//! A container that may make cgroups may make them as deep as it likes, and by relative names deeper
//! than a path can say. Whoever could only name them by their paths would leave them behind, with the
//! processes in them.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Well below PATH_MAX, so that a file's name fits behind it.
const LONGEST: usize = 3000;

/// A directory, and what its path goes by.
#[derive(Clone, Debug)]
pub(super) struct Below {
    pub(super) path: PathBuf,
    /// Open as long as the path is used that begins with it.
    _from: Option<Rc<File>>,
}

/// A directory and all below it, from the top down.
pub(super) fn all_below(directory: &Path) -> Vec<Below> {
    let mut all = vec![Below { path: directory.to_path_buf(), _from: None }];
    let mut next = 0;
    while let Some(above) = all.get(next).cloned() {
        let above = shortened(above);
        let entries = fs::read_dir(&above.path).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        all.extend(
            directories.map(|entry| Below { path: entry.path(), _from: above._from.clone() }),
        );
        next += 1;
    }
    all
}

fn shortened(below: Below) -> Below {
    if below.path.as_os_str().len() < LONGEST {
        return below;
    }
    match File::open(&below.path) {
        Ok(open) => {
            let path = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
            Below { path, _from: Some(Rc::new(open)) }
        }
        Err(_) => below,
    }
}
