//! Which devices does a program expect, and where do they come from?
//!
//! A device node is a door to a driver: two numbers, and permissions. Root of the machine can make
//! one. In a user namespace nobody can, or everybody could make a door to the disk; so there the
//! machine's own doors are shown in the new place.

use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use primitives::{Error, Result, mknod_character, own_ids, read_small, symlink, umask};

use crate::Api;
use crate::place::Place;

// ANCHOR: list
/// The devices that the OCI runtime specification demands ("Default Devices"), with their numbers.
const DEVICES: [(&str, (u64, u64)); 6] = [
    ("null", (1, 3)),
    ("zero", (1, 5)),
    ("full", (1, 7)),
    ("random", (1, 8)),
    ("urandom", (1, 9)),
    ("tty", (5, 0)),
];

/// What a process has open, under the names by which shells know it; and the door to new terminals.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];
// ANCHOR_END: list

// ANCHOR: make
/// Puts the devices into an empty `/dev`.
pub(crate) fn make(api: Api, dev: &Place) -> Result<()> {
    if !is_root_of_the_machine() {
        return DEVICES.into_iter().try_for_each(|(name, numbers)| show(api, dev, name, numbers));
    }
    umask(0, "let everybody read and write them")?;
    for (name, numbers) in DEVICES {
        mknod_character(&dev.path().join(name), 0o666, numbers, "have a door to this driver")?;
    }
    umask(0o022, "have what programs make writable by them alone, as usual")
}

fn show(api: Api, dev: &Place, name: &str, numbers: (u64, u64)) -> Result<()> {
    let source = machine(name, numbers)?;
    let place = dev.new_file(name)?;
    api.bind(&source, &place, "show the machine's door, where we may not make one")
}
// ANCHOR_END: make

/// The machine's own node. What bears its name may be something else, and whoever could put it
/// there would have it mounted into our root.
pub(crate) fn machine(name: &str, (major, minor): (u64, u64)) -> Result<PathBuf> {
    let path = Path::new("/dev").join(name);
    let is = fs::metadata(&path).map(|metadata| metadata.st_rdev());
    // Both numbers are small, so that they are packed into two bytes (makedev(3)).
    match is {
        Ok(is) if is == (major << 8 | minor) => Ok(path),
        _ => Err(Error::Unusable(format!(
            "{} is not the device {major}:{minor} on this machine",
            path.display()
        ))),
    }
}

/// Makes the links.
pub(crate) fn link(dev: &Place) -> Result<()> {
    for (target, name) in LINKS {
        symlink(Path::new(target), &dev.path().join(name), "have it under the name that is known")?;
    }
    Ok(())
}

/// Whether this is root of the first user namespace: the one in which every id is itself.
fn is_root_of_the_machine() -> bool {
    let map = read_small("/proc/self/uid_map".as_ref()).unwrap_or_default();
    own_ids().0 == 0 && map.split_whitespace().eq(["0", "0", "4294967295"])
}
