//! Which mounts made later spread from one mount namespace to another?
//!
//! A new mount namespace is a copy of the old one. The copies of a *shared* mount are peers: what is
//! mounted below one of them appears below all. That is cut or bent by a request about each mount;
//! it is no property of the namespace.

use std::path::Path;

use clap::ValueEnum;
use primitives::{MsFlags, Result, mount_change, step};

/// How the mounts in here are tied to those out there.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Propagation {
    /// Nothing spreads
    Private,
    /// What is mounted outside appears inside
    Slave,
    /// What is mounted on either side appears on both
    Shared,
}

// ANCHOR: tie
impl Propagation {
    /// Ties all mounts in here in this way.
    pub(crate) fn set(self) -> Result<()> {
        match self {
            Propagation::Private => step("make private", make_private),
            Propagation::Slave => step("make slave", || {
                let why = "let the outside's mounts come in, and none of ours go out";
                change_all(MsFlags::MS_SLAVE, why)
            }),
            Propagation::Shared => step("make shared", || {
                change_all(MsFlags::MS_SHARED, "let mounts spread to whoever has a copy of ours")
            }),
        }
    }
}

/// Cuts all mounts in here loose from those out there.
pub(crate) fn make_private() -> Result<()> {
    change_all(MsFlags::MS_PRIVATE, "keep our mounts from spreading, and others' from coming in")
}

fn change_all(kind: MsFlags, why: &'static str) -> Result<()> {
    mount_change(Path::new("/"), MsFlags::MS_REC | kind, why)
}
// ANCHOR_END: tie
