//! How is a bundle opened?

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use bundle::{Complaints, Reading};
use primitives::{Error, Result};

/// Far more than any engine writes, and far less than would hurt: the file may come from anybody.
const LARGEST: u64 = 16 << 20;

/// A bundle's config.json.
pub(crate) struct Opened {
    /// What it means.
    pub(crate) reading: Reading,
    /// As it is written.
    pub(crate) text: Vec<u8>,
}

/// Reads the config.json of a bundle, and says everything that is wrong with it.
///
/// # Errors
/// The directory or the file cannot be read, or there are complaints.
pub(crate) fn open(directory: &Path) -> Result<Opened> {
    // runc goes into the directory, so to it, too, a bundle is where its links lead.
    let bundle = directory.canonicalize().map_err(|error| unusable(directory, &error))?;
    let file = bundle.join("config.json");
    let text = read_file(&file).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::Unusable(format!(
            "{}: there is no such file: write one with `runtime spec`, or say where the bundle is \
             with --bundle",
            file.display()
        )),
        _ => unusable(&file, &error),
    })?;
    let reading = bundle::read(&text, &bundle);
    let reading = reading.map_err(|complaints| Error::Unusable(told(&file, &complaints)))?;
    Ok(Opened { reading, text })
}

/// Reads a part of a configuration that stands in a file of its own, or comes on standard input ("-").
pub(crate) fn read_json(file: &Path) -> Result<serde_json::Value> {
    let text = match file.as_os_str() == "-" {
        true => read_at_most(std::io::stdin()),
        false => read_file(file),
    };
    let text = text.map_err(|error| unusable(file, &error))?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::Unusable(format!("{}: {error}", file.display())))
}

fn read_file(file: &Path) -> std::io::Result<Vec<u8>> {
    read_at_most(File::open(file)?)
}

fn read_at_most(from: impl Read) -> std::io::Result<Vec<u8>> {
    // Of most configurations this is all, so that nothing is read in small pieces.
    const USUAL: usize = 32 << 10;
    let mut text = Vec::with_capacity(USUAL);
    let read = from.take(LARGEST + 1).read_to_end(&mut text)?;
    if read as u64 > LARGEST {
        return Err(std::io::Error::other("more than 16 MiB, which is no configuration"));
    }
    Ok(text)
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unusable(format!("{}: {error}", path.display()))
}

fn told(file: &Path, complaints: &Complaints) -> String {
    let count = match complaints.all().len() {
        1 => "one thing is wrong".to_string(),
        many => format!("{many} things are wrong"),
    };
    let list = crate::plain(&complaints.to_string()).replace('\n', "\n  ");
    format!("{}: {count}\n  {list}", file.display())
}
