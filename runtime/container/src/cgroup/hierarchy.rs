//! One directory of the container in one tree of cgroups.

use std::path::{Path, PathBuf};

use primitives::CgroupFile;
use serde::{Deserialize, Serialize};

/// A directory in a hierarchy, in the three parts that it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hierarchy {
    /// `cpu,cpuacct` or `name=systemd`; empty for the tree of v2.
    pub(super) controllers: String,
    /// Where the hierarchy is mounted.
    mount: PathBuf,
    /// The cgroup that ours is counted from: empty, or one that the runtime is in itself.
    home: PathBuf,
    /// Ours, from there on.
    inner: PathBuf,
    /// How many of the directories above ours were not there yet, and so go with it.
    pub(super) missing: usize,
    /// Whether nothing can be made here.
    #[serde(skip)]
    pub(super) readonly: bool,
}

impl Hierarchy {
    pub(super) fn new(
        controllers: &str,
        mount: impl Into<PathBuf>,
        home: impl Into<PathBuf>,
        inner: impl Into<PathBuf>,
    ) -> Hierarchy {
        let controllers = controllers.to_string();
        let (mount, home, inner) = (mount.into(), home.into(), inner.into());
        Hierarchy { controllers, mount, home, inner, missing: 0, readonly: false }
    }

    /// Our directory.
    pub(super) fn directory(&self) -> CgroupFile {
        CgroupFile::new(&self.mount, &self.home, &self.inner)
    }

    /// The absolute path of our directory.
    pub(super) fn path(&self) -> PathBuf {
        self.directory().path().to_path_buf()
    }

    /// One of the files in it.
    pub(super) fn file(&self, name: &str) -> CgroupFile {
        self.directory().join(name)
    }

    /// The directories above ours, from the bottom up, with the one that it is counted from.
    pub(super) fn above(&self) -> impl Iterator<Item = CgroupFile> {
        let above = self.inner.ancestors().skip(1);
        above.map(|path| CgroupFile::new(&self.mount, &self.home, path))
    }

    /// The directories above the one that it is counted from, from the top down.
    pub(super) fn outside(&self) -> Vec<CgroupFile> {
        let nothing = Path::new("");
        let above = self.home.ancestors().skip(1);
        let mut all: Vec<CgroupFile> =
            above.map(|path| CgroupFile::new(&self.mount, path, nothing)).collect();
        all.reverse();
        all
    }

    /// How many directories it is below the one that it is counted from.
    pub(super) fn depth(&self) -> usize {
        self.inner.components().count()
    }

    /// Whether it holds this controller.
    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.split(',').any(|own| own == controller)
    }

    /// What it is called below `/sys/fs/cgroup`: `cpu,cpuacct`, `systemd`.
    pub(super) fn name(&self) -> String {
        let name = self.mount.file_name().unwrap_or(self.controllers.as_ref());
        name.to_string_lossy().into_owned()
    }

    /// From now on it is one below, which was not made for the container.
    pub(super) fn lower(&mut self, path: &Path) {
        self.inner.push(path);
        self.missing = 0;
    }

    /// Ours, from the one that it is counted from on.
    pub(super) fn inner(&self) -> &Path {
        &self.inner
    }

    /// Where the whole of it is mounted.
    pub(super) fn mount(&self) -> &Path {
        &self.mount
    }
}
