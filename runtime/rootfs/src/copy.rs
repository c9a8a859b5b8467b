//! How is a directory copied, so that nobody can tell the copy from it?

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use primitives::{
    Error, Result, create, link, mkdir, mkfifo, mknod_block, mknod_character, symlink,
};

use crate::metadata::{self, Owners, Wanted, settle};
use crate::unusable;

/// Copies everything below `from` into `to`, which is empty, and says what `from` itself is like.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<Wanted> {
    let true_path = |path: &Path| fs::canonicalize(path).map_err(|e| unusable(path.display(), e));
    let (source, target) = (true_path(from)?, true_path(to)?);
    if target.starts_with(&source) {
        return Err(Error::Unusable(format!(
            "{} lies in {}: the copy would have to hold itself",
            to.display(),
            from.display()
        )));
    }
    let mut copy = Copy { owners: Owners::known(), seen: BTreeMap::new() };
    copy.children(from, to)?;
    let metadata = fs::metadata(from).map_err(|e| unusable(from.display(), e))?;
    metadata::of(&source, &metadata)
}

struct Copy {
    owners: Owners,
    /// Files with several names, by device and inode: where the first copy lies.
    seen: BTreeMap<(u64, u64), PathBuf>,
}

impl Copy {
    fn children(&mut self, from: &Path, to: &Path) -> Result<()> {
        let entries = fs::read_dir(from).map_err(|e| unusable(from.display(), e))?;
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(|e| unusable(from.display(), e))?.file_name());
        }
        // One order for every run: directories have none that could be relied upon.
        names.sort();
        names.iter().try_for_each(|name| self.entry(&from.join(name), &to.join(name)))
    }

    fn entry(&mut self, from: &Path, to: &Path) -> Result<()> {
        let metadata = from.symlink_metadata().map_err(|e| unusable(from.display(), e))?;
        let several = metadata.nlink() > 1 && !metadata.is_dir();
        let inode = (metadata.dev(), metadata.ino());
        if let Some(first) = self.seen.get(&inode).filter(|_| several) {
            return link(first, to, "let two names be the same file, as in the source");
        }
        // A socket is worth nothing without the process that listens to it.
        if metadata.file_type().is_socket() {
            return Ok(());
        }
        make(from, to, &metadata)?;
        if several {
            self.seen.insert(inode, to.to_path_buf());
        }
        if metadata.is_dir() {
            self.children(from, to)?;
        }
        // After its children: each of them changes a directory's time.
        settle(to, &metadata::of(from, &metadata)?, &self.owners)
    }
}

fn make(from: &Path, to: &Path, metadata: &Metadata) -> Result<()> {
    const WHY: &str = "have in the root what is in the source";
    let kind = metadata.file_type();
    let mode = metadata.mode() & 0o777;
    if kind.is_dir() {
        // Until it is full, its maker must be able to write to it.
        mkdir(to, 0o700, WHY)
    } else if kind.is_symlink() {
        let target = fs::read_link(from).map_err(|e| unusable(from.display(), e))?;
        symlink(&target, to, WHY)
    } else if kind.is_file() {
        let content = fs::read(from).map_err(|e| unusable(from.display(), e))?;
        create(to, &content, mode, WHY)
    } else if kind.is_fifo() {
        mkfifo(to, mode, WHY)
    } else if kind.is_block_device() {
        mknod_block(to, mode, numbers(metadata.rdev()), WHY)
    } else {
        mknod_character(to, mode, numbers(metadata.rdev()), WHY)
    }
}

/// The two numbers of a device, from how the C library packs them (makedev(3)).
fn numbers(device: u64) -> (u64, u64) {
    let major = (device >> 8 & 0xfff) | (device >> 32 & !0xfff);
    let minor = (device & 0xff) | (device >> 12 & !0xff);
    (major, minor & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn devices_have_two_numbers() {
        assert_eq!(numbers(0x103), (1, 3));
        assert_eq!(numbers(0x0880_0a35), (10, 0x8835));
    }
}
