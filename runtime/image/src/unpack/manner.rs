//! Who unpacks, and what can that one do?

use std::path::Path;

/// How what a layer wants is carried out by whoever unpacks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// What is done about owners.
    pub owners: Owners,
    /// How overlayfs is told what is gone.
    pub marks: Marks,
    /// What is done about doors to drivers.
    pub devices: Devices,
}

/// What is done about owners that have no id in this user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// It is an error: the files would be somebody else's.
    Kept,
    /// They become files of whoever unpacks.
    Squashed,
}

/// The extended attributes by which overlayfs knows what is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// `trusted.overlay.*`: for root alone.
    Trusted,
    /// `user.overlay.*`: in user namespaces, for a mount with `userxattr`.
    User,
}

/// What is done about doors to drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Devices {
    /// They are made.
    Made,
    /// They are left out and counted: a user namespace cannot make them. A container gets those that
    /// it needs from its runtime.
    LeftOut,
}

impl Manner {
    /// What this process can do: root of the machine everything, root of a user namespace less.
    pub fn of_this_process() -> Manner {
        let map = primitives::read_small(Path::new("/proc/self/uid_map")).unwrap_or_default();
        let numbers: Vec<&str> = map.split_whitespace().collect();
        let of_the_machine = numbers == ["0", "0", "4294967295"] && primitives::own_ids().0 == 0;
        match of_the_machine {
            true => Manner { owners: Owners::Kept, marks: Marks::Trusted, devices: Devices::Made },
            false => Manner { owners: Owners::Kept, marks: Marks::User, devices: Devices::LeftOut },
        }
    }
}

impl Marks {
    /// The attribute of a directory that hides what is below it.
    pub fn opaque(self) -> &'static str {
        match self {
            Marks::Trusted => "trusted.overlay.opaque",
            Marks::User => "user.overlay.opaque",
        }
    }

    /// The attribute of a layer's root that names the directories which the layer only uses, with zero
    /// bytes between them: what they are like is said by a layer below.
    pub fn implied(self) -> &'static str {
        match self {
            Marks::Trusted => "trusted.porthole.implied",
            Marks::User => "user.porthole.implied",
        }
    }
}

/// Whether an extended attribute of a layer is given to its file.
///
/// What says something to overlayfs, to a security module, or to a program of the machine's own would
/// let a layer speak in their name. Access control lists are kept: without one, its mask would become
/// the permissions of the group.
pub(super) fn is_kept(attribute: &[u8]) -> bool {
    match attribute {
        b"security.capability" => true,
        b"system.posix_acl_access" | b"system.posix_acl_default" => true,
        name if name.starts_with(b"user.overlay.") || name.starts_with(b"user.porthole.") => false,
        name => name.starts_with(b"user."),
    }
}
