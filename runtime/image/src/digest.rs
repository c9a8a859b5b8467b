//! Is this what I asked for?
//!
//! A digest is the one name of a blob that nobody has to be trusted for: whoever has the bytes can
//! compute it. It is also the name of a file in the store, so a [`Digest`] that exists is well formed.

use std::fmt::{self, Display, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

/// `ALGORITHM:HEX`, well formed: it can stand in a path and in a URL (image-spec, "Digests").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

/// How a digest is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, what everybody uses.
    Sha256,
    /// SHA-512, which the specification allows beside it.
    Sha512,
}

/// Why a text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADigest {
    /// There is no `ALGORITHM:` in front.
    #[error("{0:?} is not a digest: it has to look like sha256:0123…")]
    NoAlgorithm(String),
    /// An algorithm that is not known here.
    #[error("{0:?} is not an algorithm for digests that is known here: sha256 and sha512 are")]
    Algorithm(String),
    /// What follows is not hexadecimal of the right length.
    #[error("{text:?} is not a digest: {wanted} digits 0-9 a-f have to follow the colon")]
    Hex {
        /// The text.
        text: String,
        /// How many digits there have to be.
        wanted: usize,
    },
}

impl Algorithm {
    /// The name, as it stands in a digest and in a layout's folder `blobs`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits it has.
    pub fn digits(self) -> usize {
        match self {
            Algorithm::Sha256 => 64,
            Algorithm::Sha512 => 128,
        }
    }
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// How it is computed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The first twelve digits, as tables show them.
    pub fn short(&self) -> &str {
        &self.hex[..12]
    }
}

impl Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Digest, NotADigest> {
        text.parse()
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Digest, NotADigest> {
        let Some((algorithm, hex)) = text.split_once(':') else {
            return Err(NotADigest::NoAlgorithm(text.to_owned()));
        };
        let algorithm = match algorithm {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            other => return Err(NotADigest::Algorithm(other.to_owned())),
        };
        let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() != algorithm.digits() || !hex.bytes().all(is_digit) {
            return Err(NotADigest::Hex { text: text.to_owned(), wanted: algorithm.digits() });
        }
        Ok(Digest { algorithm, hex: hex.to_owned() })
    }
}

/// Computes a digest from bytes as they come by.
#[derive(Clone, Debug)]
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-512.
    Sha512(Sha512),
}

impl Hasher {
    /// Nothing has come by yet.
    pub fn new(algorithm: Algorithm) -> Hasher {
        match algorithm {
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            Algorithm::Sha512 => Hasher::Sha512(Sha512::new()),
        }
    }

    /// These bytes come by.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all that came by.
    pub fn finish(self) -> Digest {
        match self {
            Hasher::Sha256(hasher) => written(Algorithm::Sha256, &hasher.finalize()),
            Hasher::Sha512(hasher) => written(Algorithm::Sha512, &hasher.finalize()),
        }
    }
}

fn written(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(hex, "{byte:02x}").expect("a String takes all that is written");
    }
    Digest { algorithm, hex }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_digest_of_nothing_is_the_well_known_one() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        assert_eq!(EMPTY.parse::<Digest>().expect("well formed").to_string(), EMPTY);
    }

    #[test]
    fn nothing_that_could_be_a_path_is_a_digest() {
        for text in [
            "sha256:../../x",
            "sha256:",
            "sha256",
            "",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            &EMPTY.to_uppercase(),
            &EMPTY[..70],
            &format!("{EMPTY}0"),
            &EMPTY.replace("sha256", "sha512"),
            &EMPTY.replace('e', "é"),
            &format!(" {EMPTY}"),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text:?} was taken for a digest");
        }
    }
}
