//! How is a layer made smaller, and how is it kept from becoming too big?

use std::io::{self, Read, Write};

use clap::ValueEnum;
use primitives::{Error, Result};

use crate::model::LAYER;

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compression {
    /// Not at all
    None,
    /// What everybody reads
    Gzip,
    /// Smaller, and faster to read
    Zstd,
}

/// A layer may become this many bytes. An honest one of this chapter is far below.
pub(crate) const MOST: u64 = 16 << 20;

impl Compression {
    /// The media type of a layer that is compressed in this way.
    pub(crate) fn media_type(self) -> String {
        match self {
            Compression::None => LAYER.to_string(),
            Compression::Gzip => format!("{LAYER}+gzip"),
            Compression::Zstd => format!("{LAYER}+zstd"),
        }
    }

    /// What a media type says.
    pub(crate) fn of(media_type: &str) -> Result<Compression> {
        let all = [Compression::None, Compression::Gzip, Compression::Zstd];
        all.into_iter().find(|one| one.media_type() == media_type).ok_or_else(|| {
            Error::Unusable(format!("{media_type} is no kind of layer that is known here"))
        })
    }

    /// Makes it smaller; the same bytes become the same bytes.
    pub(crate) fn press(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Compression::None => Ok(plain.to_vec()),
            Compression::Gzip => {
                // The head has no time and no file name, or no two would be the same.
                let level = flate2::Compression::default();
                let mut encoder = flate2::GzBuilder::new().write(Vec::new(), level);
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Compression::Zstd => zstd::stream::encode_all(plain, 3),
        }
    }

    // ANCHOR: expand
    /// Makes it as it was, but not longer than `most`: a thousand bytes can become a million.
    pub(crate) fn expand(self, pressed: &[u8], most: u64) -> Result<Vec<u8>> {
        let reader: Box<dyn Read + '_> = match self {
            Compression::None => Box::new(pressed),
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(pressed)),
            Compression::Zstd => Box::new(zstd::Decoder::new(pressed).map_err(broken)?),
        };
        let mut plain = Vec::new();
        reader.take(most + 1).read_to_end(&mut plain).map_err(broken)?;
        if plain.len() as u64 > most {
            let size = pressed.len();
            return Err(Error::Unusable(format!(
                "the layer does not end: its {size} bytes are more than {most} already"
            )));
        }
        Ok(plain)
    }
    // ANCHOR_END: expand
}

fn broken(error: io::Error) -> Error {
    Error::Unusable(format!("the layer cannot be expanded: {error}"))
}
