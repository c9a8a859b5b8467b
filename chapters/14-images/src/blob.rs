//! What is a name that nobody has to be trusted for?

use std::fmt::Write;

use primitives::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::Descriptor;

/// `sha256:` and 64 hexadecimal digits. It becomes the name of a file, so one that exists is well formed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Digest(String);

impl Digest {
    // ANCHOR: digest
    /// The digest of some bytes.
    pub(crate) fn of(bytes: &[u8]) -> Digest {
        let mut hex = String::from("sha256:");
        for byte in Sha256::digest(bytes) {
            write!(hex, "{byte:02x}").expect("a String takes all that is written");
        }
        Digest(hex)
    }
    // ANCHOR_END: digest

    /// The digits.
    pub(crate) fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// So much of it as a person compares.
    pub(crate) fn short(&self) -> &str {
        &self.0["sha256:".len()..][..12]
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

// ANCHOR: well_formed
impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Digest, String> {
        let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        match text.strip_prefix("sha256:") {
            Some(hex) if hex.len() == 64 && hex.bytes().all(is_digit) => Ok(Digest(text)),
            _ => Err(format!("{text:?} is no digest: sha256: and 64 digits 0-9 a-f are one")),
        }
    }
}
// ANCHOR_END: well_formed

// ANCHOR: check
/// Whether these bytes are what a descriptor promises.
pub(crate) fn check(promised: &Descriptor, bytes: &[u8]) -> Result<()> {
    let (size, digest) = (bytes.len() as u64, Digest::of(bytes));
    if size == promised.size && digest == promised.digest {
        return Ok(());
    }
    Err(Error::Unusable(format!(
        "this is not what was promised: {} with {} bytes is {} with {size} bytes",
        promised.digest.short(),
        promised.size,
        digest.short()
    )))
}
// ANCHOR_END: check

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn nothing_that_could_be_a_path_is_a_digest() {
        let good = String::from(Digest::of(b""));
        assert!(good.starts_with("sha256:e3b0c44298fc"), "{good}");
        assert!(Digest::try_from(good.clone()).is_ok());
        for bad in ["sha256:../../x", "", "sha256:", &good[1..], &good.to_uppercase()] {
            assert!(Digest::try_from(bad.to_string()).is_err(), "{bad}");
        }
    }
}
