//! What can an image do to who unpacks it?

use std::fs;
use std::io::Write;
use std::path::Path;

use clap::ValueEnum;
use primitives::{Error, Result, Status, create, mkdir, step_giving};
use tar::{Builder, EntryType, Header};

use crate::compression::{Compression, MOST};
use crate::unpack::{lay, lay_carelessly};
use crate::{entry, view};

/// How it attacks. Every digest of it is right: who has made it has computed them.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Way {
    /// A file whose name goes up
    Traversal,
    /// A link that leads out, and a file through it
    Link,
    /// A door to the machine's memory
    Device,
    /// A few thousand bytes that become 80 MiB
    Bomb,
}

const CANARY: &[u8] = b"alive\n";

// ANCHOR: attack
/// Unpacks a hostile layer, next to a file that it is after.
pub(crate) fn attack(way: Way, defenceless: bool) -> Result<Status> {
    let place = view::empty_place()?;
    let (target, canary) = (place.join("root"), place.join("canary"));
    step_giving("put out a canary", || {
        mkdir(&target, 0o755, "have a directory for the layer")?;
        create(&canary, CANARY, 0o644, "have a file outside of it, to see whether it is harmed")
    })?;
    let pressed = hostile(way).map_err(|error| Error::Unusable(error.to_string()))?;
    let most = if defenceless { u64::MAX - 1 } else { MOST };
    let entries = entry::read(Compression::Gzip.expand(&pressed, most)?)?;
    let result = match defenceless {
        true => lay_carelessly(&entries, &target),
        false => entry::check(&entries).and_then(|()| lay(&entries, &target)),
    };
    println!("the canary {}", state(&canary));
    result.map(|()| Status::Exited(0))
}
// ANCHOR_END: attack

// ANCHOR: hostile
fn hostile(way: Way) -> std::io::Result<Vec<u8>> {
    let poison = |name: &str| entry_of(name, EntryType::Regular, b"poison");
    let plain = match way {
        Way::Traversal => poison("../canary")?,
        Way::Link => [link("way", "..")?, poison("way/canary")?].concat(),
        Way::Device => entry_of("mem", EntryType::Char, b"")?,
        Way::Bomb => return bomb(),
    };
    Compression::Gzip.press(&plain)
}

/// A file of 80 MiB of zeros. A gzip file may have several members, one behind the other, so one million of
/// zeros is compressed once and written down eighty times.
fn bomb() -> std::io::Result<Vec<u8>> {
    const MEMBERS: usize = 80;
    let mut header = Header::new_gnu();
    header.set_path("zeros")?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size((MEMBERS as u64) << 20);
    header.set_cksum();
    let mut pressed = Compression::Gzip.press(header.as_bytes())?;
    let member = Compression::Gzip.press(&vec![0; 1 << 20])?;
    for _ in 0..MEMBERS {
        pressed.write_all(&member)?;
    }
    Ok(pressed)
}
// ANCHOR_END: hostile

/// An entry alone: archives can be written one behind the other when their ends are cut off. The name is put
/// in by hand, because no honest library writes such names.
fn entry_of(name: &str, kind: EntryType, content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o666);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    header.set_device_major(1)?;
    header.set_device_minor(1)?;
    alone(header, content)
}

fn link(name: &str, target: &str) -> std::io::Result<Vec<u8>> {
    let mut header = Header::new_gnu();
    header.set_path(name)?;
    header.set_link_name(target)?;
    header.set_entry_type(EntryType::Symlink);
    header.set_mode(0o777);
    header.set_mtime(0);
    header.set_size(0);
    alone(header, b"")
}

fn alone(mut header: Header, content: &[u8]) -> std::io::Result<Vec<u8>> {
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, content)?;
    let mut bytes = builder.into_inner()?;
    bytes.truncate(bytes.len() - 1024);
    Ok(bytes)
}

fn state(canary: &Path) -> String {
    match fs::read(canary) {
        Ok(content) if content == CANARY => "is unharmed".to_string(),
        Ok(content) => format!("says {:?}", String::from_utf8_lossy(&content)),
        Err(_) => "is gone".to_string(),
    }
}
