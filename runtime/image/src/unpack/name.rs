//! Where does an entry want to be, and what does its name mean beyond that?
//!
//! A name is a path below the root of the layer. A layer can also say that something of the layers
//! below is gone, and it says so by names that nothing else may have (image-spec, "Whiteouts").

use super::budget::Budget;
use super::error::{Stop, refused};

/// What names begin with that say that something is gone.
const WHITEOUT: &[u8] = b".wh.";

/// A path below the root: parts that are names, with slashes between them. The root itself is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Name {
    path: Vec<u8>,
    /// Where the last part begins.
    last: usize,
}

/// What an entry says of the layers below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// Nothing: it is itself.
    Itself,
    /// That what has this name there is gone.
    Gone(&'a [u8]),
    /// That all that is in this directory there is gone.
    Opaque,
}

impl Name {
    /// Reads a name of an archive into this one. A slash at its beginning means the root of the layer,
    /// as every reader of layers has it; `..` could mean anything, and is refused.
    pub(super) fn read(&mut self, text: &[u8], budget: &Budget) -> Result<(), Stop> {
        self.path.clear();
        self.last = 0;
        if text.contains(&0) {
            return refused("there is a zero byte in the name");
        }
        let mut depth = 0;
        for part in text.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => continue,
                b".." => return refused("there is .. in the name"),
                part => {
                    if !self.path.is_empty() {
                        self.path.push(b'/');
                    }
                    self.last = self.path.len();
                    self.path.extend_from_slice(part);
                    depth += 1;
                }
            }
        }
        budget.allows_name(text.len(), depth).map_err(Stop::Other)
    }

    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// The directory that it lies in.
    pub(super) fn parent(&self) -> &[u8] {
        &self.path[..self.last.saturating_sub(1)]
    }

    /// Its own name there; empty for the root.
    pub(super) fn last(&self) -> &[u8] {
        &self.path[self.last..]
    }

    /// What the name says beyond itself.
    pub(super) fn meaning(&self) -> Result<Meaning<'_>, Stop> {
        if self.parent().split(|byte| *byte == b'/').any(|part| part.starts_with(WHITEOUT)) {
            return refused("it lies in a directory with a name that says that something is gone");
        }
        let Some(gone) = self.last().strip_prefix(WHITEOUT) else {
            return Ok(Meaning::Itself);
        };
        match gone {
            b".wh..opq" => Ok(Meaning::Opaque),
            b"" | b"." | b".." => refused("it says that nothing that has a name is gone"),
            gone if gone.starts_with(WHITEOUT) => refused("names like this one are reserved"),
            gone => Ok(Meaning::Gone(gone)),
        }
    }
}

/// Whether `below` is `above`, or lies below it.
pub(super) fn is_at_or_below(below: &[u8], above: &[u8]) -> bool {
    above.is_empty()
        || below.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}
