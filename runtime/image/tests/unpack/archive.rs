//! Archives, written byte by byte.

/// An entry, with every field as it shall stand in the header.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) letter: u8,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) seconds: u64,
    pub(crate) device: (u32, u32),
    pub(crate) content: Vec<u8>,
    /// What the header says of the size, where it lies.
    pub(crate) size: Option<u64>,
    pub(crate) pax: Vec<(String, Vec<u8>)>,
}

pub(crate) fn entry(letter: u8, name: impl AsRef<[u8]>) -> Entry {
    Entry {
        name: name.as_ref().to_vec(),
        letter,
        link: Vec::new(),
        mode: 0o644,
        owner: (0, 0),
        seconds: 1_000_000_000,
        device: (0, 0),
        content: Vec::new(),
        size: None,
        pax: Vec::new(),
    }
}

pub(crate) fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Entry {
    Entry { content: content.as_ref().to_vec(), ..entry(b'0', name) }
}

pub(crate) fn directory(name: impl AsRef<[u8]>) -> Entry {
    entry(b'5', name).mode(0o755)
}

pub(crate) fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    Entry { link: target.as_ref().to_vec(), ..entry(b'2', name) }.mode(0o777)
}

pub(crate) fn link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    Entry { link: target.as_ref().to_vec(), ..entry(b'1', name) }
}

pub(crate) fn device(letter: u8, name: &str, major: u32, minor: u32) -> Entry {
    Entry { device: (major, minor), ..entry(letter, name) }
}

impl Entry {
    pub(crate) fn mode(self, mode: u32) -> Entry {
        Entry { mode, ..self }
    }

    pub(crate) fn owner(self, user: u64, group: u64) -> Entry {
        Entry { owner: (user, group), ..self }
    }

    pub(crate) fn size(self, size: u64) -> Entry {
        Entry { size: Some(size), ..self }
    }

    pub(crate) fn pax(mut self, key: &str, value: impl AsRef<[u8]>) -> Entry {
        self.pax.push((key.to_string(), value.as_ref().to_vec()));
        self
    }

    /// Appends the entry to an archive, with its pax records before it.
    pub(crate) fn append(&self, archive: &mut Vec<u8>) {
        if !self.pax.is_empty() {
            let records: Vec<u8> = self.pax.iter().flat_map(|(k, v)| record(k, v)).collect();
            Entry { content: records, ..entry(b'x', "pax") }.append(archive);
        }
        archive.extend_from_slice(&self.header());
        archive.extend_from_slice(&self.content);
        fill_up(archive);
    }

    pub(crate) fn header(&self) -> [u8; 512] {
        let mut block = [0; 512];
        let size = self.size.unwrap_or(self.content.len() as u64);
        put(&mut block, 0, &self.name);
        put(&mut block, 100, format!("{:07o}\0", self.mode).as_bytes());
        put(&mut block, 108, &number(self.owner.0, 8));
        put(&mut block, 116, &number(self.owner.1, 8));
        put(&mut block, 124, &number(size, 12));
        put(&mut block, 136, format!("{:011o}\0", self.seconds).as_bytes());
        block[156] = self.letter;
        put(&mut block, 157, &self.link);
        put(&mut block, 257, b"ustar\x0000");
        put(&mut block, 329, format!("{:07o}\0", self.device.0).as_bytes());
        put(&mut block, 337, format!("{:07o}\0", self.device.1).as_bytes());
        add_up(&mut block);
        block
    }
}

/// A number in octal if it fits, and else as it is behind a bit.
fn number(value: u64, length: usize) -> Vec<u8> {
    let digits = format!("{value:0width$o}\0", width = length - 1);
    if digits.len() == length {
        return digits.into_bytes();
    }
    let mut bytes = vec![0; length.saturating_sub(8)];
    bytes.extend_from_slice(&value.to_be_bytes());
    let mut bytes = bytes[bytes.len() - length..].to_vec();
    bytes[0] |= 0x80;
    bytes
}

fn put(block: &mut [u8; 512], place: usize, bytes: &[u8]) {
    assert!(place + bytes.len() <= 512);
    block[place..place + bytes.len()].copy_from_slice(bytes);
}

/// Writes the sum of a header into it.
pub(crate) fn add_up(block: &mut [u8; 512]) {
    put(block, 148, b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    put(block, 148, format!("{sum:06o}\0 ").as_bytes());
}

/// One pax record, with its length at its beginning.
pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (1..6).map(|digits| rest + digits).find(|n| n.to_string().len() + rest == *n);
    let mut record = format!("{} {key}=", length.unwrap()).into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

pub(crate) fn fill_up(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(512), 0);
}

/// A whole archive.
pub(crate) fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut archive = Vec::new();
    entries.iter().for_each(|entry| entry.append(&mut archive));
    archive.resize(archive.len() + 1024, 0);
    archive
}
