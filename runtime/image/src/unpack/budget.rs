//! How much of the machine may a layer want?
//!
//! Ten megabytes can unpack to ten gigabytes of zeros, or to ten million empty files. Whoever pulls an
//! image has not agreed to that; so there are limits, far above what real images need, and the error
//! says which of them was met.

use super::error::{Error, Result};

/// The limits of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes: of the tar when it is unpacked, and of the files with holes as they seem to be.
    pub bytes: u64,
    /// How many times larger it may become by unpacking.
    pub ratio: u64,
    /// From how many bytes on that counts: a small layer of zeros harms nobody.
    pub small: u64,
    /// Entries.
    pub entries: u64,
    /// How deep a directory may lie.
    pub depth: u64,
    /// Bytes of a name, with all directories that it leads through.
    pub name: u64,
    /// Bytes of extended attributes of one entry.
    pub attributes: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            bytes: 256 << 30,
            ratio: 200,
            small: 1 << 30,
            entries: 4_000_000,
            depth: 256,
            name: 4096,
            attributes: 256 << 10,
        }
    }
}

impl Budget {
    /// Is what came out of so many bytes not too much?
    pub(super) fn allows_bytes(&self, came_in: u64, came_out: u64) -> Result<()> {
        within("its size", came_out, self.bytes)?;
        let most = came_in.saturating_mul(self.ratio).max(self.small);
        match came_out <= most {
            true => Ok(()),
            false => Err(Error::Budget {
                what: format!("{came_out} bytes out of {came_in}, by a factor,"),
                most: self.ratio,
            }),
        }
    }

    /// Are the files with holes not too large? They take no room, until somebody copies them.
    pub(super) fn allows_seeming(&self, bytes: u64) -> Result<()> {
        within("the size of its files with holes", bytes, self.bytes)
    }

    pub(super) fn allows_entries(&self, entries: u64) -> Result<()> {
        within("the number of its entries", entries, self.entries)
    }

    pub(super) fn allows_name(&self, bytes: usize, depth: usize) -> Result<()> {
        within("the length of a name", bytes as u64, self.name)?;
        within("the depth of a directory", depth as u64, self.depth)
    }

    pub(super) fn allows_attributes(&self, bytes: usize) -> Result<()> {
        within("the size of an entry's extended attributes", bytes as u64, self.attributes)
    }
}

fn within(what: &str, is: u64, most: u64) -> Result<()> {
    match is <= most {
        true => Ok(()),
        false => Err(Error::Budget { what: format!("{what}, {is},"), most }),
    }
}
