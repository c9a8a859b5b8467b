//! Which root file system does a case have?
//!
//! One is made for all: the payload, a static busybox for what needs a system call that no file tells
//! of, and the libraries that they need. Each case gets its own directories, with links to the files.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::places::{NOBODY, Place};
use crate::programs::program;

static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();

/// Fills an empty directory.
pub(crate) fn fill(root: &Path, place: Place) -> Result<()> {
    let owner = place.is_other_user().then_some(NOBODY);
    copy(template(), root, owner).context("the root file system cannot be made")
}

/// Removes what was made for all. Called once, at the end.
pub fn clean_up() {
    if let Some(template) = TEMPLATE.get() {
        let _ = fs::remove_dir_all(template);
    }
}

fn template() -> &'static Path {
    TEMPLATE.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("porthole-root-{}", std::process::id()));
        fs::create_dir(&folder).expect("a temporary folder can be made");
        let payload = program("payload", Place::possible()[0]);
        let mut programs = vec![payload];
        programs.extend(rootfs::static_busybox());
        rootfs::make(&folder, &rootfs::Source::Programs(programs))
            .expect("a root can be made of programs of this machine");
        folder
    })
}

fn copy(from: &Path, to: &Path, owner: Option<u32>) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir(&target)?;
            copy(&source, &target, owner)?;
            fs::set_permissions(
                &target,
                Permissions::from_mode(entry.metadata()?.permissions().mode()),
            )?;
            lchown(&target, owner, owner)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::hard_link(&source, &target)?;
        }
    }
    Ok(())
}
