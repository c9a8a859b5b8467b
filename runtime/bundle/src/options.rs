//! What does a mount option mean?
//!
//! One table for all of them: those of the specification (config.md, "Linux mount options"), which are
//! also those of runc. What is not in it is data for the file system.

use serde::Serialize;

use crate::options::Effect::{
    Clear, ClearRecursively, CopyUp, IdMap, Nothing, Propagate, Rebind, Set, SetRecursively,
};

/// What an option does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: it names what is so anyway.
    Nothing,
    /// Sets a flag of the new mount.
    Set(Flag),
    /// Clears it, also where what is bound has it.
    Clear(Flag),
    /// Sets an attribute of the mount and of all below it: mount_setattr(2) with AT_RECURSIVE.
    SetRecursively(Attribute),
    /// Clears it there.
    ClearRecursively(Attribute),
    /// Binds a directory or file instead of mounting a file system; with all mounts below it or not.
    Rebind { recursive: bool },
    /// Says which mounts and unmounts it passes on.
    Propagate(Peers, bool),
    /// Shows other owners of the files; also of those on mounts below it or not.
    IdMap { recursive: bool },
    /// Fills a tmpfs with what it hides.
    CopyUp,
}

/// A flag of mount(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "mount(2) says what each does, under the same name")]
pub enum Flag {
    ReadOnly,
    NoSuid,
    NoDev,
    NoExec,
    Synchronous,
    Remount,
    Mandlock,
    DirSync,
    NoSymFollow,
    NoAtime,
    NoDirAtime,
    Silent,
    RelAtime,
    IVersion,
    StrictAtime,
    LazyTime,
}

/// An attribute of mount_setattr(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "mount_setattr(2) says what each does, under the same name")]
pub enum Attribute {
    ReadOnly,
    NoSuid,
    NoDev,
    NoExec,
    NoDirAtime,
    RelAtime,
    NoAtime,
    StrictAtime,
    NoSymFollow,
}

/// With whom a mount shares what is mounted below it: mount_namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "mount_namespaces(7) says what each is")]
pub enum Peers {
    Private,
    Slave,
    Shared,
    Unbindable,
}

const OPTIONS: [(&str, Effect); 64] = [
    // Of the file system, which knows by itself; runc takes them, and says so in `features`.
    ("acl", Nothing),
    ("async", Clear(Flag::Synchronous)),
    ("atime", Clear(Flag::NoAtime)),
    ("bind", Rebind { recursive: false }),
    ("defaults", Nothing),
    ("dev", Clear(Flag::NoDev)),
    ("diratime", Clear(Flag::NoDirAtime)),
    ("dirsync", Set(Flag::DirSync)),
    ("exec", Clear(Flag::NoExec)),
    ("idmap", IdMap { recursive: false }),
    ("iversion", Set(Flag::IVersion)),
    ("lazytime", Set(Flag::LazyTime)),
    ("loud", Clear(Flag::Silent)),
    ("mand", Set(Flag::Mandlock)),
    ("noacl", Nothing),
    ("noatime", Set(Flag::NoAtime)),
    ("nodev", Set(Flag::NoDev)),
    ("nodiratime", Set(Flag::NoDirAtime)),
    ("noexec", Set(Flag::NoExec)),
    ("noiversion", Clear(Flag::IVersion)),
    ("nolazytime", Clear(Flag::LazyTime)),
    ("nomand", Clear(Flag::Mandlock)),
    ("norelatime", Clear(Flag::RelAtime)),
    ("nostrictatime", Clear(Flag::StrictAtime)),
    ("nosuid", Set(Flag::NoSuid)),
    ("nosymfollow", Set(Flag::NoSymFollow)),
    ("private", Propagate(Peers::Private, false)),
    ("ratime", ClearRecursively(Attribute::NoAtime)),
    ("rbind", Rebind { recursive: true }),
    ("rdev", ClearRecursively(Attribute::NoDev)),
    ("rdiratime", ClearRecursively(Attribute::NoDirAtime)),
    ("relatime", Set(Flag::RelAtime)),
    ("remount", Set(Flag::Remount)),
    ("rexec", ClearRecursively(Attribute::NoExec)),
    ("ridmap", IdMap { recursive: true }),
    ("rnoatime", SetRecursively(Attribute::NoAtime)),
    ("rnodev", SetRecursively(Attribute::NoDev)),
    ("rnodiratime", SetRecursively(Attribute::NoDirAtime)),
    ("rnoexec", SetRecursively(Attribute::NoExec)),
    ("rnorelatime", ClearRecursively(Attribute::RelAtime)),
    ("rnostrictatime", ClearRecursively(Attribute::StrictAtime)),
    ("rnosuid", SetRecursively(Attribute::NoSuid)),
    ("rnosymfollow", SetRecursively(Attribute::NoSymFollow)),
    ("ro", Set(Flag::ReadOnly)),
    ("rprivate", Propagate(Peers::Private, true)),
    ("rrelatime", SetRecursively(Attribute::RelAtime)),
    ("rro", SetRecursively(Attribute::ReadOnly)),
    ("rrw", ClearRecursively(Attribute::ReadOnly)),
    ("rshared", Propagate(Peers::Shared, true)),
    ("rslave", Propagate(Peers::Slave, true)),
    ("rstrictatime", SetRecursively(Attribute::StrictAtime)),
    ("rsuid", ClearRecursively(Attribute::NoSuid)),
    ("rsymfollow", ClearRecursively(Attribute::NoSymFollow)),
    ("runbindable", Propagate(Peers::Unbindable, true)),
    ("rw", Clear(Flag::ReadOnly)),
    ("shared", Propagate(Peers::Shared, false)),
    ("silent", Set(Flag::Silent)),
    ("slave", Propagate(Peers::Slave, false)),
    ("strictatime", Set(Flag::StrictAtime)),
    ("suid", Clear(Flag::NoSuid)),
    ("symfollow", Clear(Flag::NoSymFollow)),
    ("sync", Set(Flag::Synchronous)),
    ("tmpcopyup", CopyUp),
    ("unbindable", Propagate(Peers::Unbindable, false)),
];

/// What this option does, unless it is data for the file system.
pub(crate) fn effect(option: &str) -> Option<Effect> {
    let found = OPTIONS.binary_search_by_key(&option, |(name, _)| name);
    found.ok().map(|index| OPTIONS[index].1)
}

/// The names of all options, in alphabetical order: what `features` calls `mountOptions`.
pub fn mount_options() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::{OPTIONS, effect};

    #[test]
    fn the_table_can_be_searched() {
        for pair in OPTIONS.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} stands before {}", pair[0].0, pair[1].0);
        }
        assert!(effect("mode=755").is_none());
    }
}
