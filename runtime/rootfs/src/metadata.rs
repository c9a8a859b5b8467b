//! What belongs to a file besides its content, and how is it given to a copy?

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use primitives::{
    Errno, Error, Result, Timestamp, chmod, lchown, lsetxattr, own_ids, read_small, utimensat,
};

use crate::unusable;

/// What a file shall be like.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) time: Timestamp,
    pub(crate) attributes: Vec<(String, Vec<u8>)>,
}

/// Who may give files to whom here: root, and in a user namespace to those who have a name in it.
pub(crate) struct Owners {
    users: Vec<[u32; 2]>,
    groups: Vec<[u32; 2]>,
}

impl Owners {
    /// Those of this process. An ordinary user gives nothing to anybody.
    pub(crate) fn known() -> Owners {
        if own_ids().0 != 0 {
            return Owners { users: Vec::new(), groups: Vec::new() };
        }
        Owners { users: ranges("/proc/self/uid_map"), groups: ranges("/proc/self/gid_map") }
    }

    fn has(&self, (user, group): (u32, u32)) -> bool {
        let within = |ranges: &[[u32; 2]], id: u32| {
            ranges.iter().any(|[first, count]| id >= *first && id - first < *count)
        };
        within(&self.users, user) && within(&self.groups, group)
    }
}

/// The ids that have a name in this user namespace: where each range begins, and how long it is.
fn ranges(map: &str) -> Vec<[u32; 2]> {
    let text = read_small(map.as_ref()).unwrap_or_default();
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        let (first, _, count) =
            (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        let _: u32 = count;
        Some([first, count])
    };
    text.lines().filter_map(line).collect()
}

/// The permission bits of what lies at `path` itself.
pub(crate) fn mode_of(path: &Path) -> Result<u32> {
    let metadata = path.symlink_metadata().map_err(|e| unusable(path.display(), e))?;
    Ok(metadata.mode() & 0o7777)
}

/// Makes the requests that are needed for what lies at `path` to be as wanted, and no others.
///
/// The order is the kernel's: giving a file away takes its set-user-ID bit, so permissions come
/// after it; and every change but the last would change the time.
pub(crate) fn settle(path: &Path, wanted: &Wanted, owners: &Owners) -> Result<()> {
    let is = path.symlink_metadata().map_err(|e| unusable(path.display(), e))?;
    if owners.has(wanted.owner) && (is.uid(), is.gid()) != wanted.owner {
        let (user, group) = wanted.owner;
        lchown(path, user, group, "give it to whom it belongs in the source")?;
    }
    if !is.is_symlink() && mode_of(path)? != wanted.mode {
        chmod(path, wanted.mode, "let it be read, written and run by the same people")?;
    }
    for (name, value) in &wanted.attributes {
        where_allowed(lsetxattr(path, name, value, "keep what it carries besides its content"))?;
    }
    utimensat(path, wanted.time, "let it look as old as it is")
}

/// Attributes of some kinds are for root alone, or for file systems of some kinds; a copy without
/// them is still one. What the window refuses is a failure all the same.
fn where_allowed(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::Request(refusal))
            if !refusal.here && [Errno::EPERM, Errno::EOPNOTSUPP].contains(&refusal.errno) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// What a file of this machine is like.
pub(crate) fn of(path: &Path, metadata: &fs::Metadata) -> Result<Wanted> {
    let names = primitives::llistxattr(path).map_err(|e| unusable(path.display(), e))?;
    let mut attributes = Vec::new();
    for name in names {
        let value = primitives::lgetxattr(path, &name).map_err(|e| unusable(path.display(), e))?;
        attributes.extend(value.map(|value| (name, value)));
    }
    Ok(Wanted {
        mode: metadata.mode() & 0o7777,
        owner: (metadata.uid(), metadata.gid()),
        time: Timestamp {
            seconds: metadata.mtime(),
            nanos: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
        },
        attributes,
    })
}
